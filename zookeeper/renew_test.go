package zookeeper_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/kazootest"
	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/zookeeper"
)

// A client of kazoo that has read a lease's last record before it was renewed,
// and will replace it: a renewal that late does not count until it is gone.
func TestLateRenewal(t *testing.T) {
	t.Parallel()
	server := zktest.Shared(t)
	python := kazootest.Start(t, server.Addr())
	tests := []struct {
		name string
		now  time.Time // kazoo's
		step kazootest.Step
		lost bool
	}{
		{"kazoo takes over", time.Now().Add(time.Hour), kazootest.DeleteStep, true},
		{"kazoo is denied", time.Now(), kazootest.UnlockStep, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := freshPath(t)
			s := open(t, server.Addr())
			c := client(s, "host-a")
			lease, err := c.TryAcquire(t.Context(), path, 9*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			stalled, err := python.Stall(test.step, path, "host-k", time.Hour, test.now)
			if err != nil {
				t.Fatal(err)
			}
			renewed := make(chan error, 1)
			go func() { renewed <- lease.Renew(t.Context()) }()
			select {
			case err := <-renewed:
				t.Fatalf("got %v while kazoo was at work, want to wait", err)
			case <-time.After(300 * time.Millisecond):
			}
			if _, err := stalled.Resume(); err != nil {
				t.Fatal(err)
			}
			if err := <-renewed; errors.Is(err, leasehold.ErrLost) != test.lost || err != nil && !test.lost {
				t.Errorf("got %v, want lost: %v", err, test.lost)
			}
		})
	}
}

// A context that ends while kazoo is at work does not make a renewal count.
func TestLateRenewalThatIsGivenUp(t *testing.T) {
	t.Parallel()
	server := zktest.Shared(t)
	python := kazootest.Start(t, server.Addr())
	path := freshPath(t)
	s := open(t, server.Addr())
	lease, err := client(s, "host-a").TryAcquire(t.Context(), path, 9*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := python.Lock(path, "host-k"); err != nil {
		t.Fatal(err)
	}
	end := lease.End()
	for i := range 300 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*50*time.Microsecond)
		err := lease.Renew(ctx)
		cancel()
		if err == nil || !lease.End().Equal(end) {
			t.Fatalf("renewal %d: got %v and the end %s, want it not to count", i, err, lease.End())
		}
	}
}

// With more than the followers' lag left, no second look is taken.
func TestRenewalInGoodTime(t *testing.T) {
	t.Parallel()
	server := zktest.Start(t)
	s := openWith(t, server.Addr(), &zookeeper.Options{SessionTimeout: time.Minute, Lag: 2 * time.Second})
	lease, err := client(s, "host-a").TryAcquire(t.Context(), "/x", 9*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	before := server.Counters(t)
	if err := lease.Renew(t.Context()); err != nil {
		t.Error(err)
	}
	if got := server.Counters(t).Packets - before.Packets; got != 1 {
		t.Errorf("got %d requests, want 1", got)
	}
}
