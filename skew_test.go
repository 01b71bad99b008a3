package leasehold_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"leasehold.example/leasehold"
)

// A skewed is a Store whose clock this host's is ahead of; where negative,
// behind.
type skewed struct {
	*faulty
	ahead atomic.Int64
}

func newSkewed(ahead time.Duration) *skewed {
	s := &skewed{faulty: newFaulty()}
	s.set(ahead)
	s.Now = func() time.Time { return time.Now().Add(-time.Duration(s.ahead.Load())) }
	return s
}

func (s *skewed) set(ahead time.Duration) { s.ahead.Store(int64(ahead)) }

func wantSkew(t *testing.T, err error, least, most time.Duration) *leasehold.ClockSkewError {
	t.Helper()
	var skew *leasehold.ClockSkewError
	if !errors.As(err, &skew) {
		t.Fatalf("got error %v, want a ClockSkewError", err)
	}
	if errors.Is(err, leasehold.ErrHeld) || skew.Path != path {
		t.Fatalf("got error %v for path %q, want none of ErrHeld, for %q", err, skew.Path, path)
	}
	if skew.Least < least-time.Microsecond || skew.Most > most+time.Microsecond || skew.Least > skew.Most {
		t.Fatalf("got a clock that is ahead by %s to %s, want within %s to %s", skew.Least, skew.Most, least, most)
	}
	return skew
}

// wantSlowStore fails if err blames a clock: an interval that contains agreement
// is no skew.
func wantSlowStore(t *testing.T, err error) {
	t.Helper()
	var skew *leasehold.ClockSkewError
	if errors.As(err, &skew) || !errors.Is(err, leasehold.ErrUnreachable) || !strings.Contains(err.Error(), "takes 10s to answer") {
		t.Fatalf("got error %v, want that the store is slow, and no word of a clock that is off", err)
	}
}

// This host's clock says that the former lease is over; the store's does not.
func TestEarlyTakeoverIsUndone(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		const ahead = 500 * time.Millisecond
		s := newSkewed(ahead)
		end := time.Now().Add(time.Minute).Truncate(time.Second)
		former := ` {"end": "` + end.UTC().Format("2006-01-02T15:04:05") + `", "version":1, "holder": "host-a" }` // not as we print it
		put(t, s.Store, path, former)
		time.Sleep(time.Until(end))

		b := client(s, "host-b")
		_, err := b.TryAcquire(t.Context(), path, time.Minute)
		skew := wantSkew(t, err, ahead, ahead)
		if !skew.Until.Equal(end) || skew.Limit != 6*time.Second {
			t.Fatalf("got %+v, want Until %s and Limit 6s", *skew, end)
		}
		if got := raw(t, s, path); got != former {
			t.Fatalf("record: got %q, want the former one, %q", got, former)
		}

		// Just as early, and in time.
		time.Sleep(ahead - time.Nanosecond)
		_, err = b.TryAcquire(t.Context(), path, time.Minute)
		wantSkew(t, err, ahead, ahead)
		if got := raw(t, s, path); got != former {
			t.Fatalf("record: got %q, want the former one, %q", got, former)
		}
		time.Sleep(time.Nanosecond)
		acquire(t, b, time.Minute)
	})
}

// Acquire waits for the end by the store's clock.
func TestAcquireWithAClockThatIsAhead(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		const ahead = 500 * time.Millisecond
		s := newSkewed(ahead)
		end := time.Now().Add(time.Minute).Truncate(time.Second)
		put(t, s.Store, path, record(t, "host-a", end))
		b := startAcquire(t.Context(), client(s, "host-b"), time.Minute)
		time.Sleep(time.Until(end.Add(ahead)) - time.Nanosecond)
		b.wantWaiting(t)
		time.Sleep(time.Second)
		if took := b.wantGranted(t); took < time.Minute-250*time.Millisecond+ahead {
			t.Fatalf("got the lease after %s, want not before the end by the store's clock", took)
		}
		if got := s.requests("grant"); got > 3 {
			t.Fatalf("got %d attempts, want a denial, one that is too early, and one in time", got)
		}
	})
}

func TestAcquireSlotWithAClockThatIsAhead(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		const ahead = 500 * time.Millisecond
		s := newSkewed(ahead)
		end := time.Now().Add(time.Minute).Truncate(time.Second)
		put(t, s.Store, slot(0), record(t, "host-a", end))
		put(t, s.Store, slot(1), record(t, "host-c", end.Add(time.Hour)))
		b := start(func() (*leasehold.Lease, error) {
			return client(s, "host-b").AcquireSlot(t.Context(), path, 2, time.Minute)
		})
		time.Sleep(time.Until(end.Add(ahead)) - time.Nanosecond)
		b.wantWaiting(t)
		time.Sleep(time.Second)
		b.wantGranted(t)
		wantSlot(t, b.lease, 0)
	})
}

func TestEarlySlotIsPassedOver(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSkewed(500 * time.Millisecond)
		end := time.Now().Add(time.Minute).Truncate(time.Second)
		former := record(t, "host-a", end)
		put(t, s.Store, slot(0), former)
		time.Sleep(time.Until(end))
		wantSlot(t, acquireSlot(t, client(s, "host-b"), 2, time.Minute), 1)
		if got := raw(t, s, slot(0)); got != former {
			t.Fatalf("record of slot 0: got %s, want the former one, %s", got, former)
		}
		_, err := client(s, "host-c").TryAcquireSlot(t.Context(), path, 2, time.Minute)
		var skew *leasehold.ClockSkewError
		if !errors.As(err, &skew) || skew.Path != slot(0) || !skew.Until.Equal(end) {
			t.Fatalf("got error %v, want a ClockSkewError for slot 0 until %s", err, end)
		}
	})
}

// The same holder's own lease needs no waiting, and no undoing.
func TestEarlyRegrantOfTheSameHolder(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSkewed(500 * time.Millisecond)
		acquire(t, client(s, "host-a"), time.Minute)
		acquire(t, client(s, "host-a"), time.Minute)
	})
}

func TestClocksTooFarApart(t *testing.T) {
	for name, ahead := range map[string]time.Duration{
		"ahead":         6*time.Second + time.Millisecond,
		"far ahead":     time.Hour,
		"behind":        -6*time.Second - time.Millisecond,
		"behind by far": -time.Hour,
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newSkewed(ahead)
				c := client(s, "host-a")
				_, err := c.TryAcquire(t.Context(), path, time.Minute)
				skew := wantSkew(t, err, ahead, ahead)
				if !skew.Until.IsZero() || skew.Limit != 6*time.Second {
					t.Fatalf("got %+v, want no Until, and Limit 6s", *skew)
				}
				const free = `{"version": 1, "holder": "host-a", "end": "1970-01-01T00:00:00"}`
				if got := raw(t, s, path); got != free {
					t.Fatalf("record: got %s, want a free one", got)
				}

				// From now on that is known before anything is written.
				before, err := s.Read(t.Context(), path)
				wantNil(t, "Read", err)
				_, err = c.TryAcquire(t.Context(), path, time.Minute)
				wantSkew(t, err, ahead, ahead)
				_, err = c.TryAcquireSlot(t.Context(), path, 3, time.Minute)
				if err == nil {
					t.Fatal("TryAcquireSlot: got a lease, want a ClockSkewError")
				}
				after, err := s.Read(t.Context(), path)
				wantNil(t, "Read", err)
				if before.Token != after.Token || before.Stamp.At != after.Stamp.At {
					t.Fatalf("token and stamp: got %d, %s, want %d, %s: nothing was to be written",
						after.Token, after.Stamp.At, before.Token, before.Stamp.At)
				}

				// A greater MaxClockSkew bears with it. Clocks that were set right do, too.
				tolerant := *c
				tolerant.MaxClockSkew = ahead.Abs() + time.Second
				l, err := tolerant.TryAcquire(t.Context(), path, 3*time.Hour)
				wantNil(t, "TryAcquire with a greater MaxClockSkew", err)
				wantNil(t, "Release", l.Release(t.Context()))
				s.set(0)
				put(t, s.Store, "/other", record(t, "host-x", time.Now())) // a commit, so that the store tells its time anew
				acquire(t, c, time.Minute)
			})
		})
	}
}

// Who is that far ahead must not be told to come back when the lease is over.
func TestEarlyTakeoverByAClockTooFarAhead(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSkewed(time.Hour)
		former := record(t, "host-a", s.Now().Add(30*time.Minute))
		put(t, s.Store, path, former)
		from := time.Now()
		_, err := client(stampless{s}, "host-b").Acquire(t.Context(), path, time.Minute)
		skew := wantSkew(t, err, time.Hour, time.Hour)
		if !skew.Until.IsZero() {
			t.Fatalf("got Until %s, want none, as waiting does not help", skew.Until)
		}
		if took := time.Since(from); took != 0 {
			t.Fatalf("returned after %s, want at once", took)
		}
		if got := raw(t, s, path); got != former {
			t.Fatalf("record: got %s, want the former one, %s", got, former)
		}
	})
}

// stampless is a Store that has not committed anything yet.
type stampless struct{ *skewed }

func (s stampless) LastStamp() leasehold.Stamp { return leasehold.Stamp{} }

// slow makes a reply to Grant or Renew take d.
func slow(d time.Duration) func(*leasehold.Entry) error {
	return func(e *leasehold.Entry) error {
		time.Sleep(d)
		e.Stamp.Received = leasehold.ReadInstant()
		return nil
	}
}

// A reply that took longer than MaxClockSkew does not tell whether the clocks
// agree: another write does.
func TestSlowReplyIsMeasuredAgain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSkewed(0)
		s.alter(func(e *leasehold.Entry) error {
			s.alter(nil)
			return slow(10 * time.Second)(e)
		})
		l := acquire(t, client(s, "host-a"), time.Minute)
		if got := s.requests("renew"); got != 1 {
			t.Fatalf("got %d more measurements, want 1", got)
		}
		wantRemaining(t, l, usableMinute-10*time.Second)
		wantNil(t, "Renew", l.Renew(t.Context()))
	})
}

// Two samples, neither of which will do, can do together: the one says that
// this host is at most 10 s ahead and not behind, the other the opposite.
func TestSlowRepliesAreCombined(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSkewed(0)
		s.alter(func(e *leasehold.Entry) error {
			s.alter(nil)
			return slow(10 * time.Second)(e)
		})
		s.fail(func(_ context.Context, request string) error {
			if request == "renew" {
				time.Sleep(10 * time.Second)
			}
			return nil
		})
		acquire(t, client(s, "host-a"), time.Minute)
		if got := s.requests("renew"); got != 1 {
			t.Fatalf("got %d more measurements, want 1", got)
		}
	})
}

func TestSlowRepliesThatDoNotTell(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSkewed(0)
		former := record(t, "host-b", time.Now().Add(-time.Hour))
		put(t, s.Store, path, former)
		s.alter(slow(10 * time.Second))
		_, err := client(s, "host-a").TryAcquire(t.Context(), path, time.Minute)
		wantSlowStore(t, err)
		if got := raw(t, s, path); got != former {
			t.Fatalf("record: got %s, want the former one, %s", got, former)
		}
	})
}

// Slow to reply, and too far apart on top of it.
func TestSlowReplyHidesSkew(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSkewed(-8 * time.Second)
		s.alter(func(e *leasehold.Entry) error {
			s.alter(nil)
			return slow(10 * time.Second)(e)
		})
		_, err := client(s, "host-a").TryAcquire(t.Context(), path, time.Minute)
		wantSkew(t, err, -8*time.Second, -8*time.Second)
	})
}

// When the second measurement fails, nothing is granted either.
func TestSlowReplyAndNoOther(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSkewed(0)
		former := record(t, "host-b", time.Now().Add(-time.Hour))
		put(t, s.Store, path, former)
		s.alter(slow(10 * time.Second))
		s.fail(func(_ context.Context, request string) error {
			if request == "renew" {
				return leasehold.ErrUnreachable
			}
			return nil
		})
		_, err := client(s, "host-a").TryAcquire(t.Context(), path, time.Minute)
		wantSlowStore(t, err)
		if got := raw(t, s, path); got != former {
			t.Fatalf("record: got %s, want the former one, %s", got, former)
		}
	})
}

// The undoing must not depend on a context that has ended.
func TestUndoOutlivesItsContext(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSkewed(time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		s.alter(func(*leasehold.Entry) error { cancel(); return nil })
		_, err := client(s, "host-a").TryAcquire(ctx, path, time.Minute)
		wantSkew(t, err, time.Hour, time.Hour)
		if st, err := client(s, "host-b").Status(t.Context(), path); err != nil || st.State != leasehold.Free {
			t.Fatalf("got %v, error %v, want a free lease", st.State, err)
		}
	})
}

func TestNoChecksWithAClockOfItsOwn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSkewed(time.Hour)
		s.alter(slow(time.Minute))
		c := client(s, "host-b")
		now := time.Date(2026, 11, 22, 18, 0, 0, 0, time.UTC)
		c.Now = func() time.Time { return now }
		put(t, s.Store, path, record(t, "host-a", now))
		l := acquire(t, c, time.Minute)
		acquire(t, c, time.Minute)
		if got := s.requests("renew"); got != 0 || l.Remaining() != time.Minute {
			t.Fatalf("got %d measurements, remaining %s, want none and 1m0s", got, l.Remaining())
		}
	})
}

// A Renew works by the store's clock, wherever this host's is, and goes with it
// when it jumps.
func TestRenewGoesByTheStoresClock(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSkewed(4 * time.Second)
		l := acquire(t, client(s, "host-a"), time.Minute)
		time.Sleep(30 * time.Second)
		wantNil(t, "Renew", l.Renew(t.Context()))
		if got, want := l.End(), s.Now().Add(time.Minute).Truncate(time.Second); !got.Equal(want) {
			t.Fatalf("end: got %s, want a minute from now by the store's clock, %s", got, want)
		}

		// A jump, so that the end that was asked for is not a minute away: Renew
		// asks for another.
		s.set(-26 * time.Second)
		wantNil(t, "Renew", l.Renew(t.Context()))
		if got, want := l.End(), s.Now().Add(time.Minute).Truncate(time.Second); !got.Equal(want) {
			t.Fatalf("end after a jump: got %s, want a minute from now by the store's clock, %s", got, want)
		}
		if left := l.Remaining(); left <= 0 || left > time.Minute {
			t.Fatalf("Remaining after a jump: got %s, want some, and a minute at most", left)
		}

		// One that goes beyond the end: others may have taken the lease by now.
		s.set(-time.Hour)
		wantErr(t, "Renew", l.Renew(t.Context()), leasehold.ErrLost)
	})
}

// Nobody is out of bounds: the store is 0.9 s behind this host, and a host with
// kazoo 0.9 s ahead of it. That host takes the lease when its own clock shows the
// end, so nothing of it may remain here by then.
func TestThreeClocks(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		const apart, limit = 900 * time.Millisecond, time.Second
		c := client(newSkewed(apart), "host-a")
		c.MaxClockSkew = limit
		l := acquire(t, c, 10*time.Second)
		for range 2 {
			taken := time.Until(l.End().Add(-apart)) // by kazoo
			if left := l.Remaining(); left > taken {
				t.Fatalf("got %s remaining, want at most the %s until kazoo may take the lease", left, taken)
			}
			time.Sleep(2 * time.Second)
			wantNil(t, "Renew", l.Renew(t.Context()))
		}
	})
}

// What was written in this host's future shows that its clock is behind, though
// it has written nothing itself: "held" would be wrong for as long as it is.
func TestStandbyWithAClockBehind(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := stampless{newSkewed(-time.Hour)}
		put(t, s.Store, path, record(t, "host-a", time.Now().Add(time.Hour)))
		for name, try := range map[string]func() error{
			"TryAcquire": func() error { _, err := client(s, "host-b").TryAcquire(t.Context(), path, time.Minute); return err },
			"Acquire":    func() error { _, err := client(s, "host-b").Acquire(t.Context(), path, time.Minute); return err },
		} {
			var skew *leasehold.ClockSkewError
			if err := try(); !errors.As(err, &skew) || skew.Most > -time.Hour+time.Second {
				t.Errorf("%s: got error %v, want a clock that is an hour behind", name, err)
			} else if want := "at least 1h0m0s behind"; !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %q, want %q in it", name, err, want)
			}
		}
	})
}
