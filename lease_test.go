package leasehold_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/leasetest"
)

// 60 s from 00:00:00.25, cut off, less the default MaxClockSkew of a tenth.
const usableMinute = 60*time.Second - 250*time.Millisecond - 6*time.Second

func TestRemaining(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		l := acquire(t, client(leasetest.NewStore(), "host-a"), time.Minute)
		wantRemaining(t, l, usableMinute)
		time.Sleep(20 * time.Second)
		wantRemaining(t, l, usableMinute-20*time.Second)
		time.Sleep(usableMinute - 20*time.Second - time.Nanosecond)
		wantRemaining(t, l, time.Nanosecond)
		time.Sleep(time.Nanosecond)
		if got := l.Remaining(); got != 0 {
			t.Fatalf("Remaining at the end: got %s, want 0", got)
		}
		time.Sleep(time.Hour)
		if got := l.Remaining(); got != 0 {
			t.Fatalf("Remaining after the end: got %s, want 0", got)
		}
	})
}

func TestRemainingExcludesMaxClockSkew(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for _, test := range []struct{ duration, set, want time.Duration }{
			{time.Minute, 0, 6 * time.Second},
			{time.Hour, 0, 10 * time.Second},
			{time.Minute, 20 * time.Second, 20 * time.Second},
			{time.Hour, time.Millisecond, time.Millisecond},
		} {
			c := client(leasetest.NewStore(), "host-a")
			c.MaxClockSkew = test.set
			l := acquire(t, c, test.duration)
			wantRemaining(t, l, time.Until(l.End())-test.want)
		}
	})
}

// The time that a grant and its reply are on their way is not the holder's.
func TestRemainingCountsFromTheSending(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFaulty()
		s.fail(func(_ context.Context, request string) error {
			time.Sleep(2 * time.Second) // before the commit
			return nil
		})
		s.alter(func(e *leasehold.Entry) error {
			time.Sleep(3 * time.Second) // after it
			e.Stamp.Received = leasehold.ReadInstant()
			return nil
		})
		l := acquire(t, client(s, "host-a"), time.Minute)
		// The store's stamp says 57.75 s to the end; 5 s of them went by.
		wantRemaining(t, l, 60*time.Second-250*time.Millisecond-6*time.Second-5*time.Second)
		time.Sleep(10 * time.Second)
		wantNil(t, "Renew", l.Renew(t.Context()))
		if left := time.Until(l.End()) - 6*time.Second; l.Remaining() > left {
			t.Fatalf("Remaining after a slow Renew: got %s, want at most %s", l.Remaining(), left)
		}
	})
}

func TestRemainingByAClockOfItsOwn(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 18, 0, 0, 0, time.UTC)
	c := client(leasetest.NewStore(), "host-a")
	c.Now = func() time.Time { return now }
	l := acquire(t, c, time.Minute)
	if got := l.Remaining(); got != time.Minute {
		t.Fatalf("Remaining: got %s, want 1m0s", got)
	}
	now = now.Add(time.Minute)
	if got := l.Remaining(); got != 0 {
		t.Fatalf("Remaining at the end by Now: got %s, want 0", got)
	}
	wantErr(t, "Renew at the end by Now", l.Renew(t.Context()), leasehold.ErrLost)
}

func TestRenew(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := leasetest.NewStore()
		l := acquire(t, client(s, "host-a"), time.Minute)
		token, end := l.Token(), l.End()
		for range 5 {
			time.Sleep(30 * time.Second)
			wantNil(t, "Renew", l.Renew(t.Context()))
			if got := l.End().Sub(end); got != 30*time.Second {
				t.Fatalf("end moved by: got %s, want 30s", got)
			}
			end = l.End()
			wantRemaining(t, l, usableMinute)
			_, err := client(s, "host-b").TryAcquire(t.Context(), path, time.Minute)
			if held := wantHeld(t, err, "host-a"); !held.End.Equal(end) {
				t.Fatalf("end in the store: got %s, want %s", held.End, end)
			}
		}
		if l.Token() != token {
			t.Fatalf("token after Renew: got %d, want the same, %d", l.Token(), token)
		}
	})
}

func TestRenewTooLate(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFaulty()
		l := acquire(t, client(s, "host-a"), time.Minute)
		time.Sleep(usableMinute)
		wantErr(t, "Renew", l.Renew(t.Context()), leasehold.ErrLost)
		if got := s.requests("renew"); got != 0 {
			t.Fatalf("got %d renewals sent, want none", got)
		}
		wantErr(t, "Renew again", l.Renew(t.Context()), leasehold.ErrLost)
	})
}

// A reply that comes after the old end proves nothing: another may have had
// the lease meanwhile.
func TestRenewalThatIsAnsweredTooLate(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFaulty()
		l := acquire(t, client(s, "host-a"), time.Minute)
		time.Sleep(50 * time.Second)
		s.alter(func(e *leasehold.Entry) error {
			time.Sleep(usableMinute - 50*time.Second)
			e.Stamp.Received = leasehold.ReadInstant()
			return nil
		})
		wantErr(t, "Renew", l.Renew(t.Context()), leasehold.ErrLost)
		if got := l.Remaining(); got != 0 {
			t.Fatalf("Remaining: got %s, want 0", got)
		}
		s.alter(nil)
		wantErr(t, "Renew once more", l.Renew(t.Context()), leasehold.ErrLost)
	})
}

// Until then nothing is lost, whatever goes wrong.
func TestRenewThatFails(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFaulty()
		l := acquire(t, client(s, "host-a"), time.Minute)
		end := l.End()
		for _, cause := range []error{leasehold.ErrUnreachable, leasehold.ErrPermission, leasehold.ErrOutcomeUnknown} {
			time.Sleep(time.Second)
			s.fail(func(context.Context, string) error { return cause })
			err := l.Renew(t.Context())
			wantErr(t, "Renew", err, cause)
			if errors.Is(err, leasehold.ErrLost) || !l.End().Equal(end) || l.Remaining() == 0 {
				t.Fatalf("got error %v, end %s, remaining %s, want the lease as it was", err, l.End(), l.Remaining())
			}
		}
		s.fail(nil)
		wantNil(t, "Renew", l.Renew(t.Context()))
		wantRemaining(t, l, time.Until(l.End())-6*time.Second)
	})
}

// A renewal may have been carried out though nobody knows: the lease must not
// be believed any longer for that, and the next renewal must work.
func TestRenewOfUnknownOutcome(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFaulty()
		l := acquire(t, client(s, "host-a"), time.Minute)
		time.Sleep(10 * time.Second)
		s.alter(func(*leasehold.Entry) error { return leasehold.ErrOutcomeUnknown })
		wantErr(t, "Renew", l.Renew(t.Context()), leasehold.ErrOutcomeUnknown)
		wantRemaining(t, l, usableMinute-10*time.Second)
		s.alter(nil)
		wantNil(t, "Renew", l.Renew(t.Context()))
		wantRemaining(t, l, usableMinute)
	})
}

// Renew gives up when the lease ends, and at once when its context does.
func TestRenewOnMuteStore(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFaulty()
		l := acquire(t, client(s, "host-a"), time.Minute)
		time.Sleep(time.Second)
		s.fail(func(ctx context.Context, _ string) error { <-ctx.Done(); return leasehold.ErrUnreachable })
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		from := time.Now()
		err := l.Renew(ctx)
		wantErr(t, "Renew", err, leasehold.ErrUnreachable)
		if took := time.Since(from); took != 5*time.Second || errors.Is(err, leasehold.ErrLost) {
			t.Fatalf("got error %v after %s, want not ErrLost, after 5s", err, took)
		}
		wantErr(t, "Renew until the lease ends", l.Renew(t.Context()), leasehold.ErrLost)
		wantTime(t, "gave up after", time.Since(from), usableMinute-time.Second)
	})
}

func TestRenewSaysHowTheLeaseWasLost(t *testing.T) {
	for name, test := range map[string]struct {
		happen func(t *testing.T, s leasehold.Store, l *leasehold.Lease)
		reason string
	}{
		"taken over": {func(t *testing.T, s leasehold.Store, l *leasehold.Lease) {
			wantNil(t, "ForceRelease", client(s, "host-b").ForceRelease(t.Context(), path, l.Token()))
			acquire(t, client(s, "host-b"), time.Minute)
		}, `taken over by "host-b"`},
		"superseded": {func(t *testing.T, s leasehold.Store, l *leasehold.Lease) {
			acquire(t, client(s, "host-a"), time.Minute)
		}, "superseded by a later grant to the same holder"},
		"released by another process": {func(t *testing.T, s leasehold.Store, l *leasehold.Lease) {
			wantNil(t, "Release", client(s, "host-a").Release(t.Context(), path))
		}, "released by another process"},
		"released": {func(t *testing.T, s leasehold.Store, l *leasehold.Lease) {
			wantNil(t, "Release", l.Release(t.Context()))
		}, "it was released"},
		"unreadable": {func(t *testing.T, s leasehold.Store, l *leasehold.Lease) {
			put(t, s, path, "gone fishing")
		}, "can't be read"},
		"newer": {func(t *testing.T, s leasehold.Store, l *leasehold.Lease) {
			put(t, s, path, `{"version": 2}`)
		}, "written by a newer program"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := leasetest.NewStore()
				l := acquire(t, client(s, "host-a"), time.Minute)
				time.Sleep(time.Second)
				test.happen(t, s, l)
				before := raw(t, s, path)
				for range 2 {
					err := l.Renew(t.Context())
					wantErr(t, "Renew", err, leasehold.ErrLost)
					if !strings.Contains(err.Error(), test.reason) {
						t.Fatalf("got error %q, want the reason %q", err, test.reason)
					}
					if got := l.Remaining(); got != 0 {
						t.Fatalf("Remaining: got %s, want 0", got)
					}
				}
				if got := raw(t, s, path); got != before {
					t.Fatalf("record: got %s, want %s", got, before)
				}
			})
		})
	}
}

// removed is a Store in memory whose record somebody has removed by hand.
type removed struct{ *faulty }

func (removed) Renew(context.Context, leasehold.Entry, []byte) (leasehold.Entry, error) {
	return leasehold.Entry{}, leasehold.ErrLost
}

func (removed) Read(_ context.Context, path string) (leasehold.Entry, error) {
	return leasehold.Entry{Path: path}, nil
}

func TestRenewOfRemovedRecord(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		l := acquire(t, client(removed{newFaulty()}, "host-a"), time.Minute)
		err := l.Renew(t.Context())
		wantErr(t, "Renew", err, leasehold.ErrLost)
		if want := "its record was removed"; !strings.Contains(err.Error(), want) {
			t.Fatalf("got error %q, want the reason %q", err, want)
		}
	})
}
