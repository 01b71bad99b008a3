package zookeeper_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/kazootest"
	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/runlog"
)

// tickSkew is by how much a record must be older than a tick to be from before it.
const tickSkew = 20 * time.Millisecond

// ticks returns a schedule that is due at these times.
func ticks(attempts int, times ...time.Time) leasehold.Schedule {
	return leasehold.Schedule{
		Name: "test", Timezone: "UTC", Attempts: attempts, RetryAfter: time.Millisecond,
		Ticks: func(t time.Time) (due, next time.Time, ok bool) {
			for i, next := range times[1:] {
				if t.Before(next) {
					return times[i], next, true
				}
			}
			return due, next, false
		},
	}
}

// dueNow returns a schedule with a tick that is due now: whatever was written
// until now is from before it.
func dueNow(attempts int) leasehold.Schedule {
	time.Sleep(3 * tickSkew)
	due := time.Now()
	return ticks(attempts, due, due.Add(time.Hour), due.Add(2*time.Hour))
}

// tickCosts counts what ticks cost.
type tickCosts struct {
	*testing.T
	server *zktest.Server
	s      leasehold.Store
	lease  *leasehold.Lease // the newest
}

func newTickCosts(t *testing.T, address string, server *zktest.Server) *tickCosts {
	s := open(t, address)
	create(t, zktest.Conn(t, server.Addr()), "/jobs", "")
	if err := acquire(t, s, "host-a", "/jobs/any").Release(t.Context()); err != nil { // so that the parent is known
		t.Fatal(err)
	}
	return &tickCosts{T: t, server: server, s: s}
}

// client returns a client whose clock is ahead. It has one because that spares it
// to measure the store's, which a slow reply makes another request.
func (c *tickCosts) client(holder string, ahead time.Duration) *leasehold.Client {
	return &leasehold.Client{
		Store: c.s, Holder: holder, MaxClockSkew: tickSkew,
		Now: func() time.Time { return time.Now().Add(ahead) },
	}
}

func (c *tickCosts) cost(what string, requests, transactions int64, f func() error) {
	c.Helper()
	wantCost(c.T, c.server, what, requests, transactions, f)
}

// grants returns what acquires a tick.
func (c *tickCosts) grants(client *leasehold.Client, path string, s leasehold.Schedule) func() error {
	return func() (err error) {
		c.lease, err = client.TryAcquireTick(c.Context(), path, s, time.Minute)
		return err
	}
}

// denies returns what is denied a tick: with the verdict want, or "record" where
// the record is enough.
func (c *tickCosts) denies(client *leasehold.Client, path string, s leasehold.Schedule, want string) func() error {
	return func() error {
		_, err := client.TryAcquireTick(c.Context(), path, s, time.Minute)
		var denial *leasehold.TickError
		var held *leasehold.HeldError
		switch {
		case errors.As(err, &held) && want == "record":
			return nil
		case errors.As(err, &denial) && denial.Verdict.String() == want:
			return nil
		}
		return fmt.Errorf("got %w, want a denial by %q", err, want)
	}
}

func (c *tickCosts) finishes(r runlog.Result) func() error {
	return func() error { return c.lease.Finish(c.Context(), leasehold.Outcome{Result: r}) }
}

// The costs of docs/protocol.md that have to do with ticks.
func TestCostsOfTicks(t *testing.T) {
	t.Parallel()
	server := zktest.Start(t)
	conn := zktest.Conn(t, server.Addr())
	python := kazootest.Start(t, server.Addr())
	c := newTickCosts(t, server.Addr(), server)
	a, b := c.client("host-a", 0), c.client("host-b", 0)

	s := dueNow(2)
	c.cost("grant on a new path", 3, 1, c.grants(a, "/jobs/one", s))
	c.cost("deny while another runs it", 1, 0, c.denies(b, "/jobs/one", s, "record"))
	c.cost("deny while this holder runs it", 2, 0, c.denies(a, "/jobs/one", s, "running"))
	c.cost("renew", 1, 1, func() error { return c.lease.Renew(t.Context()) })
	c.cost("finish with an attempt left", 1, 1, c.finishes(runlog.Failure))
	time.Sleep(5 * time.Millisecond) // RetryAfter
	c.cost("grant of the second attempt", 4, 1, c.grants(b, "/jobs/one", s))
	c.cost("finish for good", 1, 1, c.finishes(runlog.Success))
	c.cost("deny to another once it is done", 1, 0, c.denies(a, "/jobs/one", s, "record"))
	c.cost("deny to the same holder once it is done", 2, 0, c.denies(b, "/jobs/one", s, "done"))
	c.cost("grant of the next tick", 4, 1, c.grants(c.client("host-a", time.Hour), "/jobs/one", s))

	s = dueNow(1)
	c.cost("grant where the log is empty", 4, 1, c.grants(b, "/jobs/any", s))
	c.cost("deny after a death, without an attempt left", 2, 0, c.denies(c.client("host-a", 90*time.Second), "/jobs/any", s, "spent"))
	next := dueNow(1)
	c.cost("deny while another still runs the last tick", 1, 0, c.denies(a, "/jobs/any", next, "record"))
	c.cost("deny while this holder still runs the last tick", 2, 0, c.denies(b, "/jobs/any", next, "running"))
	c.cost("grant of the next tick after a death", 4, 1, c.grants(c.client("host-a", 90*time.Second), "/jobs/any", next))

	lease := func(path string) { // it has ended long ago
		t.Helper()
		if ok, err := python.Lease(path, "host-p", time.Second, time.Now().Add(-time.Hour)); err != nil || !ok {
			t.Fatalf("kazoo's grant: got %v, %v", ok, err)
		}
	}
	lease("/jobs/python")
	c.cost("grant after kazoo", 5, 1, c.grants(a, "/jobs/python", dueNow(1)))
	once, twice := dueNow(1), dueNow(2)
	lease("/jobs/now")
	c.cost("deny after kazoo's run of the tick", 2, 0, c.denies(a, "/jobs/now", once, "spent"))
	c.cost("grant after kazoo's run of the tick", 5, 1, c.grants(a, "/jobs/now", twice))

	s = dueNow(1)
	create(t, conn, "/jobs/any"+lockNode+"0000000099", "") // behind us, whoever it is
	c.cost("grant through the queue", 7, 2, c.grants(c.client("host-a", 10*time.Minute), "/jobs/any", s))
	c.cost("grant on a new path below two that don't exist", 3+2, 1, c.grants(a, "/new/below/it", s))
}

// What is denied by the log alone, though nobody has had the lease since the tick
// was due.
func TestCostsOfDenialsByTheLog(t *testing.T) {
	t.Parallel()
	server := zktest.Start(t)
	c := newTickCosts(t, server.Addr(), server)
	a := c.client("host-a", 0)
	due := time.Now().Add(-10 * time.Minute)
	old := ticks(1, due, due.Add(time.Hour), due.Add(2*time.Hour))
	c.cost("deny what is not caught up on, and note it", 2+2, 1, c.denies(a, "/jobs/any", old, "too old"))
	c.cost("deny what is not caught up on", 2, 0, c.denies(a, "/jobs/any", old, "too old"))
	c.cost("pause", 2, 1, func() error { return a.Pause(t.Context(), "/jobs/any", "alice", "a migration") })
	c.cost("deny while it is paused", 3, 0, c.denies(a, "/jobs/any", dueNow(1), "paused"))
}

// A client that may wait watches the record and the children before it asks.
func TestCostsOfTicksWithWaiting(t *testing.T) {
	t.Parallel()
	server := zktest.Start(t)
	c := newTickCosts(t, server.Addr(), server)
	acquire := func(path string, s leasehold.Schedule) func() error {
		return func() (err error) {
			c.lease, err = c.client("host-a", 0).AcquireTick(t.Context(), path, s, time.Minute)
			return err
		}
	}
	c.cost("grant where the log is empty", 3, 1, acquire("/jobs/any", dueNow(1)))
	c.cost("plain grant on a new path", 5, 1, func() error {
		_, err := c.client("host-a", 0).Acquire(t.Context(), "/jobs/plain", time.Minute)
		return err
	})
	c.cost("grant on a new path", 5, 1, acquire("/jobs/one", dueNow(2)))
	c.cost("finish", 1, 1, c.finishes(runlog.Failure))
	c.cost("grant", 4, 1, acquire("/jobs/one", dueNow(1)))
}

// Who asks in the last moments before the next tick is denied the last one, and
// waits for the next.
func TestCostOfTheLastMoments(t *testing.T) {
	t.Parallel()
	server := zktest.Start(t)
	c := newTickCosts(t, server.Addr(), server)
	const skew = 2 * time.Second
	client := func(holder string, ahead time.Duration) *leasehold.Client {
		client := c.client(holder, ahead)
		client.MaxClockSkew = skew
		return client
	}
	due := time.Now()
	s := ticks(1, due, due.Add(time.Hour), due.Add(2*time.Hour))
	if err := errors.Join(c.grants(client("host-a", 0), "/jobs/one", s)(), c.finishes(runlog.Success)()); err != nil {
		t.Fatal(err)
	}
	soon := client("host-b", time.Until(due.Add(time.Hour))-skew)
	c.cost("deny in the last moments, and grant", 2+4, 1, c.grants(soon, "/jobs/one", s))
	if got, want := c.lease.Tick(), due.Add(time.Hour); !got.Equal(want) {
		t.Errorf("got the tick %s, want %s", got, want)
	}
}

// A grant of a tick is three round trips: the log and the children are asked for
// together, so that both requests arrive though neither is answered.
func TestRoundTripsOfATick(t *testing.T) {
	t.Parallel()
	server := zktest.Start(t)
	proxy := zktest.NewProxy(t, server.Addr())
	c := newTickCosts(t, proxy.Addr(), server)
	s := dueNow(1)
	around := s.Ticks
	s.Ticks = func(at time.Time) (due, next time.Time, ok bool) { // it is asked once the record was read
		proxy.DropReplies(true)
		return around(at)
	}
	before := server.Counters(t).Packets
	granted := make(chan error, 1)
	go func() { granted <- c.grants(c.client("host-a", 0), "/jobs/any", s)() }()
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

// What the run log costs a plain lease.
func TestCostsOfPlainRuns(t *testing.T) {
	t.Parallel()
	server := zktest.Start(t)
	c := newTickCosts(t, server.Addr(), server)
	logs, other := c.client("host-a", 0), c.client("host-b", 0)
	logs.RunLog, other.RunLog = true, true
	grant := func(path string) func() error {
		return func() (err error) {
			c.lease, err = logs.TryAcquire(t.Context(), path, time.Minute)
			return err
		}
	}
	c.cost("grant on a new path", 3, 1, grant("/jobs/one"))
	c.cost("deny", 1, 0, func() error {
		if _, err := other.TryAcquire(t.Context(), "/jobs/one", time.Minute); !errors.Is(err, leasehold.ErrHeld) {
			return fmt.Errorf("not denied: %w", err)
		}
		return nil
	})
	c.cost("renew", 1, 1, func() error { return c.lease.Renew(t.Context()) })
	c.cost("finish", 2, 1, c.finishes(runlog.Success))
	c.cost("grant", 4, 1, grant("/jobs/one"))
	c.cost("finish", 2, 1, c.finishes(runlog.Success))
	c.cost("release", 1, 1, func() error { return c.lease.Release(t.Context()) })
}
