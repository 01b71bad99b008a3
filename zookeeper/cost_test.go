package zookeeper_test

import (
	"errors"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/kazootest"
	"leasehold.example/leasehold/internal/zktest"
)

// The costs of DESIGN.md, section 4, by the server's own counters.
func TestCosts(t *testing.T) {
	t.Parallel()
	server := zktest.Start(t)
	conn := zktest.Conn(t, server.Addr())
	python := kazootest.Start(t, server.Addr())
	s := open(t, server.Addr())
	a, b := client(s, "host-a"), client(s, "host-b")
	create(t, conn, "/jobs", "")

	cost := func(what string, requests, transactions int64, f func() error) {
		t.Helper()
		before := server.Counters(t)
		err := f()
		after := server.Counters(t)
		if err != nil {
			t.Errorf("%s: got error %v", what, err)
		}
		if got := after.Packets - before.Packets; got != requests {
			t.Errorf("%s: got %d requests, want %d", what, got, requests)
		}
		if got := after.Zxid - before.Zxid; got != transactions {
			t.Errorf("%s: got %d transactions, want %d", what, got, transactions)
		}
	}
	var lease *leasehold.Lease
	try := func(c *leasehold.Client, path string) func() error {
		return func() error {
			granted, err := c.TryAcquire(t.Context(), path, time.Minute)
			if err == nil {
				lease = granted
			}
			return err
		}
	}
	denied := func(f func() error) func() error {
		return func() error {
			if err := f(); !errors.Is(err, leasehold.ErrHeld) {
				return errors.Join(errors.New("not denied"), err)
			}
			return nil
		}
	}

	cost("grant on a new path below the root", 3, 1, try(a, "/top"))
	cost("grant on a new path below one that exists", 4, 1, try(a, "/jobs/one"))
	cost("grant on another new path below the same", 3, 1, try(a, "/jobs/other"))
	cost("grant on a new path below two that don't", 3+2, 1, try(a, "/new/below/it"))
	cost("grant on another new path below them", 3, 1, try(a, "/new/below/other"))
	cost("grant to the same holder", 3, 1, try(a, "/jobs/one"))
	cost("deny", 1, 0, denied(try(b, "/jobs/one")))
	cost("renew", 1, 1, func() error { return lease.Renew(t.Context()) })
	cost("grant after a renewal", 3, 1, try(a, "/jobs/one"))
	cost("release", 1, 1, func() error { return lease.Release(t.Context()) })
	cost("grant after a release", 3, 1, try(b, "/jobs/one"))
	cost("release by another process", 3, 1, func() error { return b.Release(t.Context(), "/jobs/one") })
	try(b, "/jobs/one")()
	cost("forced release", 3, 1, func() error { return a.ForceRelease(t.Context(), "/jobs/one", lease.Token()) })
	cost("release of a free lease", 1, 0, func() error { return a.Release(t.Context(), "/jobs/one") })

	if ok, err := python.Lease("/jobs/python", "host-p", time.Second, time.Now().Add(-time.Hour)); err != nil || !ok {
		t.Fatalf("kazoo's grant: got %v, %v", ok, err)
	}
	cost("grant after kazoo", 4, 1, try(a, "/jobs/python"))

	slots := func(c *leasehold.Client, n int) func() error {
		return func() error {
			_, err := c.TryAcquireSlot(t.Context(), "/jobs/slots", n, time.Minute)
			return err
		}
	}
	for i := range 10 {
		if err := slots(client(s, string(rune('a'+i))), 10)(); err != nil {
			t.Fatal(err)
		}
	}
	cost("deny on 10 slots", 10, 0, denied(slots(b, 10)))
	cost("status", 1, 0, func() error {
		_, err := a.Status(t.Context(), "/jobs/python")
		return err
	})
}

// Somebody queued: kazoo's lock is held, then given up.
func TestCostOfQueueing(t *testing.T) {
	t.Parallel()
	server := zktest.Start(t)
	conn := zktest.Conn(t, server.Addr())
	expire(t, conn, "/queue", "host-p")
	create(t, conn, "/queue/0123456789abcdef0123456789abcdef__lock__0000000099", "") // behind us, whoever it is
	s := open(t, server.Addr())
	before := server.Counters(t)
	acquire(t, s, "host-a", "/queue")
	after := server.Counters(t)
	if got := after.Packets - before.Packets; got != 6 {
		t.Errorf("got %d requests, want 6", got)
	}
	if got := after.Zxid - before.Zxid; got != 2 {
		t.Errorf("got %d transactions, want 2", got)
	}
}
