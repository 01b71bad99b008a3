package leasehold_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/leasetest"
)

// The default Grace of a minute's lease: a fifth, at most 10 s.
const graceMinute = 10 * time.Second

// A diary notes when requests of one kind are made.
type diary struct {
	mu    sync.Mutex
	times []time.Time
}

func (d *diary) note(s *faulty, kind string) {
	s.fail(func(_ context.Context, request string) error {
		if request == kind {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.times = append(d.times, time.Now())
		}
		return nil
	})
}

func TestHoldRenews(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFaulty()
		l := acquire(t, client(s, "host-a"), time.Minute)
		from, token := time.Now(), l.Token()
		var renewals diary
		renewals.note(s, "renew")
		err := l.Hold(t.Context(), func(ctx context.Context) error {
			for range 100 {
				time.Sleep(6 * time.Second)
				if ctx.Err() != nil {
					t.Fatalf("f's context after %s: got %v, want it alive", time.Since(from), context.Cause(ctx))
				}
				_, err := client(s, "host-b").TryAcquire(t.Context(), path, time.Minute)
				wantHeld(t, err, "host-a")
			}
			return nil
		})
		wantNil(t, "Hold", err)
		if l.Token() != token {
			t.Fatalf("token: got %d, want the same, %d", l.Token(), token)
		}
		// A third of 60 s less 6 (MaxClockSkew) and 10 (Grace), give or take a
		// tenth.
		last := from
		for _, at := range renewals.times {
			if pause := at.Sub(last); pause < 13100*time.Millisecond || pause > 16200*time.Millisecond {
				t.Fatalf("got a renewal after %s, want 13.1s to 16.2s", pause)
			}
			last = at
		}
		if n := len(renewals.times); n < 600/17 {
			t.Fatalf("got %d renewals in 10 minutes, want %d at least", n, 600/17)
		}

		// Nothing goes on once Hold has returned.
		time.Sleep(time.Hour)
		if n := s.requests("renew"); n != len(renewals.times) {
			t.Fatalf("got %d renewals after Hold, want none", n-len(renewals.times))
		}
	})
}

func TestHoldGetsThroughFailures(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFaulty()
		l := acquire(t, client(s, "host-a"), time.Minute)
		from := time.Now()
		s.fail(func(context.Context, string) error {
			if time.Since(from) < usableMinute-graceMinute-2*time.Second {
				return leasehold.ErrUnreachable
			}
			return nil
		})
		err := l.Hold(t.Context(), func(ctx context.Context) error {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(5 * time.Minute):
				return nil
			}
		})
		wantNil(t, "Hold", err)
		wantErr(t, "another", func() error {
			_, err := client(s, "host-b").TryAcquire(t.Context(), path, time.Minute)
			return err
		}(), leasehold.ErrHeld)
	})
}

// Of a store that fails, or never answers.
func TestHoldEndsTheWorkInTime(t *testing.T) {
	for name, fault := range map[string]func(context.Context, string) error{
		"fails": func(context.Context, string) error { return leasehold.ErrUnreachable },
		"mute":  func(ctx context.Context, _ string) error { <-ctx.Done(); return leasehold.ErrUnreachable },
		"unknown": func(ctx context.Context, _ string) error {
			<-ctx.Done()
			return errors.Join(leasehold.ErrOutcomeUnknown, leasehold.ErrUnreachable)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newFaulty()
				l := acquire(t, client(s, "host-a"), time.Minute)
				s.fail(fault)
				from := time.Now()
				ownErr := errors.New("not finished")
				err := l.Hold(t.Context(), func(ctx context.Context) error {
					<-ctx.Done()
					wantTime(t, "f's context ended after", time.Since(from), usableMinute-graceMinute)
					wantTime(t, "Remaining then", l.Remaining(), graceMinute)
					wantErr(t, "its cause", context.Cause(ctx), leasehold.ErrLost, leasehold.ErrUnreachable) // and so why
					return ownErr
				})
				wantErr(t, "Hold", err, leasehold.ErrLost, ownErr)
			})
		})
	}
}

func TestGrace(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFaulty()
		c := client(s, "host-a")
		c.Grace, c.MaxClockSkew = 25*time.Second, time.Second
		l := acquire(t, c, time.Minute)
		s.fail(func(context.Context, string) error { return leasehold.ErrUnreachable })
		from := time.Now()
		err := l.Hold(t.Context(), func(ctx context.Context) error { <-ctx.Done(); return nil })
		wantErr(t, "Hold", err, leasehold.ErrLost)
		wantTime(t, "f's context ended after", time.Since(from), 60*time.Second-250*time.Millisecond-26*time.Second)
	})
}

func TestBadGrace(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for _, grace := range []time.Duration{-1, time.Minute - 6*time.Second, time.Hour} {
			c := client(newFaulty(), "host-a")
			c.Grace = grace
			err := acquire(t, c, time.Minute).Hold(t.Context(), func(context.Context) error {
				t.Errorf("Grace %s: f was called, want an error instead", grace)
				return nil
			})
			var bad *leasehold.ArgumentError
			if !errors.As(err, &bad) || bad.Name != "Grace" {
				t.Errorf("Grace %s: got error %v, want an ArgumentError about Grace", grace, err)
			}
		}
	})
}

// Not only in time, but as soon as it is known.
func TestHoldEndsTheWorkOfAnUsurpedLease(t *testing.T) {
	for name, test := range map[string]struct {
		usurper string
		reason  string
	}{
		"another holder":  {"host-b", "taken over by"},
		"the same holder": {"host-a", "superseded"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newFaulty()
				l := acquire(t, client(s, "host-a"), time.Hour)
				from := time.Now()
				var renewals diary
				renewals.note(s, "renew")
				err := l.Hold(t.Context(), func(ctx context.Context) error {
					time.Sleep(time.Second)
					wantNil(t, "ForceRelease", client(s, "admin").ForceRelease(t.Context(), path, l.Token()))
					acquire(t, client(s, test.usurper), time.Hour)
					<-ctx.Done()
					if got := l.Remaining(); got != 0 {
						t.Errorf("Remaining: got %s, want 0", got)
					}
					return context.Cause(ctx)
				})
				wantErr(t, "Hold", err, leasehold.ErrLost)
				if !strings.Contains(err.Error(), test.reason) {
					t.Fatalf("got error %q, want the reason %q", err, test.reason)
				}
				if took := time.Since(from); took > 25*time.Minute { // the first renewal, about a third of the hour
					t.Fatalf("f was told after %s, want 25m at most", took)
				}
				if len(renewals.times) != 1 || !renewals.times[0].Equal(time.Now()) {
					t.Fatalf("got renewals at %s, want one, now: %s", renewals.times, time.Now())
				}
			})
		})
	}
}

// As long as f works, nobody else may have the lease, though f was told to end.
func TestHoldRenewsUntilTheWorkHasEnded(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFaulty()
		l := acquire(t, client(s, "host-a"), time.Minute)
		ctx, cancel := context.WithCancel(t.Context())
		err := l.Hold(ctx, func(ctx context.Context) error {
			time.AfterFunc(time.Second, cancel)
			<-ctx.Done()
			wantErr(t, "f's context", context.Cause(ctx), context.Canceled)
			for range 60 {
				time.Sleep(10 * time.Second)
				_, err := client(s, "host-b").TryAcquire(t.Context(), path, time.Minute)
				wantHeld(t, err, "host-a")
			}
			return nil
		})
		wantNil(t, "Hold", err)
	})
}

// f was told to end by its caller; that the lease got lost after that must not
// go unsaid.
func TestHoldReportsALossAfterItsContextEnded(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFaulty()
		l := acquire(t, client(s, "host-a"), time.Minute)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := l.Hold(ctx, func(ctx context.Context) error {
			s.fail(func(context.Context, string) error { return leasehold.ErrUnreachable })
			time.Sleep(5 * time.Minute)
			return nil
		})
		wantErr(t, "Hold", err, leasehold.ErrLost)
	})
}

func TestHoldPassesErrorsOn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		l := acquire(t, client(leasetest.NewStore(), "host-a"), time.Minute)
		own := errors.New("out of paper")
		if err := l.Hold(t.Context(), func(context.Context) error { return own }); err != own {
			t.Fatalf("got error %v, want f's own, %v", err, own)
		}
		// f may give the lease up itself.
		err := l.Hold(t.Context(), func(ctx context.Context) error {
			err := l.Release(ctx)
			time.Sleep(time.Minute)
			return err
		})
		wantNil(t, "Hold of a lease that f released", err)
		// Not held to begin with: f is told at once.
		err = l.Hold(t.Context(), func(ctx context.Context) error { return context.Cause(ctx) })
		wantErr(t, "Hold of a released lease", err, leasehold.ErrLost)
	})
}

// A panic gets through, and nobody goes on renewing: the bubble would notice.
func TestHoldOfAPanic(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		l := acquire(t, client(leasetest.NewStore(), "host-a"), time.Minute)
		defer func() {
			if got := recover(); got != "on fire" {
				t.Fatalf("got panic %v, want f's", got)
			}
		}()
		_ = l.Hold(t.Context(), func(context.Context) error { panic("on fire") })
	})
}

func TestHoldDoesNotRelease(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := leasetest.NewStore()
		l := acquire(t, client(s, "host-a"), time.Minute)
		wantNil(t, "Hold", l.Hold(t.Context(), func(context.Context) error { return nil }))
		_, err := client(s, "host-b").TryAcquire(t.Context(), path, time.Minute)
		wantHeld(t, err, "host-a")
		wantNil(t, "Release after Hold", l.Release(t.Context()))
	})
}

func TestHoldOfShortLeases(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFaulty()
		l := acquire(t, client(s, "host-a"), 2*time.Second)
		err := l.Hold(t.Context(), func(ctx context.Context) error {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(time.Minute):
				return nil
			}
		})
		wantNil(t, "Hold", err)
		if got := s.requests("renew"); got > 600 {
			t.Fatalf("got %d renewals in a minute, want 600 at most", got)
		}
	})
}

func TestAdopt(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := leasetest.NewStore()
		c := client(s, "host-a")
		c.Adopt = true
		l := acquire(t, c, time.Minute)
		token := l.Token()
		err := l.Hold(t.Context(), func(ctx context.Context) error {
			other := acquire(t, client(s, "host-a"), time.Minute)
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(5 * time.Minute):
			}
			if l.Token() <= other.Token() || other.Token() <= token {
				t.Errorf("got tokens %d, %d, %d, want them to increase", token, other.Token(), l.Token())
			}
			if l.Remaining() == 0 {
				t.Error("Remaining: got 0, want some")
			}
			return nil
		})
		wantNil(t, "Hold", err)
		wantNil(t, "Release", l.Release(t.Context()))
	})
}

// Adopt is for the same holder's; another's lease is as lost as ever.
func TestAdoptOfAnothersLease(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := leasetest.NewStore()
		c := client(s, "host-a")
		c.Adopt = true
		l := acquire(t, c, time.Minute)
		err := l.Hold(t.Context(), func(ctx context.Context) error {
			wantNil(t, "ForceRelease", client(s, "admin").ForceRelease(t.Context(), path, l.Token()))
			acquire(t, client(s, "host-b"), time.Minute)
			<-ctx.Done()
			return nil
		})
		wantErr(t, "Hold", err, leasehold.ErrLost)
		st, err := c.Status(t.Context(), path)
		if err != nil || st.Holder != "host-b" {
			t.Fatalf("got holder %q, error %v, want host-b", st.Holder, err)
		}
	})
}

// The same holder, and then another, before there was time to adopt.
func TestAdoptTooLate(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFaulty()
		c := client(s, "host-a")
		c.Adopt = true
		l := acquire(t, c, time.Minute)
		err := l.Hold(t.Context(), func(ctx context.Context) error {
			second := acquire(t, client(s, "host-a"), time.Minute)
			s.fail(func(_ context.Context, request string) error {
				if request == "grant" {
					s.fail(nil)
					if err := second.Release(t.Context()); err != nil {
						return err
					}
					_, err := client(s.Store, "host-b").TryAcquire(t.Context(), path, time.Hour)
					return err
				}
				return nil
			})
			<-ctx.Done()
			if got := l.Remaining(); got != 0 {
				t.Errorf("Remaining: got %s, want 0", got)
			}
			return nil
		})
		wantErr(t, "Hold", err, leasehold.ErrLost, leasehold.ErrHeld)
	})
}
