package leasehold_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/leasetest"
)

// waiting is an Acquire under way.
type waiting struct {
	answered chan struct{} // closed once the rest is there
	lease    *leasehold.Lease
	err      error
	took     time.Duration
}

func startAcquire(ctx context.Context, c *leasehold.Client, d time.Duration) *waiting {
	return start(func() (*leasehold.Lease, error) { return c.Acquire(ctx, path, d) })
}

func start(acquire func() (*leasehold.Lease, error)) *waiting {
	w := &waiting{answered: make(chan struct{})}
	from := time.Now()
	go func() {
		defer close(w.answered)
		w.lease, w.err = acquire()
		w.took = time.Since(from)
	}()
	return w
}

// wantGranted returns how long the answer took, which must be there by now.
func (w *waiting) wantGranted(t *testing.T) (took time.Duration) {
	t.Helper()
	if err := w.wantAnswer(t); err != nil {
		t.Fatalf("got error %v after %s, want a lease", err, w.took)
	}
	return w.took
}

func (w *waiting) wantGrantedAfter(t *testing.T, want time.Duration) {
	t.Helper()
	if took := w.wantGranted(t); took != want {
		t.Fatalf("got the lease after %s, want after %s", took, want)
	}
}

func (w *waiting) wantAnswer(t *testing.T) error {
	t.Helper()
	synctest.Wait()
	select {
	case <-w.answered:
	default:
		t.Fatal("got no answer, want one by now")
	}
	return w.err
}

func (w *waiting) wantWaiting(t *testing.T) {
	t.Helper()
	synctest.Wait()
	select {
	case <-w.answered:
		t.Fatalf("got an answer after %s, error %v, want none yet", w.took, w.err)
	default:
	}
}

func TestAcquireUponRelease(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := leasetest.NewStore()
		a := acquire(t, client(s, "host-a"), time.Hour)
		b := startAcquire(t.Context(), client(s, "host-b"), time.Hour)
		time.Sleep(10*time.Second + 123*time.Millisecond)
		b.wantWaiting(t)
		wantNil(t, "Release", a.Release(t.Context()))
		b.wantGrantedAfter(t, 10*time.Second+123*time.Millisecond)
	})
}

func TestAcquireAtTheEnd(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := leasetest.NewStore()
		a := acquire(t, client(s, "host-a"), time.Minute)
		left := time.Until(a.End())
		b := startAcquire(t.Context(), client(s, "host-b"), time.Minute)
		time.Sleep(left - time.Nanosecond)
		b.wantWaiting(t)
		time.Sleep(time.Nanosecond)
		b.wantGrantedAfter(t, left)
	})
}

// Renewals move the end that is waited for.
func TestAcquireWaitsThroughRenewals(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := leasetest.NewStore()
		a := acquire(t, client(s, "host-a"), time.Minute)
		from := time.Now()
		b := startAcquire(t.Context(), client(s, "host-b"), time.Minute)
		for range 10 {
			time.Sleep(45 * time.Second)
			wantNil(t, "Renew", a.Renew(t.Context()))
		}
		b.wantWaiting(t)
		time.Sleep(time.Until(a.End()))
		b.wantGrantedAfter(t, a.End().Sub(from))
	})
}

func TestAcquireUntilContextEnds(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := leasetest.NewStore()
		a := acquire(t, client(s, "host-a"), time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		from := time.Now()
		_, err := client(s, "host-b").Acquire(ctx, path, time.Hour)
		if took := time.Since(from); took != 5*time.Second {
			t.Fatalf("returned after %s, want 5s", took)
		}
		wantErr(t, "Acquire", err, context.DeadlineExceeded, leasehold.ErrHeld)
		if held := wantHeld(t, err, "host-a"); !held.End.Equal(a.End()) {
			t.Fatalf("got end %s, want %s", held.End, a.End())
		}

		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = client(s, "host-b").Acquire(ended, path, time.Hour)
		wantErr(t, "Acquire with an ended context", err, context.Canceled)
	})
}

// A waiter that has given up must not get the lease later.
func TestAcquireLeavesNothingBehind(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := leasetest.NewStore()
		a := acquire(t, client(s, "host-a"), time.Minute)
		ctx, cancel := context.WithCancel(t.Context())
		b := startAcquire(ctx, client(s, "host-b"), time.Minute)
		time.Sleep(time.Second)
		cancel()
		wantErr(t, "Acquire", b.wantAnswer(t), context.Canceled, leasehold.ErrHeld)
		wantNil(t, "Release", a.Release(t.Context()))
		time.Sleep(time.Hour)
		status, err := client(s, "host-c").Status(t.Context(), path)
		if err != nil || status.State != leasehold.Free {
			t.Fatalf("got %v, error %v, want a free lease", status.State, err)
		}
	})
}

func TestManyWaitersAllGetTheirTurn(t *testing.T) {
	for _, release := range []bool{true, false} {
		t.Run("release="+strconv.FormatBool(release), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := leasetest.NewStore()
				var working, worked atomic.Int32
				var all sync.WaitGroup
				const n = 20
				for i := range n {
					all.Go(func() {
						l, err := client(s, "host-"+strconv.Itoa(i)).Acquire(t.Context(), path, 10*time.Second)
						if err != nil {
							t.Errorf("waiter %d: got error %v, want a lease", i, err)
							return
						}
						if now := working.Add(1); now != 1 {
							t.Errorf("got %d holders at once, want 1", now)
						}
						time.Sleep(l.Remaining())
						working.Add(-1)
						worked.Add(1)
						if release {
							if err := l.Release(t.Context()); err != nil {
								t.Errorf("Release: got error %v, want nil", err)
							}
						}
					})
				}
				all.Wait()
				if got := worked.Load(); got != n {
					t.Fatalf("got %d turns, want %d", got, n)
				}
			})
		})
	}
}

func TestAcquireThroughUnreachableStore(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFaulty()
		down := errors.Join(leasehold.ErrUnreachable, errors.New("connection refused"))
		s.fail(func(context.Context, string) error { return down })
		w := startAcquire(t.Context(), client(s, "host-a"), time.Minute)
		time.Sleep(10 * time.Second)
		w.wantWaiting(t)
		if got := s.requests("grant"); got > 51 {
			t.Fatalf("got %d attempts in 10 s, want 51 at most", got)
		}
		s.fail(nil)
		time.Sleep(time.Second)
		w.wantGranted(t)
	})
}

// Whoever waits long must not be left with the watches of every attempt.
func TestAcquireEndsItsWatches(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFaulty()
		a := acquire(t, client(s, "host-a"), time.Minute)
		var mu sync.Mutex
		var watches []context.Context
		s.fail(func(ctx context.Context, request string) error {
			mu.Lock()
			defer mu.Unlock()
			if request == "watch" {
				watches = append(watches, ctx)
			}
			return nil
		})
		b := startAcquire(t.Context(), client(s, "host-b"), time.Minute)
		for range 5 {
			time.Sleep(10 * time.Second)
			wantNil(t, "Renew", a.Renew(t.Context()))
			b.wantWaiting(t)
			for i, ctx := range watches {
				if ended, want := ctx.Err() != nil, i < len(watches)-1; ended != want {
					t.Fatalf("watch %d of %d: got ended %t, want %t", i, len(watches), ended, want)
				}
			}
		}
		wantNil(t, "Release", a.Release(t.Context()))
		b.wantGranted(t)
		if last := watches[len(watches)-1]; last.Err() == nil {
			t.Fatal("the last watch goes on after the grant, want it ended")
		}
	})
}

// A store that refuses at once must not make a busy loop, which would hang the
// bubble.
func TestAcquireWhereWatchesFail(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFaulty()
		a := acquire(t, client(s, "host-a"), time.Minute)
		s.fail(func(_ context.Context, request string) error {
			if request == "watch" {
				return leasehold.ErrUnreachable
			}
			return nil
		})
		left := time.Until(a.End())
		b := startAcquire(t.Context(), client(s, "host-b"), time.Minute)
		time.Sleep(left + time.Second)
		b.wantWaiting(t)
		if got, most := s.requests("watch"), int(left/(200*time.Millisecond))+10; got < 2 || got > most {
			t.Errorf("got %d attempts in %s, want 2 to %d", got, left, most)
		}
		s.fail(nil)
		time.Sleep(time.Second)
		b.wantGranted(t)
	})
}

func TestAcquireFromUnreachableStoreUntilContextEnds(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFaulty()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()

		s.fail(func(context.Context, string) error { return leasehold.ErrUnreachable })
		_, err := client(s, "host-b").Acquire(ctx, path, time.Minute)
		wantErr(t, "Acquire from a store that refuses", err, leasehold.ErrUnreachable, context.DeadlineExceeded)

		s.fail(func(ctx context.Context, _ string) error { <-ctx.Done(); return leasehold.ErrUnreachable })
		ctx, cancel = context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		from := time.Now()
		_, err = client(s, "host-b").Acquire(ctx, path, time.Minute)
		wantErr(t, "Acquire from a store that is mute", err, leasehold.ErrUnreachable, context.DeadlineExceeded)
		if took := time.Since(from); took != 3*time.Second {
			t.Fatalf("returned after %s, want 3s", took)
		}
	})
}

// What can't get better by waiting is returned at once.
func TestAcquireDoesNotWaitForNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for _, cause := range []error{leasehold.ErrPermission, leasehold.ErrOutcomeUnknown} {
			s := newFaulty()
			s.fail(func(context.Context, string) error { return cause })
			from := time.Now()
			_, err := client(s, "host-a").Acquire(t.Context(), path, time.Minute)
			wantErr(t, "Acquire", err, cause)
			if took := time.Since(from); took != 0 {
				t.Fatalf("returned after %s, want at once", took)
			}
		}
	})
}

// An outcome that could not be learned must not be passed off as a denial.
func TestAcquireSaysThatTheOutcomeIsUnknown(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFaulty()
		a := acquire(t, client(s, "host-a"), time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		b := startAcquire(ctx, client(s, "host-b"), time.Minute)
		time.Sleep(time.Until(a.End()) - time.Second)
		s.alter(func(*leasehold.Entry) error {
			<-ctx.Done()
			return errors.Join(leasehold.ErrOutcomeUnknown, ctx.Err())
		})
		<-ctx.Done()
		wantErr(t, "Acquire", b.wantAnswer(t), leasehold.ErrOutcomeUnknown, context.DeadlineExceeded)
		if errors.Is(b.err, leasehold.ErrHeld) {
			t.Fatalf("got error %v, want one that does not match ErrHeld", b.err)
		}
	})
}

func TestAcquireByAClockOfItsOwn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := leasetest.NewStore()
		base := time.Date(2026, 11, 22, 18, 0, 0, 0, time.UTC)
		var passed atomic.Int64
		now := func() time.Time { return base.Add(time.Duration(passed.Load())) }
		a, b := client(s, "host-a"), client(s, "host-b")
		a.Now, b.Now = now, now
		acquire(t, a, time.Hour)
		w := startAcquire(t.Context(), b, time.Hour)
		time.Sleep(2 * time.Hour)
		w.wantWaiting(t)
		passed.Store(int64(time.Hour))
		time.Sleep(2 * time.Second)
		w.wantGranted(t) // since Now has reached the end
	})
}

func TestAcquireSlot(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := leasetest.NewStore()
		acquireSlot(t, client(s, "host-a"), 2, time.Hour)
		b := acquireSlot(t, client(s, "host-b"), 2, time.Minute)
		c := start(func() (*leasehold.Lease, error) {
			return client(s, "host-c").AcquireSlot(t.Context(), path, 2, time.Hour)
		})
		time.Sleep(10 * time.Second)
		c.wantWaiting(t)
		time.Sleep(time.Until(b.End()))
		c.wantGranted(t)
		if got := c.lease.Slot(); got != 1 {
			t.Fatalf("got slot %d, want 1, which ended first", got)
		}

		d := start(func() (*leasehold.Lease, error) {
			return client(s, "host-d").AcquireSlot(t.Context(), path, 2, time.Hour)
		})
		time.Sleep(7 * time.Second)
		wantNil(t, "Release", c.lease.Release(t.Context()))
		d.wantGrantedAfter(t, 7*time.Second)

		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		_, err := client(s, "host-e").AcquireSlot(ctx, path, 2, time.Hour)
		wantErr(t, "AcquireSlot", err, leasehold.ErrHeld, context.DeadlineExceeded)
		if held := wantHeld(t, err, "host-a"); len(held.Slots) != 2 {
			t.Fatalf("got %d slots in the denial, want 2", len(held.Slots))
		}
	})
}

// A store that does not answer is no error while it is waited for: so it is said,
// once for each time.
func TestSilentStoreIsSaid(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFaulty()
		var text bytes.Buffer
		c := client(s, "host-a")
		c.Logger = slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelWarn}))
		answer := time.Now().Add(time.Minute)
		s.fail(func(ctx context.Context, _ string) error {
			time.Sleep(time.Until(answer))
			return nil
		})
		_, err := c.Acquire(t.Context(), path, time.Minute)
		wantNil(t, "Acquire", err)
		synctest.Wait() // for who has written it
		if got := strings.Count(text.String(), leasehold.SilentStore); got != 1 {
			t.Errorf("got %d lines that the store does not answer, want 1, in %q", got, text.String())
		}
	})
}
