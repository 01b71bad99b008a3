package zookeeper_test

import (
	"errors"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/kazootest"
	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/zookeeper"
)

// The costs of docs/protocol.md, by the server's own counters.
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
	if err := client(s, "c").ReleaseSlots(t.Context(), "/jobs/slots", 10); err != nil {
		t.Fatal(err)
	}
	cost("grant of one of 10 slots", 10+2, 1, slots(b, 10))
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

// Two round trips lie between a release and the next waiter's grant: what is
// read is asked for together, and is all that the transaction needs.
func TestCostOfHandover(t *testing.T) {
	t.Parallel()
	server := zktest.Start(t)
	conn := zktest.Conn(t, server.Addr())
	proxy := zktest.NewProxy(t, server.Addr())
	options := &zookeeper.Options{SessionTimeout: time.Minute} // no pings meanwhile
	holder, waiter := openWith(t, server.Addr(), options), openWith(t, proxy.Addr(), options)
	create(t, conn, "/jobs", "")
	lease := acquire(t, holder, "host-a", "/jobs/x")

	waited := make(chan error, 1)
	before := server.Counters(t)
	go func() {
		_, err := client(waiter, "host-b").Acquire(t.Context(), "/jobs/x", time.Minute)
		waited <- err
	}()
	awaitPackets(t, server, before.Packets+2)
	before = server.Counters(t)
	if err := lease.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-waited; err != nil {
		t.Fatal(err)
	}
	after := server.Counters(t)
	if got := after.Packets - before.Packets; got != 1+3 {
		t.Errorf("got %d requests for a release and the next grant, want 1 and 3", got)
	}
	if got := after.Zxid - before.Zxid; got != 2 {
		t.Errorf("got %d transactions, want 2", got)
	}

	// Without an answer to the first, the second is sent all the same.
	before = server.Counters(t)
	proxy.Mute(true)
	type seen struct {
		entry leasehold.Entry
		err   error
	}
	watched := make(chan seen, 1)
	go func() {
		e, _, err := waiter.Watch(t.Context(), "/jobs/x")
		watched <- seen{e, err}
	}()
	awaitPackets(t, server, before.Packets+2)
	proxy.Mute(false)
	if w := <-watched; w.err != nil || w.entry.Data == nil {
		t.Fatalf("Watch: got %+v, want the record", w)
	}
}

// awaitPackets returns once the server has received want packets.
func awaitPackets(t *testing.T, server *zktest.Server, want int64) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		got := server.Counters(t).Packets
		if got >= want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %d packets, want %d", got, want)
		}
	}
}
