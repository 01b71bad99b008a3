package zookeeper_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
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
		wantCost(t, server, what, requests, transactions, f)
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

	try(a, "/list/held")()
	list := func(want ...string) func() error {
		return func() error {
			statuses, err := a.List(t.Context(), "/list")
			var got []string
			for _, s := range statuses {
				got = append(got, s.Path)
			}
			if !slices.Equal(got, want) {
				t.Errorf("got the list %q, want %q", got, want)
			}
			return err
		}
	}
	cost("list of a lease and the node above", 2+1, 0, list("/list/held"))
	if err := a.Pause(t.Context(), "/list/paused", "ann", "a test"); err != nil {
		t.Fatal(err)
	}
	create(t, conn, "/list/theirs", "another program's")
	create(t, conn, "/list/theirs/long", strings.Repeat("x", 64<<10))
	cost("list of a lease, a run log, and others' data", 5+1+2+2, 0, list("/list/held", "/list/paused"))
}

// wantCost fails t unless f makes so many requests and commits so many transactions.
func wantCost(t *testing.T, server *zktest.Server, what string, requests, transactions int64, f func() error) {
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
	proxy.DropReplies(true)
	began := time.Now()
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
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("got the second packet after %s, want it before any ping", took)
	}
	proxy.DropReplies(false)
	if w := <-watched; w.err != nil || w.entry.Data == nil {
		t.Fatalf("Watch: got %+v, want the record", w)
	}
}

// The costs of docs/protocol.md that have to do with the run log.
func TestCostsOfTheLog(t *testing.T) {
	t.Parallel()
	server := zktest.Start(t)
	conn := zktest.Conn(t, server.Addr())
	python := kazootest.Start(t, server.Addr())
	s := open(t, server.Addr())
	create(t, conn, "/jobs", "")
	acquire(t, s, "host-a", "/jobs/any") // so that the parent is known
	cost := func(what string, requests, transactions int64, f func() error) {
		t.Helper()
		wantCost(t, server, what, requests, transactions, f)
	}
	var held leasehold.Entry
	grant := func(path, line string) func() error {
		return func() (err error) {
			held, _, err = s.Grant(t.Context(), leasehold.Entry{Path: path}, enter(t, "host-a", line))
			return err
		}
	}
	released := []byte(recordOf(t, "host-a", time.Unix(0, 0)))
	release := func(line string) func() error {
		return func() error { return s.Release(t.Context(), held, released, add(line)) }
	}

	cost("grant on a new path", 3, 1, grant("/jobs/one", "1"))
	cost("release", 1, 1, release("2"))
	cost("grant", 4, 1, grant("/jobs/one", "3"))
	cost("renew", 1, 1, func() (err error) {
		held, err = s.Renew(t.Context(), held, held.Data)
		return err
	})
	cost("release after a renewal", 1, 1, release("4"))
	cost("grant where the log is empty", 4, 1, grant("/jobs/any", "1"))
	cost("edit", 2, 1, func() error { return s.EditLog(t.Context(), "/jobs/any", add("2")) })
	cost("edit that changes nothing", 1, 0, func() error { return s.EditLog(t.Context(), "/jobs/any", add("2")) })
	cost("edit on a new path", 2, 1, func() error { return s.EditLog(t.Context(), "/jobs/new", add("1")) })
	cost("edit on a new path below two that don't exist", 2+2, 1, func() error { return s.EditLog(t.Context(), "/a/b/c", add("1")) })
	cost("release after an edit", 1+2, 1+1, release("3")) // one fails
	wantLog(t, conn, "/jobs/one", "1", "2", "3", "4")
	wantLog(t, conn, "/jobs/any", "1", "2", "3")
	wantLog(t, conn, "/a/b/c", "1")

	if err := grant("/jobs/one", "5")(); err != nil {
		t.Fatal(err)
	}
	cost("release by another process", 1+3, 1, func() error {
		e, err := s.Read(t.Context(), "/jobs/one")
		if err == nil {
			err = s.Release(t.Context(), e, released, add("6"))
		}
		return err
	})
	readAndGrant := func(path, line string) func() error {
		return func() error {
			e, err := s.Read(t.Context(), path)
			if err == nil {
				e, err = s.ReadLog(t.Context(), e)
			}
			if err == nil {
				_, _, err = s.Grant(t.Context(), e, enter(t, "host-a", line))
			}
			return err
		}
	}
	cost("grant that begins with what was read", 4, 1, readAndGrant("/jobs/one", "7"))
	cost("grant on a new path that begins with what was read", 4, 1, readAndGrant("/jobs/two", "1"))
	cost("denied by the log", 3, 0, func() error {
		denied := errors.New("denied")
		_, _, err := s.Grant(t.Context(), leasehold.Entry{Path: "/jobs/one"}, func(old leasehold.Entry) (leasehold.Proposal, error) {
			if old.Log == nil {
				return leasehold.Proposal{}, leasehold.ErrNeedsLog
			}
			return leasehold.Proposal{}, denied
		})
		if err == denied {
			return nil
		}
		return fmt.Errorf("not denied: %w", err)
	})
	wantLog(t, conn, "/jobs/one", "1", "2", "3", "4", "5", "6", "7")

	if ok, err := python.Lease("/jobs/python", "host-p", time.Second, time.Now().Add(-time.Hour)); err != nil || !ok {
		t.Fatalf("kazoo's grant: got %v, %v", ok, err)
	}
	edit(t, s, "/jobs/python", "1")
	cost("grant after kazoo", 5, 1, grant("/jobs/python", "2"))

	watched := func(path, line string) func() error {
		return func() error {
			e, _, err := s.Watch(t.Context(), path)
			if err == nil {
				_, _, err = s.Grant(t.Context(), e, enter(t, "host-a", line))
			}
			return err
		}
	}
	cost("grant to who has waited", 4, 1, watched("/jobs/one", "8"))
	acquire(t, s, "host-a", "/jobs/empty")
	cost("grant to who has waited, with an empty log", 3, 1, watched("/jobs/empty", "1"))

	create(t, conn, "/jobs/one"+lockNode+"0000000099", "") // behind us, whoever it is
	cost("grant through the queue", 7, 2, grant("/jobs/one", "9"))
	wantLog(t, conn, "/jobs/one", "1", "2", "3", "4", "5", "6", "7", "8", "9")
}

// The log and the children are asked for together: both requests arrive though
// neither is answered.
func TestRoundTripsOfTheLog(t *testing.T) {
	t.Parallel()
	server := zktest.Start(t)
	proxy := zktest.NewProxy(t, server.Addr())
	acquire(t, open(t, server.Addr()), "host-a", "/x")
	s := open(t, proxy.Addr())
	before := server.Counters(t).Packets
	granted := make(chan error, 1)
	var once sync.Once
	go func() {
		propose := enter(t, "host-a", "1")
		_, _, err := s.Grant(t.Context(), leasehold.Entry{Path: "/x"}, func(old leasehold.Entry) (leasehold.Proposal, error) {
			once.Do(func() { proxy.DropReplies(true) })
			return propose(old)
		})
		granted <- err
	}()
	began := time.Now()
	awaitPackets(t, server, before+1+2)
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("got the third packet after %s, want it before any ping", took)
	}
	proxy.DropReplies(false)
	if err := <-granted; err != nil {
		t.Error(err)
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
