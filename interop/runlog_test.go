package interop_test

import (
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"leasehold.example/leasehold/runlog"
)

// log returns the run log's node.
func (f fleet) log(t *testing.T) (data string, stat zk.Stat) {
	t.Helper()
	raw, s, err := f.conn.Get(f.path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw), *s
}

// TestKazooLeavesTheRunLog as it is, whatever it does, and we leave its nodes.
func TestKazooLeavesTheRunLog(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.kazooRuns(t, "kazoo-a") // makes the path
	if data, _ := f.log(t); data != "" {
		t.Fatalf("got the data %q at kazoo's path, want none", data)
	}
	s := dueAt(5, now())
	finish(t, f.tick(t, s, 2), runlog.Failure)
	data, stat := f.log(t)
	unchanged := func(what string) {
		t.Helper()
		got, gotStat := f.log(t)
		if got != data || gotStat.Mzxid != stat.Mzxid {
			t.Errorf("%s: got the run log %s, want %s, as it was", what, got, data)
		}
	}
	at := now().Add(-time.Hour)
	f.wantKazoo(t, true, "kazoo-a", time.Minute, at)
	unchanged("kazoo is granted the lease")
	f.wantKazoo(t, true, "kazoo-a", time.Minute, at.Add(time.Second))
	unchanged("kazoo renews it")
	f.wantKazoo(t, false, "kazoo-b", time.Minute, at.Add(time.Second))
	unchanged("kazoo is denied it")
	f.wantKazoo(t, true, "kazoo-b", time.Minute, at.Add(5*time.Minute))
	unchanged("another takes it over")
	lock, err := f.peer.Lock(f.path, "kazoo-a")
	if err != nil {
		t.Fatal(err)
	}
	unchanged("kazoo has its lock")

	// Behind that lock a tick is queued for.
	done := make(chan outcome, 1)
	go func() {
		l, err := f.host.TryAcquireTick(t.Context(), f.path, s, tickTime)
		done <- outcome{l, err}
	}()
	f.awaitQueued(t, f.path, 2, done)
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	o := <-done
	if o.err != nil {
		t.Fatal(o.err)
	}
	f.wantNoDebris(t, f.path)

	// The end of a run does not wait for a lock of kazoo's, and leaves it.
	if lock, err = f.peer.Lock(f.path, "kazoo-a"); err != nil {
		t.Fatal(err)
	}
	finish(t, o.lease, runlog.Success)
	if there, _, err := f.conn.Exists(f.path + "/" + lock.Node); !there || err != nil {
		t.Errorf("kazoo's lock node: got %v and error %v, want it there", there, err)
	}
	if err := lock.Unlock(); err != nil {
		t.Error(err)
	}
}
