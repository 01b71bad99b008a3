package leasehold_test

import (
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/leasetest"
)

func TestTryAcquire(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := leasetest.NewStore()
		l := acquire(t, client(s, "host-a"), 10*time.Minute)
		if l.Path() != path || l.Holder() != "host-a" || l.Slot() != -1 || l.Token() < 1 {
			t.Fatalf("got path %q, holder %q, slot %d, token %d, want %q, host-a, -1 and a positive token",
				l.Path(), l.Holder(), l.Slot(), l.Token(), path)
		}
		const want = `{"version": 1, "holder": "host-a", "end": "2000-01-01T00:10:00"}`
		if got := raw(t, s, path); got != want {
			t.Fatalf("record: got %s, want %s", got, want)
		}
	})
}

// The end is cut off to seconds: 00:00:00.25 and ten minutes make 00:10:00.
func TestEndIsCutOff(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for _, after := range []time.Duration{0, 749 * time.Millisecond, time.Nanosecond} {
			time.Sleep(after)
			l := acquire(t, client(leasetest.NewStore(), "host-a"), 10*time.Minute)
			if want := time.Now().UTC().Add(10 * time.Minute).Truncate(time.Second); !l.End().Equal(want) {
				t.Fatalf("at %s: got end %s, want %s", time.Now().UTC(), l.End(), want)
			}
		}
	})
}

func TestTryAcquireDenied(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFaulty()
		a := acquire(t, client(s, "host-a"), 10*time.Minute)
		before := raw(t, s, path)
		time.Sleep(2 * time.Second)
		_, err := client(s, "host-b").TryAcquire(t.Context(), path, time.Hour)
		held := wantHeld(t, err, "host-a")
		want := leasehold.HeldError{
			Path: path, Holder: "host-a", End: a.End(), Token: a.Token(),
			Remaining: 10*time.Minute - 2*time.Second - 250*time.Millisecond,
		}
		if held.Path != want.Path || !held.End.Equal(want.End) || held.Token != want.Token || held.Remaining != want.Remaining || held.Slots != nil {
			t.Fatalf("got %+v, want %+v", *held, want)
		}
		if got := raw(t, s, path); got != before {
			t.Fatalf("record after a denial: got %s, want %s", got, before)
		}
		const message = `lease "/db_leases/hourly_cleanup" is held by "host-a" until 2000-01-01T00:10:00Z`
		if err.Error() != message {
			t.Fatalf("got message %s, want %s", err, message)
		}
	})
}

// Another holder is refused up to the last moment and granted at the end.
func TestTryAcquireAtTheEnd(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := leasetest.NewStore()
		a := acquire(t, client(s, "host-a"), time.Minute)
		time.Sleep(time.Until(a.End()) - time.Nanosecond)
		_, err := client(s, "host-b").TryAcquire(t.Context(), path, time.Minute)
		wantHeld(t, err, "host-a")
		time.Sleep(time.Nanosecond)
		b := acquire(t, client(s, "host-b"), time.Minute)
		if b.Token() <= a.Token() {
			t.Fatalf("token of the takeover: got %d, want more than %d", b.Token(), a.Token())
		}
	})
}

func TestSameHolderIsGrantedAnew(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := leasetest.NewStore()
		first := acquire(t, client(s, "host-a"), time.Minute)
		time.Sleep(10 * time.Second)
		second := acquire(t, client(s, "host-a"), time.Minute)
		if second.Token() <= first.Token() {
			t.Fatalf("token: got %d, want more than %d", second.Token(), first.Token())
		}
		if got, want := second.End().Sub(first.End()), 10*time.Second; got != want {
			t.Fatalf("end moved by: got %s, want %s", got, want)
		}
		wantErr(t, "Renew of the first", first.Renew(t.Context()), leasehold.ErrLost)
	})
}

// A short lease must not cut a longer one of the same holder short.
func TestEndIsNeverEarlierForTheSameHolder(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := leasetest.NewStore()
		long := acquire(t, client(s, "host-a"), time.Hour)
		short := acquire(t, client(s, "host-a"), time.Minute)
		if !short.End().Equal(long.End()) {
			t.Fatalf("end: got %s, want that of the longer lease, %s", short.End(), long.End())
		}
		wantNil(t, "Renew", short.Renew(t.Context()))
		if !short.End().Equal(long.End()) {
			t.Fatalf("end after Renew: got %s, want %s", short.End(), long.End())
		}
		// The holder's own, that is: another's end does not matter once it is over.
		time.Sleep(time.Until(long.End()))
		b := acquire(t, client(s, "host-b"), time.Minute)
		if left := time.Until(b.End()); left > time.Minute {
			t.Fatalf("another's lease lasts %s, want a minute at most", left)
		}
	})
}

// Clients that share nothing but the store, and no time to get out of step.
func TestOneOfManyIsGranted(t *testing.T) {
	t.Parallel()
	s := leasetest.NewStore()
	const n = 50
	errs := make(chan error, n)
	for i := range n {
		c := client(s, "host-"+string(rune('A'+i)))
		go func() {
			_, err := c.TryAcquire(t.Context(), path, time.Hour)
			errs <- err
		}()
	}
	granted := 0
	for range n {
		if err := <-errs; err == nil {
			granted++
		} else {
			wantErr(t, "TryAcquire", err, leasehold.ErrHeld)
		}
	}
	if granted != 1 {
		t.Fatalf("got %d grants, want 1", granted)
	}
}

func TestBadRecordsAreNeverReplaced(t *testing.T) {
	for name, test := range map[string]struct {
		raw   string
		newer bool
	}{
		"empty":        {raw: ""},
		"no JSON":      {raw: `{"version": 1, "holder"`},
		"fraction":     {raw: `{"version": 1, "holder": "host-a", "end": "1999-01-01T00:00:00.5"}`},
		"newer, over":  {raw: `{"version": 2, "holder": "host-a", "end": "1999-01-01T00:00:00"}`, newer: true},
		"newer, alone": {raw: `{"version": 3}`, newer: true},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := leasetest.NewStore()
				e := put(t, s, path, test.raw)
				c := client(s, "host-a")
				_, tryErr := c.TryAcquire(t.Context(), path, time.Minute)
				_, acquireErr := c.Acquire(t.Context(), path, time.Minute)
				for what, err := range map[string]error{
					"TryAcquire": tryErr, "Acquire": acquireErr,
					"Release": c.Release(t.Context(), path), "ForceRelease": c.ForceRelease(t.Context(), path, e.Token),
				} {
					wantRecordError(t, what, err, path, test.newer)
				}
				if got := raw(t, s, path); got != test.raw {
					t.Fatalf("record: got %q, want %q", got, test.raw)
				}
			})
		})
	}
}
