package leasehold_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/leasetest"
	"leasehold.example/leasehold/runlog"
)

func job(c *leasehold.Client, s leasehold.Schedule, do func(context.Context, *leasehold.Lease) error) *leasehold.Job {
	return &leasehold.Job{Client: c, Path: path, Schedule: s, Duration: tickDuration, Do: do}
}

// TestJobOnce: three replicas with schedulers of their own do the work once for each
// tick.
func TestJobOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := leasetest.NewStore()
		var mu sync.Mutex
		var ticks []time.Time
		sleepUntilNext(time.Minute)
		first := time.Now().Truncate(time.Minute)
		var replicas sync.WaitGroup
		for i, host := range []string{"host-a", "host-b", "host-c"} {
			j := job(client(s, host), every(time.Minute, 1), func(ctx context.Context, l *leasehold.Lease) error {
				mu.Lock()
				ticks = append(ticks, l.Tick())
				mu.Unlock()
				return ctx.Err() // it is short: the others come when it has ended
			})
			replicas.Go(func() {
				time.Sleep(time.Duration(i) * time.Second)
				for range 5 {
					wantNil(t, "Run", j.Run(t.Context()))
					time.Sleep(time.Minute)
				}
			})
		}
		replicas.Wait()
		for i, tick := range ticks {
			if want := first.Add(time.Duration(i) * time.Minute); !tick.Equal(want) {
				t.Errorf("run %d: got the tick %s, want %s", i, tick, want)
			}
		}
		if len(ticks) != 5 {
			t.Errorf("got %d runs, want 5", len(ticks))
		}
	})
}

// TestJobElsewhere: an attempt that fails, and one whose process dies, are followed by
// that of a process whose scheduler called once, at the tick.
func TestJobElsewhere(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := leasetest.NewStore()
		hourly := every(time.Hour, 3)
		sleepUntilNext(time.Hour)
		tick(t, client(s, "host-a"), hourly) // and dies

		down := errors.New("no disk space")
		var attempts []int
		do := func(err error) func(context.Context, *leasehold.Lease) error {
			return func(_ context.Context, l *leasehold.Lease) error {
				attempts = append(attempts, l.Attempt())
				return err
			}
		}
		failed := make(chan error)
		b := job(client(s, "host-b"), hourly, do(down))
		go func() { failed <- b.Run(t.Context()) }()
		synctest.Wait()
		c := job(client(s, "host-c"), hourly, do(nil))
		done := make(chan error)
		go func() {
			time.Sleep(tickDuration + time.Second) // until host-b has taken over
			done <- c.Run(t.Context())
		}()
		wantErr(t, "Run by host-b", <-failed, down)
		wantNil(t, "Run by host-c", <-done)
		if len(attempts) != 2 || attempts[0] != 2 || attempts[1] != 3 {
			t.Errorf("got the attempts %v, want 2 and 3", attempts)
		}
		if log := runs(t, c.Client); !log.Head.Done || log.Runs[0].Result != runlog.Success || log.Runs[1].Result != runlog.Failure {
			t.Errorf("got the run log %+v, want a failure and then a success", log)
		}
	})
}

// TestJobOverlaps: work that is still going when the next ticks are due is followed
// by that of the newest one, and no more than one call waits for that.
func TestJobOverlaps(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var ticks []time.Time
		j := job(client(leasetest.NewStore(), "host-a"), every(time.Minute, 1), func(_ context.Context, l *leasehold.Lease) error {
			ticks = append(ticks, l.Tick())
			time.Sleep(210 * time.Second)
			return nil
		})
		sleepUntilNext(time.Minute)
		first := time.Now().Truncate(time.Minute)
		var calls sync.WaitGroup
		var ended atomic.Int32
		for i := range 4 {
			calls.Go(func() {
				wantNil(t, "Run", j.Run(t.Context()))
				if i > 1 {
					ended.Add(1)
				}
			})
			time.Sleep(time.Minute)
		}
		synctest.Wait()
		if ended.Load() != 2 {
			t.Errorf("got %d calls that returned at once, want 2", ended.Load())
		}
		calls.Wait()
		if want := first.Add(3 * time.Minute); len(ticks) != 2 || !ticks[0].Equal(first) || !ticks[1].Equal(want) {
			t.Errorf("got the ticks %s, want %s and %s", ticks, first, want)
		}
	})
}

// TestJobUnreachable: while the store can't be reached no calls pile up, and one does
// the work when it can.
func TestJobUnreachable(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFaulty()
		s.fail(func(context.Context, string) error { return leasehold.ErrUnreachable })
		done := 0
		j := job(client(s, "host-a"), every(time.Minute, 1), func(context.Context, *leasehold.Lease) error {
			done++
			return nil
		})
		sleepUntilNext(time.Minute)
		var calls sync.WaitGroup
		var waiting atomic.Int32
		for range 10 {
			waiting.Add(1)
			calls.Go(func() {
				wantNil(t, "Run", j.Run(t.Context()))
				waiting.Add(-1)
			})
			time.Sleep(time.Minute)
		}
		synctest.Wait()
		if waiting.Load() != 2 {
			t.Errorf("got %d calls that wait, want 2", waiting.Load())
		}
		s.fail(nil)
		calls.Wait()
		if done != 1 {
			t.Errorf("got %d runs, want 1", done)
		}
	})
}

func TestJobLost(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFaulty()
		j := job(client(s, "host-a"), every(time.Hour, 1), func(ctx context.Context, _ *leasehold.Lease) error {
			s.fail(func(_ context.Context, request string) error {
				if request == "renew" {
					return leasehold.ErrUnreachable
				}
				return nil
			})
			<-ctx.Done()
			return nil
		})
		sleepUntilNext(time.Hour)
		wantErr(t, "Run", j.Run(t.Context()), leasehold.ErrLost)
		if got := runs(t, j.Client).Runs[0].Result; got != runlog.Lost {
			t.Errorf("got the result %q, want %q", got, runlog.Lost)
		}
	})
}

// TestJobEnds: Run returns the end of its context, and not that it was denied, also
// where it waits for another.
func TestJobEnds(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := leasetest.NewStore()
		sleepUntilNext(time.Hour)
		hourly := every(time.Hour, 2)
		other := tick(t, client(s, "host-b"), hourly)
		j := job(client(s, "host-a"), hourly, func(context.Context, *leasehold.Lease) error { return nil })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		wantErr(t, "Run", j.Run(ctx), context.DeadlineExceeded)
		finish(t, other, runlog.Success)
		wantNil(t, "Run after the success", j.Run(t.Context()))
	})
}

// TestJobLogged: why a tick is not run is told once, in a message that docs/logging.md
// has.
func TestJobLogged(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := leasetest.NewStore()
		sleepUntilNext(time.Hour)
		hourly := every(time.Hour, 1)
		finish(t, tick(t, client(s, "host-b"), hourly), runlog.Success)
		log := &journal{t: t}
		j := job(log.logged(s, "host-a"), hourly, func(context.Context, *leasehold.Lease) error { return nil })
		wantNil(t, "Run", j.Run(t.Context()))
		log.want("INFO lease denied")
	})
}

func TestJobArguments(t *testing.T) {
	t.Parallel()
	nothing := func(context.Context, *leasehold.Lease) error { return nil }
	c := client(leasetest.NewStore(), "host-a")
	for what, j := range map[string]*leasehold.Job{
		"no Client":   job(nil, every(time.Hour, 1), nothing),
		"no Do":       job(c, every(time.Hour, 1), nil),
		"no Schedule": job(c, leasehold.Schedule{}, nothing),
		"no Path":     {Client: c, Schedule: every(time.Hour, 1), Duration: time.Minute, Do: nothing},
		"no Duration": {Client: c, Path: path, Schedule: every(time.Hour, 1), Do: nothing},
	} {
		var bad *leasehold.ArgumentError
		if err := j.Run(t.Context()); !errors.As(err, &bad) {
			t.Errorf("%s: got error %v, want an ArgumentError", what, err)
		}
	}
}
