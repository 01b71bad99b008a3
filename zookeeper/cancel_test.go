package zookeeper_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/zookeeper"
)

// TestCancel cancels every call at every point, whatever the server does. The
// call returns soon. Once the server is back there is no lock node, no
// goroutine and no connection left of it, nor a lease that nobody knows of.
func TestCancel(t *testing.T) { // not in parallel: all new goroutines are its own
	shared := zktest.Shared(t) // which stays
	before := goleak.IgnoreCurrent()
	t.Run("calls", func(t *testing.T) {
		stopped, down := zktest.Start(t), zktest.Start(t)
		muted, cut := zktest.NewProxy(t, shared.Addr()), zktest.NewProxy(t, shared.Addr())
		scene := newCancelScene(t, shared, stopped, down)

		var parts sync.WaitGroup
		turns := make(chan struct{}, 8) // more at once would keep each other from being prompt
		for _, c := range cancelledCalls {
			for _, answered := range []bool{false, true} {
				parts.Go(func() {
					turns <- struct{}{}
					defer func() { <-turns }()
					scene.atEveryRequest(c, shared, answered)
				})
			}
		}
		for _, trouble := range []*trouble{
			{"healthy", shared, shared.Addr(), func() {}, func() {}},
			{"stopped", stopped, stopped.Addr(), stopped.Pause, stopped.Resume},
			{"down", down, down.Addr(), down.Kill, func() { down.Restart(t) }},
			{"mute", shared, muted.Addr(), func() { muted.Mute(true) }, func() { muted.Mute(false) }},
			{"cut off", shared, cut.Addr(), cut.Cut, cut.Restore},
		} {
			parts.Go(func() { scene.during(trouble) })
		}
		parts.Wait()
		t.Logf("%d calls; the slowest returned %s after its context had ended", len(scene.sites), scene.slowest.Round(time.Millisecond))

		scene.wantNoDebris()
		// The stores are still open, which takes a goroutine each, and so are
		// the test's own connections.
		wantNoGoroutine(t, before,
			goleak.IgnoreAnyFunction("leasehold.example/leasehold/zookeeper/internal/zk.(*Session).run"),
			goleak.IgnoreAnyFunction("github.com/go-zookeeper/zk.(*Conn).loop"),
			goleak.IgnoreAnyFunction("github.com/go-zookeeper/zk.(*Conn).sendLoop"),
			goleak.IgnoreAnyFunction("github.com/go-zookeeper/zk.(*Conn).recvLoop"),
			goleak.IgnoreAnyFunction("leasehold.example/leasehold/internal/zktest.(*Proxy).accept"),
			goleak.IgnoreAnyFunction("leasehold.example/leasehold/internal/zktest.(*link).copy"),
			goleak.IgnoreAnyFunction("leasehold.example/leasehold/internal/zktest/child.Start.func1"),
		)
		scene.closeStores()
		scene.wantNoConnections()
	})
	wantNoGoroutine(t, before)
}

func wantNoGoroutine(t *testing.T, ignored ...goleak.Option) {
	t.Helper()
	eventually(t, func() error { return goleak.Find(ignored...) })
}

// eventually fails the test unless f returns nil before long.
func eventually(t *testing.T, f func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if err = f(); err == nil {
			return
		}
	}
	t.Error(err)
}

// A site is where one call is made.
type site struct {
	server   *zktest.Server
	addr     string // of the server, or of a proxy before it
	store    *zookeeper.Store
	path     string           // that no other call uses
	lease    *leasehold.Lease // of host-a, if the call is about one
	lockNode string           // another's that stands there, ""
	unheld   string           // the call by which asker has no lease there, "" if it may have
}

// asker is the holder for which calls ask for leases.
const asker = "asker"

func tryAcquire(ctx context.Context, at *site) error {
	_, err := client(at.store, asker).TryAcquire(ctx, at.path, time.Hour)
	return err
}

// A cancelledCall is a call on a Store that ends by itself, or doesn't.
type cancelledCall struct {
	name     string
	options  string // of the store's URL
	requests int    // that it makes at least
	prepare  func(s *cancelScene, at *site)
	do       func(ctx context.Context, at *site) error
}

var cancelledCalls = []cancelledCall{
	{"read", "", 1, held, func(ctx context.Context, at *site) error {
		_, err := at.store.Read(ctx, at.path)
		return err
	}},
	{"watch", "", 1, held, func(ctx context.Context, at *site) error {
		_, _, err := at.store.Watch(ctx, at.path)
		return err
	}},
	{"list", "", 1, held, func(ctx context.Context, at *site) error {
		_, err := at.store.List(ctx, at.path)
		return err
	}},
	{"grant", "", 3, expired, tryAcquire},
	{"grant at a new path", "", 3, nothing, tryAcquire},
	{"grant through the queue", "?guard=off", 5, expired, tryAcquire},
	{"queue", "", 6, locked, tryAcquire},
	{"renew", "", 2, held, func(ctx context.Context, at *site) error { return at.lease.Renew(ctx) }},
	{"release", "", 3, held, func(ctx context.Context, at *site) error {
		return client(at.store, "host-a").Release(ctx, at.path)
	}},
	{"acquire", "", 2, held, func(ctx context.Context, at *site) error {
		_, err := client(at.store, asker).Acquire(ctx, at.path, time.Hour)
		return err
	}},
	{"hold", "", 1, heldForSeconds, func(ctx context.Context, at *site) error {
		return at.lease.Hold(ctx, func(ctx context.Context) error {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(2 * time.Second): // in which it is renewed
				return nil
			}
		})
	}},
	{"open", "", 1, nothing, func(ctx context.Context, at *site) error {
		s, err := zookeeper.Open(ctx, "zk://"+at.addr, hurried)
		if err == nil {
			go s.Close()
		}
		return err
	}},
}

func nothing(*cancelScene, *site) {}

func held(s *cancelScene, at *site) {
	at.lease = acquire(s.t, at.store, "host-a", at.path)
}

func heldForSeconds(s *cancelScene, at *site) {
	c := &leasehold.Client{Store: at.store, Holder: "host-a", MaxClockSkew: 500 * time.Millisecond, Grace: time.Millisecond}
	eventually(s.t, func() (err error) { // on a busy machine it may be over before it begins
		at.lease, err = c.TryAcquire(s.t.Context(), at.path, 3*time.Second)
		return err
	})
}

func expired(s *cancelScene, at *site) { expire(s.t, s.conns[at.server], at.path, "host-p") }

func locked(s *cancelScene, at *site) {
	expired(s, at)
	at.lockNode = at.path + lockNode + "0000000000"
	create(s.t, s.conns[at.server], at.lockNode, "")
}
