package leasehold_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/leasetest"
)

func TestRelease(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := leasetest.NewStore()
		l := acquire(t, client(s, "host-a"), time.Minute)
		wantNil(t, "Release", l.Release(t.Context()))
		const want = `{"version": 1, "holder": "host-a", "end": "1970-01-01T00:00:00"}`
		if got := raw(t, s, path); got != want {
			t.Fatalf("record: got %s, want %s", got, want)
		}
		if got := l.Remaining(); got != 0 {
			t.Fatalf("Remaining: got %s, want 0", got)
		}
		b := acquire(t, client(s, "host-b"), time.Minute)
		wantNil(t, "Release again, of what is another's by now", l.Release(t.Context()))
		wantErr(t, "Renew", l.Renew(t.Context()), leasehold.ErrLost)
		if b.Token() <= l.Token() {
			t.Fatalf("token after a release: got %d, want more than %d", b.Token(), l.Token())
		}
		wantNil(t, "Renew of the next holder", b.Renew(t.Context()))
	})
}

func TestReleaseTooLate(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := leasetest.NewStore()
		l := acquire(t, client(s, "host-a"), time.Minute)
		time.Sleep(2 * time.Minute)
		acquire(t, client(s, "host-b"), time.Minute)
		before := raw(t, s, path)
		wantErr(t, "Release", l.Release(t.Context()), leasehold.ErrLost)
		wantErr(t, "Release again", l.Release(t.Context()), leasehold.ErrLost)
		if got := raw(t, s, path); got != before {
			t.Fatalf("record: got %s, want %s", got, before)
		}
	})
}

// A lease that is past its end and that nobody took is released all the same.
func TestReleaseAfterTheEnd(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := leasetest.NewStore()
		l := acquire(t, client(s, "host-a"), time.Minute)
		time.Sleep(time.Hour)
		wantErr(t, "Renew", l.Renew(t.Context()), leasehold.ErrLost)
		wantNil(t, "Release", l.Release(t.Context()))
		if st, err := client(s, "host-b").Status(t.Context(), path); err != nil || st.State != leasehold.Free {
			t.Fatalf("got %v, error %v, want a free lease", st.State, err)
		}
	})
}

func TestReleaseOutlivesItsContext(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFaulty()
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		wantNil(t, "Release", acquire(t, client(s, "host-a"), time.Minute).Release(ended))

		l := acquire(t, client(s, "host-a"), time.Minute)
		s.fail(func(ctx context.Context, _ string) error { <-ctx.Done(); return leasehold.ErrUnreachable })
		from := time.Now()
		wantErr(t, "Release on a mute store", l.Release(ended), leasehold.ErrUnreachable)
		if took := time.Since(from); took != 5*time.Second {
			t.Fatalf("gave up after %s, want 5s", took)
		}
		s.fail(nil)
		wantNil(t, "Release once the store is back", l.Release(ended))
	})
}

// From when a release is sent, another may have the lease: it must not be
// believed in until the reply, nor if there is none.
func TestReleaseEndsTheLeaseAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFaulty()
		l := acquire(t, client(s, "host-a"), time.Minute)
		sent, answer := make(chan bool), make(chan error)
		s.fail(func(_ context.Context, request string) error {
			if request != "release" {
				return nil
			}
			close(sent)
			return <-answer
		})
		released := make(chan error, 1)
		go func() { released <- l.Release(t.Context()) }()
		<-sent
		if got := l.Remaining(); got != 0 {
			t.Fatalf("Remaining during Release: got %s, want 0", got)
		}
		answer <- errors.Join(leasehold.ErrOutcomeUnknown, leasehold.ErrUnreachable)
		wantErr(t, "Release", <-released, leasehold.ErrOutcomeUnknown)
		if got := l.Remaining(); got != 0 {
			t.Fatalf("Remaining when the outcome is unknown: got %s, want 0", got)
		}
		wantErr(t, "Renew", l.Renew(t.Context()), leasehold.ErrLost)

		s.fail(nil)
		l = acquire(t, client(s, "host-a"), time.Minute)
		s.fail(func(context.Context, string) error { return leasehold.ErrUnreachable })
		wantErr(t, "Release", l.Release(t.Context()), leasehold.ErrUnreachable)
		if got := l.Remaining(); got == 0 {
			t.Fatal("Remaining after a release that was not sent: got 0, want some")
		}
	})
}

func TestRenewAndReleaseTakeTurns(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFaulty()
		l := acquire(t, client(s, "host-a"), time.Minute)
		s.fail(func(_ context.Context, request string) error {
			if request == "renew" {
				time.Sleep(time.Second)
			}
			return nil
		})
		renewed := make(chan error, 1)
		go func() { renewed <- l.Renew(t.Context()) }()
		synctest.Wait()
		wantNil(t, "Release during Renew", l.Release(t.Context()))
		wantNil(t, "Renew before Release", <-renewed)
		if st, err := client(s, "host-b").Status(t.Context(), path); err != nil || st.State != leasehold.Free {
			t.Fatalf("got %v, error %v, want a free lease", st.State, err)
		}
		if got := l.Remaining(); got != 0 {
			t.Fatalf("Remaining: got %s, want 0", got)
		}
	})
}

// What a grant replaced is there again, also where it was the same holder's.
func TestUndo(t *testing.T) {
	for name, former := range map[string]string{
		"nothing before": "", "the same holder before": "host-a", "another before, which has ended": "host-b",
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newFaulty()
				if former != "" {
					acquire(t, client(s, former), time.Minute)
					if former != "host-a" {
						time.Sleep(time.Minute)
					}
				}
				before := raw(t, s, path)
				l := acquire(t, client(s, "host-a"), time.Hour)
				time.Sleep(10 * time.Second)
				wantNil(t, "Renew", l.Renew(t.Context()))
				wantNil(t, "Undo", l.Undo(t.Context()))
				if got := raw(t, s, path); former != "" && got != before {
					t.Errorf("record: got %s, want the former one, %s", got, before)
				}
				if got, err := client(s, "host-a").Status(t.Context(), path); err != nil || former == "" && got.State != leasehold.Free {
					t.Errorf("got the state %s and error %v, want free", got.State, err)
				}
				wantRemaining(t, l, 0)
				wantErr(t, "Renew after Undo", l.Renew(t.Context()), leasehold.ErrLost)
				wantNil(t, "Undo again", l.Undo(t.Context()))
			})
		})
	}
}

// A later grant is left alone.
func TestUndoTooLate(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFaulty()
		l := acquire(t, client(s, "host-a"), time.Minute)
		time.Sleep(time.Minute)
		acquire(t, client(s, "host-b"), time.Minute)
		before := raw(t, s, path)
		wantNil(t, "Undo", l.Undo(t.Context()))
		if got := raw(t, s, path); got != before {
			t.Errorf("record: got %s, want that of the later grant, %s", got, before)
		}
	})
}

// As long as it is not known what became of it, nobody may act on the lease.
func TestUndoOfUnknownOutcome(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFaulty()
		l := acquire(t, client(s, "host-a"), time.Minute)
		s.fail(func(context.Context, string) error { return leasehold.ErrOutcomeUnknown })
		wantErr(t, "Undo", l.Undo(t.Context()), leasehold.ErrOutcomeUnknown)
		wantRemaining(t, l, 0)
	})
}
