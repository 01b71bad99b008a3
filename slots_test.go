package leasehold_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/leasetest"
)

func slot(i int) string { return path + "/" + strconv.Itoa(i) }

func wantSlot(t *testing.T, l *leasehold.Lease, want int) {
	t.Helper()
	if l.Slot() != want || l.Path() != slot(want) {
		t.Fatalf("%q got slot %d at %q, want %d at %q", l.Holder(), l.Slot(), l.Path(), want, slot(want))
	}
}

func TestSlots(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := leasetest.NewStore()
		ends := make([]time.Time, 3)
		for i := range 3 {
			l := acquireSlot(t, client(s, "host-"+strconv.Itoa(i)), 3, time.Hour-time.Duration(i)*time.Minute)
			wantSlot(t, l, i)
			ends[i] = l.End()
		}
		_, err := client(s, "host-3").TryAcquireSlot(t.Context(), path, 3, time.Hour)
		held := wantHeld(t, err, "host-2") // whose slot ends first
		if held.Path != path || !held.End.Equal(ends[2]) || held.Token < 1 || held.Remaining != time.Until(ends[2]) || len(held.Slots) != 3 {
			t.Fatalf("got %+v, want the path above the slots, slot 2's end and token, and 3 slots", *held)
		}
		for i, st := range held.Slots {
			if st.Path != slot(i) || st.Slot != i || st.State != leasehold.Held || st.Holder != "host-"+strconv.Itoa(i) || !st.End.Equal(ends[i]) {
				t.Fatalf("got slot %d as %+v, want it held by host-%d until %s", i, st, i, ends[i])
			}
		}
		want := fmt.Sprintf(`all 3 slots of %q are held, the first until 2000-01-01T00:58:00Z by "host-2"`, path)
		if err.Error() != want {
			t.Fatalf("got message %s, want %s", err, want)
		}
	})
}

func TestOwnSlotFirst(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := leasetest.NewStore()
		put(t, s, slot(0), record(t, "host-a", time.Now().Add(-time.Hour)))
		put(t, s, slot(2), record(t, "host-b", time.Now().Add(-time.Minute)))
		put(t, s, slot(3), record(t, "host-b", time.Now().Add(time.Minute)))
		l := acquireSlot(t, client(s, "host-b"), 5, time.Hour)
		wantSlot(t, l, 3) // held, before one that has ended, before a free one
		time.Sleep(2 * time.Hour)
		wantSlot(t, acquireSlot(t, client(s, "host-b"), 5, time.Hour), 2) // the lower of those that have ended
		wantSlot(t, acquireSlot(t, client(s, "host-c"), 5, time.Hour), 0) // the lowest free one: the end of host-a's is past
		wantSlot(t, acquireSlot(t, client(s, "host-d"), 5, time.Hour), 1)
		wantSlot(t, acquireSlot(t, client(s, "host-a"), 5, time.Hour), 3)
	})
}

// A slot that was released is nobody's own.
func TestReleasedSlotIsFree(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := leasetest.NewStore()
		acquireSlot(t, client(s, "host-a"), 3, time.Hour)
		b := acquireSlot(t, client(s, "host-b"), 3, time.Hour)
		wantSlot(t, b, 1)
		wantNil(t, "ForceRelease", client(s, "admin").ForceRelease(t.Context(), slot(0), 1))
		wantNil(t, "Release", b.Release(t.Context()))
		wantSlot(t, acquireSlot(t, client(s, "host-b"), 3, time.Hour), 0)
	})
}

func TestUnreadableSlot(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := leasetest.NewStore()
		put(t, s, slot(0), "gone fishing")
		put(t, s, slot(1), `{"version": 2}`)
		b := acquireSlot(t, client(s, "host-b"), 3, time.Hour)
		wantSlot(t, b, 2)
		wantSlot(t, acquireSlot(t, client(s, "host-b"), 3, time.Hour), 2)

		_, err := client(s, "host-c").TryAcquireSlot(t.Context(), path, 3, time.Hour)
		wantRecordError(t, "TryAcquireSlot", err, slot(0), false)
		put(t, s, slot(0), record(t, "host-a", time.Now().Add(time.Hour)))
		_, err = client(s, "host-c").TryAcquireSlot(t.Context(), path, 3, time.Hour)
		wantRecordError(t, "TryAcquireSlot", err, slot(1), true)
		if got := raw(t, s, slot(1)); got != `{"version": 2}` {
			t.Fatalf("record: got %s, want it as it was", got)
		}
	})
}

// Fewer slots than before: those beyond are not looked at. More: they are free.
func TestNumberOfSlotsChanges(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := leasetest.NewStore()
		for _, holder := range []string{"host-a", "host-b", "host-c"} {
			acquireSlot(t, client(s, holder), 3, time.Hour)
		}
		_, err := client(s, "host-c").TryAcquireSlot(t.Context(), path, 2, time.Hour)
		if held := wantHeld(t, err, "host-a"); len(held.Slots) != 2 {
			t.Fatalf("got %d slots, want 2", len(held.Slots))
		}
		wantSlot(t, acquireSlot(t, client(s, "host-d"), 4, time.Hour), 3)
		wantSlot(t, acquireSlot(t, client(s, "host-c"), 4, time.Hour), 2)
	})
}

// kazoo does not look for its own slot first, so one holder can have two.
func TestTwoSlotsOfOneHolder(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := leasetest.NewStore()
		end := time.Now().Add(time.Hour)
		put(t, s, slot(0), record(t, "host-a", end))
		put(t, s, slot(1), record(t, "host-b", end))
		put(t, s, slot(2), record(t, "host-b", end))
		wantSlot(t, acquireSlot(t, client(s, "host-b"), 3, time.Hour), 1)
		_, err := client(s, "host-c").TryAcquireSlot(t.Context(), path, 3, time.Hour)
		wantHeld(t, err, "host-a")

		wantNil(t, "ReleaseSlots", client(s, "host-b").ReleaseSlots(t.Context(), path, 3))
		wantStates(t, s, leasehold.Held, leasehold.Free, leasehold.Free)
		wantNil(t, "ReleaseSlots of none, where some are free", client(s, "host-b").ReleaseSlots(t.Context(), path, 3))
		put(t, s, slot(1), record(t, "host-c", end))
		put(t, s, slot(2), record(t, "host-c", end))
		err = client(s, "host-b").ReleaseSlots(t.Context(), path, 3)
		if held := wantHeld(t, err, "host-a"); held.Path != path || len(held.Slots) != 3 {
			t.Fatalf("got %+v, want the path above the slots, and 3 of them", held)
		}
		wantStates(t, s, leasehold.Held, leasehold.Held, leasehold.Held)
	})
}

func wantStates(t *testing.T, s leasehold.Store, want ...leasehold.State) {
	t.Helper()
	got, err := client(s, "anybody").StatusSlots(t.Context(), path, len(want))
	wantNil(t, "StatusSlots", err)
	for i, st := range got {
		if st.State != want[i] || st.Slot != i || st.Path != slot(i) {
			t.Fatalf("got slot %d as %+v, want it %v", i, st, want[i])
		}
	}
}

func TestStatusSlots(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := leasetest.NewStore()
		put(t, s, slot(1), record(t, "host-a", time.Now().Add(time.Hour)))
		put(t, s, slot(2), record(t, "host-a", time.Now().Add(-time.Hour)))
		put(t, s, slot(3), record(t, "host-a", time.Unix(0, 0)))
		put(t, s, slot(4), "gone fishing")
		put(t, s, slot(5), `{"version": 7}`)
		wantStates(t, s, leasehold.Free, leasehold.Held, leasehold.Expired, leasehold.Free, leasehold.Unreadable, leasehold.Newer)

		down := newFaulty()
		down.fail(func(context.Context, string) error { return leasehold.ErrUnreachable })
		_, err := client(down, "host-a").StatusSlots(t.Context(), path, 6)
		wantErr(t, "StatusSlots", err, leasehold.ErrUnreachable)
		_, err = client(down, "host-a").TryAcquireSlot(t.Context(), path, 6, time.Minute)
		wantErr(t, "TryAcquireSlot", err, leasehold.ErrUnreachable)
		wantErr(t, "ReleaseSlots", client(down, "host-a").ReleaseSlots(t.Context(), path, 6), leasehold.ErrUnreachable)
	})
}

// Between the reading of all slots and the grant, others are quicker.
func TestSlotIsLostToAQuickerOne(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFaulty()
		granted := 0
		s.fail(func(_ context.Context, request string) error {
			if request == "grant" {
				put(t, s.Store, slot(granted), record(t, "quick-"+strconv.Itoa(granted), time.Now().Add(time.Hour)))
				granted++
			}
			return nil
		})
		_, err := client(s, "host-a").TryAcquireSlot(t.Context(), path, 2, time.Minute)
		held := wantHeld(t, err, "quick-0")
		if len(held.Slots) != 2 || held.Slots[1].Holder != "quick-1" || held.Slots[1].State != leasehold.Held {
			t.Fatalf("got slots %+v, want those who were quicker", held.Slots)
		}
		granted = 0
		wantSlot(t, acquireSlot(t, client(s.Store, "host-a"), 3, time.Minute), 2)
	})
}

// Clients that share nothing but the store: at most n of them are granted.
func TestAtMostAsManyAsThereAreSlots(t *testing.T) {
	t.Parallel()
	s := leasetest.NewStore()
	const workers, n = 30, 7
	type answer struct {
		slot int
		err  error
	}
	answers := make(chan answer, workers)
	for i := range workers {
		c := client(s, "host-"+strconv.Itoa(i))
		go func() {
			l, err := c.TryAcquireSlot(t.Context(), path, n, time.Hour)
			if err != nil {
				answers <- answer{-1, err}
				return
			}
			answers <- answer{l.Slot(), nil}
		}()
	}
	taken := map[int]bool{}
	for range workers {
		a := <-answers
		switch {
		case a.err != nil && !errors.Is(a.err, leasehold.ErrHeld):
			t.Fatalf("got error %v, want a slot or a denial", a.err)
		case a.err == nil && taken[a.slot]:
			t.Fatalf("slot %d was granted twice", a.slot)
		case a.err == nil:
			taken[a.slot] = true
		}
	}
	if len(taken) != n {
		t.Fatalf("got %d grants, want %d", len(taken), n)
	}
}
