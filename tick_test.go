package leasehold_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/leasetest"
	"leasehold.example/leasehold/runlog"
)

// every is a schedule that is due once in each period.
func every(period time.Duration, attempts int) leasehold.Schedule {
	return leasehold.Schedule{
		Name: "every " + period.String(), Timezone: "UTC", Attempts: attempts,
		Ticks: func(t time.Time) (due, next time.Time, ok bool) {
			due = t.Truncate(period)
			return due, due.Add(period), true
		},
	}
}

const tickDuration = 20 * time.Second

func tick(t *testing.T, c *leasehold.Client, s leasehold.Schedule) *leasehold.Lease {
	t.Helper()
	l, err := c.TryAcquireTick(t.Context(), path, s, tickDuration)
	if err != nil {
		t.Fatalf("TryAcquireTick by %q: got error %v, want a lease", c.Holder, err)
	}
	return l
}

// wantVerdict fails unless c is refused the tick with this verdict.
func wantVerdict(t *testing.T, c *leasehold.Client, s leasehold.Schedule, want runlog.Verdict) *leasehold.TickError {
	t.Helper()
	_, err := c.TryAcquireTick(t.Context(), path, s, tickDuration)
	var denial *leasehold.TickError
	if !errors.As(err, &denial) || denial.Verdict != want {
		t.Fatalf("TryAcquireTick by %q: got error %v, want the verdict %q", c.Holder, err, want)
	}
	return denial
}

func finish(t *testing.T, l *leasehold.Lease, r runlog.Result) {
	t.Helper()
	wantNil(t, "Finish", l.Finish(t.Context(), leasehold.Outcome{Result: r}))
}

func runs(t *testing.T, c *leasehold.Client) runlog.Log {
	t.Helper()
	l, err := c.Runs(t.Context(), path)
	wantNil(t, "Runs", err)
	return l
}

func sleepUntilNext(period time.Duration) {
	now := time.Now()
	time.Sleep(now.Truncate(period).Add(period).Sub(now) + 10*time.Millisecond)
}

func TestTickOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := leasetest.NewStore()
		a, b := client(s, "host-a"), client(s, "host-b")
		hourly := every(time.Hour, 1)
		sleepUntilNext(time.Hour)
		due := time.Now().Truncate(time.Hour)
		l := tick(t, a, hourly)
		if !l.Tick().Equal(due) || l.Attempt() != 1 || !l.LastSuccess().IsZero() {
			t.Errorf("got tick %s, attempt %d, last success %s, want %s, 1, none", l.Tick(), l.Attempt(), l.LastSuccess(), due)
		}
		_, err := b.TryAcquireTick(t.Context(), path, hourly, tickDuration)
		wantHeld(t, err, "host-a")
		wantVerdict(t, a, hourly, runlog.IsRunning)
		time.Sleep(3 * time.Second)
		finish(t, l, runlog.Success)
		finish(t, l, runlog.Success)

		// The record keeps others away until the next tick, less the skew.
		held := func() *leasehold.HeldError {
			_, err := b.TryAcquireTick(t.Context(), path, hourly, tickDuration)
			return wantHeld(t, err, "host-a")
		}
		if end, want := held().End, due.Add(time.Hour-2*time.Second); !end.Equal(want) {
			t.Errorf("after the success: got a record until %s, want %s", end, want)
		}
		wantVerdict(t, a, hourly, runlog.IsDone)
		if got := runs(t, b); len(got.Runs) != 1 || got.Runs[0].Result != runlog.Success || !got.Head.Done {
			t.Errorf("got the run log %+v, want one success", got)
		}

		// Less than the skew before the next tick it is waited for.
		time.Sleep(time.Until(due.Add(time.Hour - time.Second)))
		next := tick(t, b, hourly)
		if want := due.Add(time.Hour); !next.Tick().Equal(want) || !next.LastSuccess().Equal(due) {
			t.Errorf("got tick %s, last success %s, want %s, %s", next.Tick(), next.LastSuccess(), want, due)
		}
		finish(t, next, runlog.Failure)
		wantVerdict(t, b, hourly, runlog.IsSpent)
		_, err = a.TryAcquireTick(t.Context(), path, hourly, tickDuration)
		wantHeld(t, err, "host-b")
	})
}

func TestTickRetries(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := leasetest.NewStore()
		a, b := client(s, "host-a"), client(s, "host-b")
		hourly := every(time.Hour, 4)
		sleepUntilNext(time.Hour)
		finish(t, tick(t, a, hourly), runlog.Failure)
		denial := wantVerdict(t, b, hourly, runlog.IsWaiting)
		if pause := time.Until(denial.At); pause < 29*time.Second || pause > 30*time.Second {
			t.Errorf("after a failure: got a pause of %s, want 30s", pause)
		}

		// The second attempt waits for its time, and its host dies.
		second, err := b.AcquireTick(t.Context(), path, hourly, tickDuration)
		wantNil(t, "AcquireTick", err)
		if second.Attempt() != 2 {
			t.Errorf("got attempt %d, want 2", second.Attempt())
		}
		third, err := a.AcquireTick(t.Context(), path, hourly, tickDuration)
		wantNil(t, "AcquireTick after a death", err)
		if log := runs(t, a); third.Attempt() != 3 || log.Runs[1].Result != runlog.Unknown {
			t.Errorf("got attempt %d after %q, want 3 after an unknown result", third.Attempt(), log.Runs[1].Result)
		}

		// The dead one reports after all: that counts, whichever attempt it was.
		finish(t, second, runlog.Success)
		if log := runs(t, a); !log.Head.Done || log.Runs[1].Result != runlog.Success || log.Runs[0].Result != runlog.Running {
			t.Errorf("after a late success: got %+v, want the tick done", log)
		}
		waited := make(chan error)
		go func() {
			_, err := b.AcquireTick(t.Context(), path, hourly, tickDuration)
			waited <- err
		}()
		time.Sleep(time.Second)
		finish(t, third, runlog.Failure)
		var denied *leasehold.TickError
		if err := <-waited; !errors.As(err, &denied) || denied.Verdict != runlog.IsDone {
			t.Errorf("waiting for a tick that is done: got %v, want the verdict %q", err, runlog.IsDone)
		}
	})
}

func TestTickCatchUp(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := leasetest.NewStore()
		a := client(s, "host-a")
		hourly := every(time.Hour, 1)
		sleepUntilNext(time.Hour)
		time.Sleep(3 * time.Minute)
		seen := time.Now()
		wantVerdict(t, a, hourly, runlog.IsTooOld)
		if got := runs(t, a).Head.Since; !got.Equal(seen.Truncate(time.Second)) {
			t.Fatalf("got the schedule first seen at %s, want %s", got, seen)
		}
		time.Sleep(time.Minute)
		wantVerdict(t, a, hourly, runlog.IsTooOld)

		early := hourly
		early.CatchUp = seen.Add(-time.Hour)
		wantNil(t, "Undo", tick(t, a, early).Undo(t.Context()))
		if got := runs(t, a); len(got.Runs) != 0 || !got.Head.Tick.IsZero() || got.Head.Since.IsZero() {
			t.Errorf("after Undo: got the log %+v, want it as before", got)
		}

		time.Sleep(100 * time.Minute) // the next tick, missed for a while
		finish(t, tick(t, a, hourly), runlog.Success)

		late := hourly
		late.StartWithin = time.Minute
		time.Sleep(time.Hour)
		wantVerdict(t, a, late, runlog.IsOverdue)
	})
}

func TestTickByHand(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := leasetest.NewStore()
		a, b := client(s, "host-a"), client(s, "host-b")
		hourly := every(time.Hour, 1)
		sleepUntilNext(time.Hour)
		if err := a.Reopen(t.Context(), path, "alice", "no reason"); !errors.Is(err, leasehold.ErrNoTick) {
			t.Fatalf("Reopen before any tick: got %v, want %v", err, leasehold.ErrNoTick)
		}
		wantNil(t, "Pause", a.Pause(t.Context(), path, "alice", "a migration"))
		if denial := wantVerdict(t, b, hourly, runlog.IsPaused); denial.Paused.By != "alice" || denial.Paused.Reason != "a migration" {
			t.Errorf("got paused by %q since %q, want alice and her reason", denial.Paused.By, denial.Paused.Reason)
		}
		wantNil(t, "Resume", a.Resume(t.Context(), path, "alice", "done"))
		finish(t, tick(t, a, hourly), runlog.Success)
		wantVerdict(t, a, hourly, runlog.IsDone)

		wantNil(t, "Reopen", b.Reopen(t.Context(), path, "bob", "wrong input"))
		again := tick(t, b, hourly)
		if again.Attempt() != 2 {
			t.Errorf("after Reopen: got attempt %d, want 2", again.Attempt())
		}
		wantNil(t, "Reopen while it runs", a.Reopen(t.Context(), path, "bob", "to be sure"))
		finish(t, again, runlog.Failure)
		finish(t, tick(t, a, hourly), runlog.Failure)
		wantVerdict(t, a, hourly, runlog.IsSpent)
		want := []runlog.Result{runlog.Failure, runlog.Reopened, runlog.Failure, runlog.Reopened, runlog.Success, runlog.Resumed, runlog.Paused}
		if got := runs(t, a).Runs; !slices.EqualFunc(got, want, func(r runlog.Run, want runlog.Result) bool { return r.Result == want }) {
			t.Errorf("got the entries %+v, want the results %q", got, want)
		}
	})
}

func TestHoldFinishes(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := leasetest.NewStore()
		a := client(s, "host-a")
		hourly := every(time.Hour, 1)
		for _, c := range []struct {
			err  error
			want runlog.Result
		}{{nil, runlog.Success}, {errors.New("no"), runlog.Failure}} {
			sleepUntilNext(time.Hour)
			err := tick(t, a, hourly).Hold(t.Context(), func(ctx context.Context) error {
				time.Sleep(time.Minute)
				return c.err
			})
			if !errors.Is(err, c.err) || err != nil && c.err == nil {
				t.Errorf("Hold: got %v, want %v", err, c.err)
			}
			if got := runs(t, a).Runs[0].Result; got != c.want {
				t.Errorf("Hold of a function that returned %v: got %q in the log, want %q", c.err, got, c.want)
			}
		}
	})
}

func TestRunLogOfPlainLeases(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := leasetest.NewStore()
		a := client(s, "host-a")
		a.RunLog, a.Program = true, "cleanup"
		l := acquire(t, a, time.Minute)
		code := 3
		wantNil(t, "Finish", l.Finish(t.Context(), leasehold.Outcome{Result: runlog.Failure, Exit: &code}))
		got := runs(t, a)
		if len(got.Runs) != 1 || got.Runs[0].Program != "cleanup" || got.Runs[0].Result != runlog.Failure || *got.Runs[0].Exit != 3 {
			t.Errorf("got the log %+v, want a failure of cleanup's", got)
		}
		if l.Remaining() <= 0 {
			t.Error("after Finish: the lease has ended, want it to last")
		}
		_, err := client(s, "host-b").TryAcquire(t.Context(), path, time.Minute)
		wantHeld(t, err, "host-a")

		// A log that is not one stays, and the lease is granted without.
		wantNil(t, "EditLog", s.EditLog(t.Context(), path, func([]byte) ([]byte, error) { return []byte("theirs"), nil }))
		wantNil(t, "Finish", acquire(t, client(s, "host-a"), time.Minute).Release(t.Context()))
		acquire(t, a, time.Minute)
		_, err = a.Acquire(t.Context(), path, time.Minute)
		wantNil(t, "Acquire", err)
		_, err = a.Runs(t.Context(), path)
		var bad *leasehold.LogError
		if !errors.As(err, &bad) || bad.Newer {
			t.Errorf("Runs: got %v, want a LogError", err)
		}
	})
}

func TestOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := leasetest.NewStore()
		a := client(s, "host-a")
		a.Once = true
		acquire(t, a, time.Minute)
		_, err := a.TryAcquire(t.Context(), path, time.Minute)
		wantHeld(t, err, "host-a")
		time.Sleep(time.Minute)
		acquire(t, a, time.Minute)
	})
}

// A host whose clock is a little behind, or ahead, asks again at the right time,
// and not all the time.
func TestTickBesideTheStoresClock(t *testing.T) {
	for _, off := range []time.Duration{-300 * time.Millisecond, 300 * time.Millisecond} {
		t.Run(off.String(), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newFaulty()
				s.Now = func() time.Time { return time.Now().Add(-off) } // this host's clock is off by off
				hourly := every(time.Hour, 3)
				a, b := client(s, "host-a"), client(s, "host-b")
				sleepUntilNext(time.Hour)
				time.Sleep(time.Hour - time.Second) // the store's clock, if it is ahead, shows the next tick sooner
				early := hourly
				early.CatchUp = time.Now().Add(-2 * time.Hour)
				time.Sleep(800 * time.Millisecond)
				l := tick(t, a, early)
				if want := time.Now().Truncate(time.Hour); off < 0 && !l.Tick().Equal(want) {
					t.Errorf("got the tick %s, want %s, which the store's clock has reached", l.Tick(), want)
				}
				if n := s.requests("grant"); n > 2 {
					t.Errorf("got %d grants, want 2 at most", n)
				}
				// host-a dies; host-b waits.
				grants := s.requests("grant")
				next, err := b.AcquireTick(t.Context(), path, early, tickDuration)
				wantNil(t, "AcquireTick", err)
				if want := time.Now().Truncate(time.Hour); !next.Tick().Equal(want) {
					t.Errorf("got the tick %s, want %s", next.Tick(), want)
				}
				if n := s.requests("grant") - grants; n > 3 {
					t.Errorf("got %d grants, want 3 at most", n)
				}
			})
		})
	}
}
