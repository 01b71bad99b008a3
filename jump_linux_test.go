package leasehold_test

import (
	"context"
	"testing"
	"time"

	"leasehold.example/leasehold"
)

// A host's wall clock that is set to another time, however far off, neither
// ends a lease early nor extends it, and it is renewed as if nothing had
// happened. (On systems without a boot clock one that is set forward ends the
// lease early, as if the machine had slept.) Not in a bubble, where there is no
// monotonic clock.
func TestWallClockJumpsWhileHeld(t *testing.T) {
	t.Parallel()
	for name, jump := range map[string]time.Duration{
		"forward by seconds": 3 * time.Second,
		"back by seconds":    -3 * time.Second,
		"forward by minutes": 4 * time.Minute,
		"back by minutes":    -7 * time.Minute,
		"forward by an hour": time.Hour,
		"back by hours":      -5 * time.Hour,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newFaulty()
			l := acquire(t, client(s, "host-a"), time.Minute)
			jumpClock := func() {
				t.Helper()
				before, from := l.Remaining(), time.Now()
				leasehold.JumpWallClock(t, l, jump)
				least := before - time.Since(from) - time.Second
				if jump < 0 { // it looks as if the clock had been ahead at the commit
					least -= 6 * time.Second // MaxClockSkew
				}
				if got := l.Remaining(); got > before || got < least {
					t.Fatalf("got %s remaining after a jump, want from %s to %s", got, least, before)
				}
			}
			err := l.Hold(t.Context(), func(ctx context.Context) error {
				for range 2 {
					jumpClock()
					select {
					case <-ctx.Done():
						t.Fatalf("the work's context ended: %v", context.Cause(ctx))
					case <-time.After(1200 * time.Millisecond): // after Hold has looked
					}
					wantNil(t, "Renew", l.Renew(t.Context()))
					if left := time.Until(l.End()); left > time.Minute || left < 50*time.Second {
						t.Fatalf("renewed: got an end in %s, want one in a minute by the store's clock", left)
					}
				}
				return nil
			})
			wantNil(t, "Hold", err)

			// Nothing renews it any more.
			leasehold.ReachEnd(l)
			jumpClock()
			if left := l.Remaining(); left != 0 {
				t.Fatalf("got %s remaining past the end and after a jump, want none", left)
			}
			wantErr(t, "Renew", l.Renew(t.Context()), leasehold.ErrLost)
		})
	}
}
