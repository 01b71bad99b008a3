package leasehold_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"leasehold.example/leasehold"
)

// A host whose clocks stood still for longer than its lease, and which learns of
// it, does not act on the lease any more, whatever its clocks say.
func TestClocksStoodStill(t *testing.T) {
	for name, test := range map[string]struct {
		pause  time.Duration
		taken  bool // another has the lease
		works  bool // the store answers
		reason string
	}{
		"taken over":                       {2 * time.Minute, true, true, "taken over by"},
		"taken over, and no store to tell": {2 * time.Minute, true, false, "clocks stood still"},
		"the lease has ended":              {2 * time.Minute, false, true, "it ended at"},
		"it has not":                       {20 * time.Second, false, true, ""},
		"it has not, and no store to tell": {20 * time.Second, false, false, "clocks stood still"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newFaulty()
				var ahead atomic.Int64 // by how much the store's clock has gone on alone
				s.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
				l := acquire(t, client(s, "host-a"), time.Minute)
				err := l.Hold(t.Context(), func(ctx context.Context) error {
					time.Sleep(time.Second)
					ahead.Store(int64(test.pause))
					if test.taken {
						other := client(s.Store, "host-b")
						other.Now = s.Now
						acquire(t, other, time.Minute)
					}
					if !test.works {
						s.fail(func(ctx context.Context, _ string) error { <-ctx.Done(); return leasehold.ErrUnreachable })
					}
					wantTime(t, "Remaining, while it knows no better", l.Remaining(), usableMinute-time.Second)
					from := time.Now()
					s.loseConnection(true)
					if got := l.Remaining(); got != 0 {
						t.Errorf("Remaining, once it turned out: got %s, want 0", got)
					}
					select {
					case <-ctx.Done():
						if took := time.Since(from); test.works && took != 0 || took > time.Second {
							t.Errorf("f's context ended after %s, want at once, or after a second without an answer", took)
						}
						return nil
					case <-time.After(5 * time.Second):
					}
					wantTime(t, "Remaining, once it was confirmed", l.Remaining(), usableMinute-5*time.Second)
					return nil
				})
				if test.reason == "" {
					wantNil(t, "Hold", err)
					return
				}
				wantErr(t, "Hold", err, leasehold.ErrLost)
				if !strings.Contains(err.Error(), test.reason) {
					t.Errorf("got error %q, want it to say %q", err, test.reason)
				}
			})
		})
	}
}

// Without Hold, a lease in doubt can be confirmed by its holder, or not.
func TestRenewInDoubt(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFaulty()
		l := acquire(t, client(s, "host-a"), time.Minute)
		s.loseConnection(true)
		for range 3 {
			if got := l.Remaining(); got != 0 {
				t.Fatalf("Remaining in doubt: got %s, want 0", got)
			}
			time.Sleep(time.Second)
		}
		wantNil(t, "Renew", l.Renew(t.Context()))
		wantRemaining(t, l, usableMinute)
		wantNil(t, "Release", l.Release(t.Context()))

		l = acquire(t, client(s, "host-a"), time.Minute)
		s.loseConnection(true)
		wantNil(t, "Release in doubt", l.Release(t.Context()))
	})
}

// A context that is not renewed by Hold ends within a second of the doubt.
func TestContextInDoubt(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFaulty()
		l := acquire(t, client(s, "host-a"), time.Minute)
		ctx, cancel := l.Context(t.Context())
		defer cancel()
		time.Sleep(1300 * time.Millisecond)
		from := time.Now()
		s.loseConnection(true)
		<-ctx.Done()
		wantTime(t, "the context ended after", time.Since(from), time.Second)
		wantErr(t, "its cause", context.Cause(ctx), leasehold.ErrLost)
	})
}

// Whenever the connection is lost, Hold renews at once: it may be the first sign
// that this machine was paused.
func TestHoldRenewsWhenTheConnectionIsLost(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFaulty()
		l := acquire(t, client(s, "host-a"), time.Minute)
		var renewals diary
		renewals.note(s, "renew")
		err := l.Hold(t.Context(), func(context.Context) error {
			for n := range 5 {
				time.Sleep(time.Duration(n+1) * time.Second)
				s.loseConnection(false)
				if got := l.Remaining(); got == 0 {
					t.Error("Remaining: got 0, want some")
				}
				time.Sleep(time.Millisecond)
				if got := s.requests("renew"); got != n+1 {
					t.Fatalf("loss %d: got %d renewals, want one for each", n+1, got)
				}
			}
			return nil
		})
		wantNil(t, "Hold", err)
		s.loseConnection(false)
		time.Sleep(time.Hour)
		if got := s.requests("renew"); got != 5 {
			t.Errorf("got %d renewals in all, want none after Hold", got)
		}
	})
}

// Also when that happens during a renewal, whose answer may be older.
func TestConnectionIsLostDuringARenewal(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFaulty()
		l := acquire(t, client(s, "host-a"), time.Minute)
		s.alter(func(*leasehold.Entry) error {
			if s.requests("renew") == 1 {
				s.loseConnection(false)
			}
			return nil
		})
		err := l.Hold(t.Context(), func(context.Context) error {
			time.Sleep(17 * time.Second)
			if got := s.requests("renew"); got != 2 {
				t.Errorf("got %d renewals, want another one at once", got)
			}
			return nil
		})
		wantNil(t, "Hold", err)
	})
}
