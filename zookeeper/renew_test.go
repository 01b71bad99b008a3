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

// endingContext ends when it has been looked at so many times.
type endingContext struct {
	context.Context
	looks int
}

func (c *endingContext) Err() error {
	if c.looks--; c.looks < 0 {
		return context.Canceled
	}
	return nil
}

// A context that ends while kazoo is at work, at whatever point, does not make
// a renewal count.
func TestLateRenewalThatIsGivenUp(t *testing.T) {
	t.Parallel()
	server := zktest.Shared(t)
	python := kazootest.Start(t, server.Addr())
	path := freshPath(t)
	s := open(t, server.Addr())
	data := []byte(recordOf(t, "host-a", time.Now().Add(9*time.Second)))
	held, _, err := s.Grant(t.Context(), leasehold.Entry{Path: path}, func(leasehold.Entry) (leasehold.Proposal, error) {
		return leasehold.Proposal{Data: data, Undo: data}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := python.Lock(path, "host-k"); err != nil {
		t.Fatal(err)
	}
	for looks := range 20 {
		_, err := s.Renew(&endingContext{t.Context(), looks}, held, data)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("context that ends at look %d: got %v, want context.Canceled", looks, err)
		}
	}
}

// A client of kazoo may have queued behind the very grant that is renewed.
func TestLateRenewalBesideALockOlderThanTheGrant(t *testing.T) {
	t.Parallel()
	server := zktest.Shared(t)
	python := kazootest.Start(t, server.Addr())
	conn := zktest.Conn(t, server.Addr())
	path := freshPath(t)
	s := open(t, server.Addr())
	first, err := python.Lock(path, "host-j")
	if err != nil {
		t.Fatal(err)
	}
	granted := make(chan *leasehold.Lease, 1)
	go func() {
		lease, err := client(s, "host-a").TryAcquire(t.Context(), path, 9*time.Second)
		if err != nil {
			t.Error(err)
		}
		granted <- lease
	}()
	for n := 1; n < 2; { // until host-a queues
		names, _, err := conn.Children(path)
		if err != nil {
			t.Fatal(err)
		}
		n = len(names)
	}
	second, err := python.QueueLock(path, "host-k")
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Unlock(); err != nil {
		t.Fatal(err)
	}
	lease := <-granted
	if lease == nil {
		return
	}
	if err := second.Await(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if err := lease.Renew(ctx); err == nil {
		t.Error("got a renewal that counts, beside kazoo's lock")
	}
	if err := second.Unlock(); err != nil {
		t.Fatal(err)
	}
	if err := lease.Renew(t.Context()); err != nil {
		t.Errorf("without the lock: %v", err)
	}
}

// A renewal that was sent in good time, and is committed late.
func TestRenewalDelayedOnItsWay(t *testing.T) {
	t.Parallel()
	server := zktest.Shared(t)
	proxy := zktest.NewProxy(t, server.Addr())
	python := kazootest.Start(t, server.Addr())
	path := freshPath(t)
	const more = 300 * time.Millisecond // than Lag
	end := time.Now().Add(20 * time.Second).Truncate(time.Second)
	s := openWith(t, proxy.Addr(), &zookeeper.Options{SessionTimeout: time.Minute, Lag: time.Until(end) - more})
	data := []byte(recordOf(t, "host-a", end))
	held, _, err := s.Grant(t.Context(), leasehold.Entry{Path: path}, func(leasehold.Entry) (leasehold.Proposal, error) {
		return leasehold.Proposal{Data: data, Undo: data}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := python.Lock(path, "host-k"); err != nil {
		t.Fatal(err)
	}
	s.BeforeCommit(func() {
		proxy.HoldRequests(true)
		time.AfterFunc(2*more, func() { proxy.HoldRequests(false) })
	})
	ctx, cancel := context.WithTimeout(t.Context(), 5*more)
	defer cancel()
	if _, err := s.Renew(ctx, held, data); err == nil {
		t.Error("got a renewal that counts, committed too late to do without a second look")
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
