package leaseholdprom_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/leaseholdprom"
	"leasehold.example/leasehold/zookeeper"
)

func TestMain(m *testing.M) { zktest.Main(m) }

// within bounds every call; none should come near it.
const within = 30 * time.Second

func openStore(t *testing.T) *zookeeper.Store {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	s, err := zookeeper.Open(ctx, "zk://"+zktest.Shared(t).Addr(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// A lease that is held, refused to another host, renewed, and ended by force.
func TestOnZooKeeper(t *testing.T) {
	t.Parallel()
	m := leaseholdprom.New()
	renewed := make(chan error, 100)
	holder := leasehold.Client{Store: openStore(t), Holder: "host-a", Observe: func(e leasehold.Event) {
		m.Observe(e)
		if e.Kind == leasehold.EventRenewal {
			renewed <- e.Err
		}
	}}
	other := leasehold.Client{Store: openStore(t), Holder: "host-b", Observe: m.Observe}
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	const path = "/TestOnZooKeeper"
	l, err := holder.TryAcquire(ctx, path, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	err = l.Hold(ctx, func(ctx context.Context) error {
		if err := <-renewed; err != nil {
			t.Errorf("renewal: got error %v, want nil", err)
		}
		if _, err := other.TryAcquire(ctx, path, 10*time.Second); !errors.Is(err, leasehold.ErrHeld) {
			t.Errorf("host-b: got error %v, want ErrHeld", err)
		}
		if left := values(t, m, remaining)[path]; left <= 0 || left > 9 {
			t.Errorf("%s: got %v, want up to 9", remaining, left)
		}
		if err := other.ForceRelease(ctx, path, l.Token()); err != nil {
			t.Error(err)
		}
		<-ctx.Done()
		return nil
	})
	if !errors.Is(err, leasehold.ErrLost) {
		t.Errorf("Hold: got error %v, want ErrLost", err)
	}
	wantCounts(t, m, acquires, map[string]float64{"granted": 1, "denied": 1})
	wantCounts(t, m, duration, map[string]float64{"": 2})
	wantCounts(t, m, losses, map[string]float64{"": 1})
	if got := values(t, m, renewals); got["renewed"] < 1 || got["lost"] != 1 {
		t.Errorf("%s: got %v, want some renewed and one lost", renewals, got)
	}
	wantNoGauge(t, m)
}
