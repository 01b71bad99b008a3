package board_test

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/kazoo"
	"leasehold.example/leasehold/runlog"
)

// A fleet of leases, each with a run log that is full, takes little of the heap: at
// that rate 10,000 take, with what is not collected yet, less than 100 MB. (They took
// 24 MB. To make them takes minutes with the race detector.) Not in parallel: it looks
// at the heap of the whole process.
func TestMemory(t *testing.T) {
	const n, most = 2_500, 15 << 20
	server := zktest.Start(t)
	fill(t, zktest.Conn(t, server.Addr()), n)
	store := open(t, server.Addr(), "", nil)
	before := heap()
	b := run(t, store, "/")
	s, changed := b.Snapshot()
	for ; !s.Known || len(s.Jobs) < n; s, changed = b.Snapshot() {
		<-changed // however long it takes on a busy machine
	}
	took := heap() - before
	for i := 0; i < n; i += 100 {
		j := s.Jobs[i]
		if runs := len(j.Whole().Log.Runs); runs != runlog.MaxRuns || j.LogError != nil {
			t.Fatalf("%s: got %d runs, error %v, want %d", j.Path, runs, j.LogError, runlog.MaxRuns)
		}
	}
	t.Logf("%d leases: %d MB", n, took>>20)
	if took > most {
		t.Errorf("%d leases: got %d MB, want at most %d", n, took>>20, most>>20)
	}
}

func heap() int {
	runtime.GC()
	runtime.GC() // what has finalizers
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// fill makes n leases with full run logs, as they are after a while. The server keeps
// its newest 500 transactions in memory, so they must not be large.
func fill(t *testing.T, conn *zk.Conn, n int) {
	t.Helper()
	const width, together = 16, 5
	all := zk.WorldACL(zk.PermAll)
	_, err := conn.Create("/jobs", nil, 0, all)
	must(t, err)
	begin := time.Now().Truncate(time.Hour)
	var making sync.WaitGroup
	for worker := range width {
		making.Go(func() {
			for first := worker * together; first < n; first += width * together {
				var ops []any
				for i := first; i < first+together; i++ {
					path, holder := fmt.Sprintf("/jobs/%d", i), fmt.Sprintf("host-%d.example.com", i%40)
					record, recordErr := kazoo.NewRecord(holder, begin.Add(time.Hour), 0).Marshal()
					log, logErr := fullLog(holder, i, begin).Marshal()
					if err := errors.Join(recordErr, logErr); err != nil {
						t.Error(err)
					}
					ops = append(ops, &zk.CreateRequest{Path: path, Data: log, Acl: all}, &zk.CreateRequest{Path: path + "/lease_holder", Data: record, Acl: all})
				}
				if _, err := conn.Multi(ops...); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	making.Wait()
}

// fullLog is the log of an hourly job that has succeeded for long.
func fullLog(holder string, job int, begin time.Time) runlog.Log {
	exit := 0
	log := runlog.Log{Head: runlog.Head{
		Schedule: "0 * * * *", Timezone: "UTC", Since: begin.AddDate(-1, 0, 0),
		Tick: begin, Attempts: 1, Done: true, Until: begin.Add(time.Hour), Granted: begin,
		LastSuccess: begin, LastSuccessEnd: begin.Add(time.Minute),
	}}
	for i := range runlog.MaxRuns {
		tick := begin.Add(-time.Duration(i) * time.Hour)
		log.Runs = append(log.Runs, runlog.Run{
			ID: fmt.Sprintf("%016x", job<<8|i), Tick: tick, Attempt: 1, Holder: holder, Host: holder, PID: 1000 + i,
			Program: "nightly-report", Started: tick.Add(1234 * time.Millisecond), Ended: tick.Add(61234 * time.Millisecond),
			Result: runlog.Success, Exit: &exit,
		})
	}
	log.Head.ID = log.Runs[0].ID
	return log
}
