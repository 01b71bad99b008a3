package leasehold_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/leasetest"
	"leasehold.example/leasehold/runlog"
)

// countingStore counts what is asked for, and ends a test that asks without end.
type countingStore struct {
	*leasetest.Store
	watches, grants atomic.Int32
	stop            context.CancelFunc // at the limit
}

const tooMany = 50

func (s *countingStore) Watch(ctx context.Context, path string) (leasehold.Entry, <-chan struct{}, error) {
	if s.watches.Add(1) > tooMany && s.stop != nil {
		s.stop()
	}
	return s.Store.Watch(ctx, path)
}

func (s *countingStore) Grant(ctx context.Context, known leasehold.Entry, decide func(leasehold.Entry) (leasehold.Proposal, error)) (granted, replaced leasehold.Entry, err error) {
	if s.grants.Add(1) > tooMany && s.stop != nil {
		s.stop()
	}
	return s.Store.Grant(ctx, known, decide)
}

// newCountingStore returns a store whose clock is ahead of this host's, and a
// context that ends when it is asked too often.
func newCountingStore(t *testing.T, ahead time.Duration) (*countingStore, context.Context) {
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	s := leasetest.NewStore()
	s.Now = func() time.Time { return time.Now().Add(ahead) }
	return &countingStore{Store: s, stop: stop}, ctx
}

func TestUndoKeepsALateFinish(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := leasetest.NewStore()
		a, b := client(s, "host-a"), client(s, "host-b")
		hourly := every(time.Hour, 2)
		sleepUntilNext(time.Hour)
		late := tick(t, a, hourly)
		time.Sleep(tickDuration)
		second := tick(t, b, hourly)
		finish(t, late, runlog.Success)
		wantNil(t, "Undo", second.Undo(t.Context()))
		log := runs(t, a)
		if !log.Head.Done || log.Head.Attempts != 1 || len(log.Runs) != 1 || log.Runs[0].Result != runlog.Success {
			t.Errorf("after the undo: got the log %+v, want the late success and nothing else", log)
		}
		wantVerdict(t, b, hourly, runlog.IsDone)
	})
}

func TestUndoOfALostTick(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := leasetest.NewStore()
		a := client(s, "host-a")
		hourly := every(time.Hour, 1)
		sleepUntilNext(time.Hour)
		l := tick(t, a, hourly)
		wantNil(t, "ForceRelease", a.ForceRelease(t.Context(), path, l.Token()))
		wantNil(t, "Undo", l.Undo(t.Context()))
		if again := tick(t, a, hourly); again.Attempt() != 1 {
			t.Errorf("after the undo: got attempt %d, want 1", again.Attempt())
		}
	})
}

func TestOnceWaits(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s, ctx := newCountingStore(t, 0)
		a := client(s, "host-a")
		a.Once = true
		acquire(t, a, time.Minute)
		_, err := a.Acquire(ctx, path, time.Minute)
		wantNil(t, "Acquire", err)
	})
}

// A free slot is of no use to one who has another.
func TestOnceWaitsWithSlots(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s, ctx := newCountingStore(t, 0)
		a := client(s, "host-a")
		a.Once = true
		_, err := a.TryAcquire(t.Context(), path+"/1", time.Minute)
		wantNil(t, "TryAcquire", err)
		_, err = a.AcquireSlot(ctx, path, 2, time.Minute)
		wantNil(t, "AcquireSlot", err)
	})
}

func TestOnceWithSlots(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := client(leasetest.NewStore(), "host-a")
		a.Once = true
		acquireSlot(t, a, 2, time.Minute)
		_, err := a.TryAcquireSlot(t.Context(), path, 2, time.Minute)
		wantHeld(t, err, "host-a")
		time.Sleep(time.Minute)
		acquireSlot(t, a, 2, time.Minute)
	})
}

// TestTickOfASlowClock: the store's clock has reached the next tick, this host's has
// not. The tick before is not tried again and again.
func TestTickOfASlowClock(t *testing.T) {
	for name, get := range map[string]func(*leasehold.Client, context.Context, leasehold.Schedule) (*leasehold.Lease, error){
		"TryAcquireTick": func(c *leasehold.Client, ctx context.Context, s leasehold.Schedule) (*leasehold.Lease, error) {
			return c.TryAcquireTick(ctx, path, s, tickDuration)
		},
		"AcquireTick": func(c *leasehold.Client, ctx context.Context, s leasehold.Schedule) (*leasehold.Lease, error) {
			return c.AcquireTick(ctx, path, s, tickDuration)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s, ctx := newCountingStore(t, time.Second)
				hourly := every(time.Hour, 1)
				hourly.CatchUp = time.Now().Add(-2 * time.Hour)
				sleepUntilNext(time.Hour)
				due := time.Now().Truncate(time.Hour).Add(time.Hour)
				time.Sleep(time.Until(due.Add(-500 * time.Millisecond)))
				l, err := get(client(s, "host-a"), ctx, hourly)
				wantNil(t, name, err)
				if !l.Tick().Equal(due) || s.grants.Load() > 2 {
					t.Errorf("got the tick %s after %d grants, want %s after 2 at most", l.Tick(), s.grants.Load(), due)
				}
			})
		})
	}
}

// TestAcquireTickOfAFastClock: this host's clock says that a dead host's lease has
// ended, and the store's does not yet.
func TestAcquireTickOfAFastClock(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s, ctx := newCountingStore(t, -time.Second)
		hourly := every(time.Hour, 2)
		sleepUntilNext(time.Hour)
		time.Sleep(2 * time.Second)
		tick(t, client(s, "host-a"), hourly)
		l, err := client(s, "host-b").AcquireTick(ctx, path, hourly, tickDuration)
		wantNil(t, "AcquireTick", err)
		if l.Attempt() != 2 || s.grants.Load() > 4 {
			t.Errorf("got attempt %d after %d grants, want 2 after 4 at most", l.Attempt(), s.grants.Load())
		}
	})
}

// TestAcquireTickDoesNotWaitForTheNext: the record of a tick that is done lasts until
// the next one.
func TestAcquireTickDoesNotWaitForTheNext(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := leasetest.NewStore()
		hourly := every(time.Hour, 1)
		sleepUntilNext(time.Hour)
		finish(t, tick(t, client(s, "host-a"), hourly), runlog.Success)
		begun := time.Now()
		_, err := client(s, "host-b").AcquireTick(t.Context(), path, hourly, tickDuration)
		var denied *leasehold.TickError
		if took := time.Since(begun); !errors.As(err, &denied) || denied.Verdict != runlog.IsDone || took > time.Second {
			t.Errorf("got %v after %s, want the verdict %q at once", err, took, runlog.IsDone)
		}
	})
}

// TestTickSoonButNotInTime: the next tick is waited for, and the caller gives up.
func TestTickSoonButNotInTime(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := client(leasetest.NewStore(), "host-a")
		hourly := every(time.Hour, 1)
		sleepUntilNext(time.Hour)
		finish(t, tick(t, a, hourly), runlog.Success)
		due := time.Now().Truncate(time.Hour).Add(time.Hour)
		time.Sleep(time.Until(due.Add(-time.Second)))
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := a.TryAcquireTick(ctx, path, hourly, tickDuration)
		var denied *leasehold.TickError
		if !errors.As(err, &denied) || denied.Verdict != runlog.IsNextSoon || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the verdict %q, and the end of the context", err, runlog.IsNextSoon)
		}
	})
}

// TestRunBesideATick: a plain run of a tick's holder is not entered, so it does not
// finish either.
func TestRunBesideATick(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := client(leasetest.NewStore(), "host-a")
		a.RunLog = true
		sleepUntilNext(time.Hour)
		tick(t, a, every(time.Hour, 1))
		if acquire(t, a, time.Minute).IsLogged() {
			t.Error("a plain run while the holder runs a tick: got one that is to be finished, want none")
		}
	})
}

// TestReopenLeavesAPlainRun: a plain run of the holder that has finished a tick keeps
// the record's end.
func TestReopenLeavesAPlainRun(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := client(leasetest.NewStore(), "host-a")
		sleepUntilNext(time.Hour)
		finish(t, tick(t, a, every(time.Hour, 1)), runlog.Success)
		a.RunLog = true
		l := acquire(t, a, time.Minute)
		wantNil(t, "Reopen", a.Reopen(t.Context(), path, "alice", "wrong input"))
		wantNil(t, "Renew after Reopen", l.Renew(t.Context()))
		wantVerdict(t, a, every(time.Hour, 1), runlog.IsHeld)
	})
}

func TestResumeWithoutAPauseWritesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := leasetest.NewStore()
		wantNil(t, "Resume", client(s, "host-a").Resume(t.Context(), path, "alice", "no reason"))
		e, err := s.ReadLog(t.Context(), leasehold.Entry{Path: path})
		wantNil(t, "ReadLog", err)
		if len(e.Log.Data) > 0 {
			t.Errorf("got the log %s, want none", e.Log.Data)
		}
	})
}

// TestFinishAdopts: COMMAND has acquired the lease, and ends before that was seen.
func TestFinishAdopts(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := leasetest.NewStore()
		a := client(s, "host-a")
		a.Adopt = true
		sleepUntilNext(time.Hour)
		l := tick(t, a, every(time.Hour, 1))
		acquire(t, client(s, "host-a"), 10*time.Second)
		finish(t, l, runlog.Success)
		status, err := a.Status(t.Context(), path)
		wantNil(t, "Status", err)
		if want := l.Tick().Add(time.Hour - 2*time.Second); !status.End.Equal(want) {
			t.Errorf("after the success: got a record until %s, want %s", status.End, want)
		}
	})
}

// TestTickComesWhileItIsDecided: the schedule is asked just before the next tick is
// due, and the rule just after.
func TestTickComesWhileItIsDecided(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := leasetest.NewStore()
		a := client(s, "host-a")
		hourly := every(time.Hour, 1)
		sleepUntilNext(time.Hour)
		finish(t, tick(t, a, hourly), runlog.Success)
		due := time.Now().Truncate(time.Hour).Add(time.Hour)
		time.Sleep(time.Until(due))
		ticks, asked := hourly.Ticks, 0
		hourly.Ticks = func(now time.Time) (due, next time.Time, ok bool) {
			if asked++; asked == 1 {
				now = now.Add(-time.Microsecond)
			}
			return ticks(now)
		}
		if l := tick(t, a, hourly); !l.Tick().Equal(due) {
			t.Errorf("got the tick %s, want %s", l.Tick(), due)
		}
	})
}

// editedStore is a store where something else happens just before an edit.
type editedStore struct {
	*leasetest.Store
	before func()
}

func (s *editedStore) EditLog(ctx context.Context, path string, edit leasehold.LogEdit) error {
	if before := s.before; before != nil {
		s.before = nil
		before()
	}
	return s.Store.EditLog(ctx, path, edit)
}

// TestReopenWhileARunEnds: the run has ended, and kept the lease, since Reopen has
// seen it.
func TestReopenWhileARunEnds(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := &editedStore{Store: leasetest.NewStore()}
		sleepUntilNext(time.Hour)
		l := tick(t, client(s, "host-a"), every(time.Hour, 1))
		s.before = func() { finish(t, l, runlog.Failure) }
		wantNil(t, "Reopen", client(s, "host-b").Reopen(t.Context(), path, "bob", "wrong input"))
		if got := tick(t, client(s, "host-b"), every(time.Hour, 1)).Attempt(); got != 2 {
			t.Errorf("after Reopen: got attempt %d, want 2", got)
		}
	})
}

// TestReopenThatIsHalfDone: the tick was reopened, and then the store is away. Who is told
// that nothing was done would do it once more.
func TestReopenThatIsHalfDone(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := &awayStore{Store: leasetest.NewStore()}
		sleepUntilNext(time.Hour)
		tick(t, client(s, "host-a"), every(time.Hour, 1))
		s.afterEdit = true
		err := client(s, "host-b").Reopen(t.Context(), path, "bob", "wrong input")
		wantErr(t, "Reopen", err, leasehold.ErrOutcomeUnknown)
	})
}

// An awayStore can't be read after a run log was changed, if afterEdit is set.
type awayStore struct {
	*leasetest.Store
	afterEdit, away bool
}

func (s *awayStore) EditLog(ctx context.Context, path string, edit leasehold.LogEdit) error {
	err := s.Store.EditLog(ctx, path, edit)
	s.away = s.afterEdit
	return err
}

func (s *awayStore) Read(ctx context.Context, path string) (leasehold.Entry, error) {
	if s.away {
		return leasehold.Entry{}, leasehold.ErrUnreachable
	}
	return s.Store.Read(ctx, path)
}

// A plain lease of the holder of a tick that was finished keeps the end that the
// tick has left, but it is another's: again must not release it.
func TestReopenBesidePlainLeaseWithTheSameEnd(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := leasetest.NewStore()
		a := client(s, "host-a")
		hourly := every(time.Hour, 1)
		sleepUntilNext(time.Hour)
		finish(t, tick(t, a, hourly), runlog.Success)
		time.Sleep(time.Second)
		plain := acquire(t, a, time.Minute)
		wantNil(t, "Reopen", a.Reopen(t.Context(), path, "alice", "wrong input"))
		wantNil(t, "Renew of the plain lease", plain.Renew(t.Context()))
		wantVerdict(t, a, hourly, runlog.IsHeld)
	})
}
