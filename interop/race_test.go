package interop_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/kazootest"
	"leasehold.example/leasehold/kazoo"
)

const racersPerSide = 10

// TestRaceOfBothForAnExpiredLease lets 10 Go and 10 kazoo hosts go for one
// expired lease at the same moment, by their real clocks.
func TestRaceOfBothForAnExpiredLease(t *testing.T) {
	l := newLab(t)
	race(t, l, 20, "")
}

// TestRaceInKazoosQueueOnly does so where the guard may not be used.
func TestRaceInKazoosQueueOnly(t *testing.T) {
	l := newLab(t)
	race(t, l, 5, "?guard=off")
}

func race(t *testing.T, l *lab, rounds int, options string) {
	var hosts []*leasehold.Client
	var names []string
	for i := range racersPerSide {
		hosts = append(hosts, goHost(t, fmt.Sprint("go-", i), nil, options))
		names = append(names, fmt.Sprint("kazoo-", i))
	}
	racers, err := l.peer.Racers(names...)
	if err != nil {
		t.Fatal(err)
	}
	former := goHost(t, "former", func() time.Time { return time.Now().Add(-time.Hour) }, "")
	won := map[string]int{}
	for round := range rounds {
		path := freshPath(t)
		if round%2 == 0 { // each side leaves expired leases to the other
			if _, err := former.TryAcquire(t.Context(), path, time.Minute); err != nil {
				t.Fatal(err)
			}
		} else if ok, err := l.peer.Lease(path, "former", time.Minute, time.Now().Add(-time.Hour)); !ok || err != nil {
			t.Fatalf("kazoo's former holder: got %v and error %v", ok, err)
		}
		winners := oneRace(t, path, hosts, racers)
		if len(winners) != 1 {
			t.Fatalf("round %d: got winners %q, want one", round, winners)
		}
		record, err := kazoo.Parse(l.record(t, path))
		if err != nil {
			t.Fatal(err)
		}
		if record.Holder != winners[0] {
			t.Errorf("round %d: got holder %q in the record, want the winner %q", round, record.Holder, winners[0])
		}
		l.wantNoDebris(t, path)
		if t.Failed() {
			t.FailNow() // what is left behind would hold the next round up
		}
		won[winners[0][:2]]++
	}
	t.Logf("won by side: %v", won)
}

// oneRace returns the holders that obtained the lease at path.
func oneRace(t *testing.T, path string, hosts []*leasehold.Client, racers *kazootest.Racers) []string {
	t.Helper()
	start := time.Now().Add(30 * time.Millisecond)
	var (
		all     sync.WaitGroup
		mu      sync.Mutex
		winners []string
		deniers []string // whom the others were told of
	)
	all.Go(func() {
		names, err := racers.Race(path, time.Minute, time.Time{}, start)
		if err != nil {
			t.Errorf("kazoo's racers: %v", err)
		}
		mu.Lock()
		defer mu.Unlock()
		winners = append(winners, names...)
	})
	for _, host := range hosts {
		all.Go(func() {
			time.Sleep(time.Until(start))
			ctx, cancel := context.WithTimeout(t.Context(), within)
			defer cancel()
			_, err := host.TryAcquire(ctx, path, time.Minute)
			mu.Lock()
			defer mu.Unlock()
			if obtained(t, err) {
				winners = append(winners, host.Holder)
			} else if held, ok := errors.AsType[*leasehold.HeldError](err); ok {
				deniers = append(deniers, held.Holder)
			}
		})
	}
	all.Wait()
	for _, holder := range deniers {
		if !slices.Contains(winners, holder) {
			t.Errorf("a denial names %q, want the winner %q", holder, winners)
		}
	}
	return winners
}
