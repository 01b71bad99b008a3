package zookeeper_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/zktest"
)

// Many ask for one expired lease at the same moment. Each of them writes once
// at most, and who comes later writes nothing.
func TestHerd(t *testing.T) {
	t.Parallel()
	const n = 50
	server := zktest.Start(t)
	expire(t, zktest.Conn(t, server.Addr()), "/herd", "host-z")
	clients := make([]*leasehold.Client, n)
	for i := range clients {
		clients[i] = client(open(t, server.Addr()), fmt.Sprintf("host-%d", i))
	}
	var granted atomic.Int64
	ask := func() {
		start := make(chan struct{})
		var asking sync.WaitGroup
		for _, c := range clients {
			asking.Go(func() {
				<-start
				_, err := c.TryAcquire(t.Context(), "/herd", time.Hour)
				switch {
				case err == nil:
					granted.Add(1)
				case !errors.Is(err, leasehold.ErrHeld):
					t.Errorf("%s: got error %v, want a lease or ErrHeld", c.Holder, err)
				}
			})
		}
		close(start)
		asking.Wait()
	}

	before := server.Counters(t)
	ask()
	after := server.Counters(t)
	if got := granted.Load(); got != 1 {
		t.Fatalf("%d asked: %d were granted the lease, want 1", n, got)
	}
	if got := after.Zxid - before.Zxid; got > n {
		t.Errorf("%d asked: got %d transactions, want at most one each", n, got)
	}

	now, err := clients[0].Status(t.Context(), "/herd")
	if err != nil {
		t.Fatal(err)
	}
	clients = slices.DeleteFunc(clients, func(c *leasehold.Client) bool { return c.Holder == now.Holder })
	before = server.Counters(t)
	ask()
	after = server.Counters(t)
	if got := after.Packets - before.Packets; got != n-1 {
		t.Errorf("%d come later: got %d requests, want one each", n-1, got)
	}
	if got := after.Zxid - before.Zxid; got != 0 {
		t.Errorf("%d come later: got %d transactions, want none", n-1, got)
	}
}

// What a lease takes that is held: none but its caller's goroutine, and little
// of the heap. Not parallel, because it looks at the whole process.
func TestHeldLeasesTakeLittle(t *testing.T) {
	const n, most = 500, 5 << 10 // bytes; on a busy machine some are of what is under way
	c := client(open(t, zktest.Shared(t).Addr()+freshPath(t)), "host-a")
	leases := make([]*leasehold.Lease, n)
	grant := func(i int) *leasehold.Lease {
		// For so long that nothing is renewed meanwhile.
		l, err := c.TryAcquire(t.Context(), fmt.Sprintf("/jobs/%d", i), time.Hour)
		if err != nil {
			t.Error(err)
			return nil
		}
		if err := l.Renew(t.Context()); err != nil {
			t.Error(err)
		}
		return l
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var callers sync.WaitGroup
	callers.Go(func() { grant(n) }) // the first one makes what they share
	callers.Wait()
	begin := inUse()
	for range n {
		callers.Go(func() { <-ctx.Done() })
	}
	bare := inUse()

	const width = 16
	var granting sync.WaitGroup
	for k := range width {
		granting.Go(func() {
			for i := k; i < n; i += width {
				leases[i] = grant(i)
			}
		})
	}
	granting.Wait()
	if t.Failed() {
		return
	}
	var begun sync.WaitGroup
	begun.Add(n)
	for _, l := range leases {
		callers.Go(func() {
			err := l.Hold(ctx, func(ctx context.Context) error {
				begun.Done()
				<-ctx.Done()
				return nil
			})
			if err != nil {
				t.Errorf("Hold: got error %v, want nil", err)
			}
		})
	}
	begun.Wait()
	held := inUse()
	if got := held.goroutines - bare.goroutines; got > n+n/20 {
		t.Errorf("%d leases: got %d goroutines, want only those of the callers of Hold", n, got)
	}
	got := (held.heap - bare.heap - (bare.heap - begin.heap)) / n
	t.Logf("%d bytes a lease", got)
	if got > most {
		t.Errorf("got %d bytes a lease, want at most %d", got, most)
	}
	stop()
	callers.Wait()
}

// usage is what the process uses.
type usage struct{ heap, goroutines int }

func inUse() usage {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return usage{int(m.HeapAlloc), runtime.NumGoroutine()}
}
