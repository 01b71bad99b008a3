package interop_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/kazootest"
	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/runlog"
	"leasehold.example/leasehold/zookeeper"
)

// TestRunOfKazooCountsAfterUndo: a grant over kazoo's record hides that kazoo
// wrote it, and what puts the record back does not change that. So the run log
// has to know of kazoo's run.
func TestRunOfKazooCountsAfterUndo(t *testing.T) {
	t.Parallel()

	for _, c := range []struct {
		name  string
		lasts time.Duration // kazoo's lease
		grant func(t *testing.T, f fleet, due time.Time) *leasehold.Lease
		undo  bool
	}{
		{"of the same tick", -time.Minute, func(t *testing.T, f fleet, due time.Time) *leasehold.Lease {
			return f.tick(t, dueAt(2, due), 2)
		}, true},
		{"by a wrong clock of the next tick", -time.Minute, wrongClock, true},
		{"by a wrong clock that died", -time.Minute, wrongClock, false},
		{"by a wrong clock of a lease that had not ended", 3 * time.Second, wrongClock, true},
		{"of a plain run", -time.Minute, plainRun, true},
		{"of a plain run by a wrong clock", 3 * time.Second, func(t *testing.T, f fleet, due time.Time) *leasehold.Lease {
			f.host.Now = inAnHour
			return plainRun(t, f, due)
		}, true},
		{"of a plain run that went on", -time.Minute, plainRun, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f, due := newFleet(t), now()
			f.wantKazoo(t, true, "kazoo-a", 2*time.Minute, now().Add(c.lasts-2*time.Minute))
			before := f.record(t, f.path)
			other := f
			other.host = f.another("host-b", nil)
			l := c.grant(t, other, due)
			if c.undo {
				if err := l.Undo(t.Context()); err != nil {
					t.Fatal(err)
				}
				f.wantRecord(t, f.path, before)
				if c.lasts > 0 {
					f.wantKazoo(t, false, "kazoo-b", time.Minute, now())
				}
			} else if err := l.Release(t.Context()); err != nil { // its time is up
				t.Fatal(err)
			}
			_, err := f.host.AcquireTick(t.Context(), f.path, dueAt(1, due), tickTime)
			wantVerdict(t, err, runlog.IsSpent, "kazoo-a")
			f.tick(t, dueAt(2, due), 2)
		})
	}
}

func inAnHour() time.Time { return time.Now().Add(time.Hour) }

// wrongClock is granted the tick after due, by a clock that is an hour ahead.
func wrongClock(t *testing.T, f fleet, due time.Time) *leasehold.Lease {
	t.Helper()
	f.host.Now = inAnHour
	return f.tick(t, dueAt(1, due, due.Add(time.Hour)), 1)
}

func plainRun(t *testing.T, f fleet, _ time.Time) *leasehold.Lease {
	t.Helper()
	f.host.RunLog = true
	l, err := f.host.TryAcquire(t.Context(), f.path, tickTime)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestWrongClockBesideKazoo: a host whose clock is 30 s ahead takes kazoo's lease
// for the next tick, learns by the servers' stamp how late it really is, and takes
// that back by itself.
func TestWrongClockBesideKazoo(t *testing.T) {
	t.Parallel()
	found, _ := filepath.Glob("/usr/lib/*/faketime/libfaketimeMT.so.1") // the pattern is good
	if len(found) == 0 {
		t.Fatal("there is no libfaketime: apt-get install faketime")
	}
	const ahead = 30 * time.Second // of the servers' clock
	server := zktest.StartWith(t, zktest.Config{Env: append(os.Environ(), "LD_PRELOAD="+found[0], fmt.Sprintf("FAKETIME=-%ds", int(ahead.Seconds())), "FAKETIME_DONT_FAKE_MONOTONIC=1")})
	store, err := zookeeper.Open(t.Context(), "zk://"+server.Addr(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	f := fleet{
		lab:  &lab{peer: kazootest.Start(t, server.Addr()), conn: zktest.Conn(t, server.Addr())},
		path: freshPath(t), host: &leasehold.Client{Store: store, Holder: "host-a", MaxClockSkew: skew},
	}
	wrong := f.another("host-b", nil)
	f.host.Now = func() time.Time { return time.Now().Add(-ahead) }

	due := f.kazooRuns(t, "kazoo-a") // ended long ago by all clocks
	before := f.record(t, f.path)
	_, err = wrong.TryAcquireTick(t.Context(), f.path, dueAt(1, due, due.Add(ahead-skew)), tickTime)
	if _, ok := errors.AsType[*leasehold.ClockSkewError](err); !ok {
		t.Fatalf("got error %v, want a ClockSkewError", err)
	}
	f.wantRecord(t, f.path, before)
	f.wantRuns(t, entry{holder: "kazoo-a", result: runlog.Unknown})
	f.wantRefused(t, dueAt(1, due), runlog.IsSpent, "kazoo-a")
	f.tick(t, dueAt(2, due), 2)
}

// TestKazooRunsThatCountOnce, or not at all: the record shows kazoo's newest run,
// until somebody replaces it who keeps no log.
func TestKazooRunsThatCountOnce(t *testing.T) {
	t.Parallel()
	f, due := newFleet(t), now()
	f.wantKazoo(t, true, "kazoo-a", time.Second, due.Add(-time.Hour))
	f.kazooRuns(t, "kazoo-b")
	if err := f.tick(t, dueAt(3, due), 2).Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.wantRuns(t, entry{"host-a", due, 2, runlog.Running}, entry{"kazoo-b", due, 1, runlog.Unknown})

	f.kazooRuns(t, "kazoo-a")
	l, err := f.host.TryAcquire(t.Context(), f.path, tickTime)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.tick(t, dueAt(3, due), 3)
}

// TestAgainAfterKazoo: who reopens a tick that kazoo has run can run it, whether
// or not one of ours was begun before.
func TestAgainAfterKazoo(t *testing.T) {
	t.Parallel()
	for _, ours := range []bool{true, false} {
		f := newFleet(t)
		former, due := now().Add(-time.Hour), now()
		s := dueAt(1, former, due)
		s.CatchUp = former
		first := f
		if !ours {
			first.host = f.another("host-a", func() time.Time { return due.Add(-time.Minute) })
		}
		if err := first.tick(t, s, 1).Release(t.Context()); err != nil { // as if it had died
			t.Fatal(err)
		}
		f.kazooRuns(t, "kazoo-a")
		f.wantRefused(t, s, runlog.IsSpent, "kazoo-a")
		if err := f.host.Reopen(t.Context(), f.path, "alice", "wrong input"); err != nil {
			t.Fatal(err)
		}
		f.tick(t, s, map[bool]int{true: 2, false: 1}[ours])
	}
}
