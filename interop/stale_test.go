package interop_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/zookeeper"
)

// A usurpation is how a lease of "me" at path comes to be another's without
// its Lease knowing. It happens an hour later by everybody's clock but the
// Lease's.
type usurpation struct {
	name  string
	by    func(u *usurpers, t *testing.T, path string)
	after string // the holder in the record afterwards; "" means there is none
}

type usurpers struct {
	*lab
	me, other *leasehold.Client // processes of their own
	now       time.Time
}

const leaseTime = time.Minute

var usurpations = []usurpation{
	{"kazoo takes over", (*usurpers).kazooTakes, "kazoo"},
	{"Go takes over", (*usurpers).goTakes, "other"},
	{"the same holder acquires anew", func(u *usurpers, t *testing.T, path string) { u.grant(t, u.me, path) }, "me"},
	{"kazoo renews for the same holder", func(u *usurpers, t *testing.T, path string) { u.kazoo(t, path, "me") }, "me"},
	{"released and granted to Go", func(u *usurpers, t *testing.T, path string) {
		u.release(t, path)
		u.goTakes(t, path)
	}, "other"},
	{"released and granted to kazoo", func(u *usurpers, t *testing.T, path string) {
		u.release(t, path)
		u.kazooTakes(t, path)
	}, "kazoo"},
	{"released and granted to the same holder", func(u *usurpers, t *testing.T, path string) {
		u.release(t, path)
		u.grant(t, u.me, path)
	}, "me"},
	{"path removed", (*usurpers).remove, ""},
	{"path removed, made again by Go", func(u *usurpers, t *testing.T, path string) {
		u.remove(t, path)
		u.goTakes(t, path)
	}, "other"},
	{"path removed, made again by kazoo", func(u *usurpers, t *testing.T, path string) {
		u.remove(t, path)
		u.kazooTakes(t, path)
	}, "kazoo"},
	{"path removed, made again by the same holder", func(u *usurpers, t *testing.T, path string) {
		u.remove(t, path)
		u.grant(t, u.me, path)
	}, "me"},
}

func (u *usurpers) grant(t *testing.T, c *leasehold.Client, path string) *leasehold.Lease {
	t.Helper()
	lease, err := c.TryAcquire(t.Context(), path, leaseTime)
	if err != nil {
		t.Fatal(err)
	}
	return lease
}

// goTakes renews as often as the stale lease was, which makes the versions of
// their records equal.
func (u *usurpers) goTakes(t *testing.T, path string) {
	t.Helper()
	renew(t, u.grant(t, u.other, path))
}

func (u *usurpers) kazooTakes(t *testing.T, path string) {
	t.Helper()
	u.kazoo(t, path, "kazoo")
}

func (u *usurpers) kazoo(t *testing.T, path, holder string) {
	t.Helper()
	if ok, err := u.peer.Lease(path, holder, leaseTime, u.now); !ok || err != nil {
		t.Fatalf("kazoo for %s: got %v and error %v, want the lease", holder, ok, err)
	}
}

// release is by another process of the same holder, who still sees the lease
// held.
func (u *usurpers) release(t *testing.T, path string) {
	t.Helper()
	early := *u.me
	early.Now = func() time.Time { return u.now.Add(-time.Hour) }
	if err := early.Release(t.Context(), path); err != nil {
		t.Fatal(err)
	}
}

func (u *usurpers) remove(t *testing.T, path string) {
	t.Helper()
	if err := u.peer.DeleteTree(path); err != nil {
		t.Fatal(err)
	}
}

func renew(t *testing.T, lease *leasehold.Lease) {
	t.Helper()
	if err := lease.Renew(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestStaleLease renews or releases a lease that is another's by now: by a
// request sent too late, and by one that was under way all the time. Neither
// may change a byte.
func TestStaleLease(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for _, way := range []string{"sent late", "arrives late"} {
		for _, u := range usurpations {
			for name, call := range map[string]func(*leasehold.Lease, context.Context) error{
				"Renew": (*leasehold.Lease).Renew, "Release": (*leasehold.Lease).Release,
			} {
				t.Run(fmt.Sprintf("%s/%s/%s", way, u.name, name), func(t *testing.T) {
					t.Parallel()
					if way == "sent late" {
						sentLate(t, l, u, call)
					} else {
						arrivesLate(t, l, u, call)
					}
				})
			}
		}
	}
}

func newUsurpers(t *testing.T, l *lab, start time.Time) *usurpers {
	t.Helper()
	now := start.Add(time.Hour)
	clock := func() time.Time { return now }
	return &usurpers{lab: l, now: now, me: goHost(t, "me", clock, ""), other: goHost(t, "other", clock, "")}
}

func sentLate(t *testing.T, l *lab, u usurpation, call func(*leasehold.Lease, context.Context) error) {
	start := time.Now()
	path := freshPath(t)
	stale := acquire(t, goHost(t, "me", func() time.Time { return start }, ""), path)
	others := newUsurpers(t, l, start)
	u.by(others, t, path)
	before := l.nodes(t, path)

	wantLost(t, call(stale, t.Context()))
	l.wantAfter(t, u, path, others.now, before)
	if got := stale.Remaining(); got != 0 {
		t.Errorf("got %v remaining of a lost lease, want 0", got)
	}
}

func arrivesLate(t *testing.T, l *lab, u usurpation, call func(*leasehold.Lease, context.Context) error) {
	start := time.Now()
	path := freshPath(t)
	proxy := zktest.NewProxy(t, zktest.Shared(t).Addr())
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	store, err := zookeeper.Open(ctx, "zk://"+proxy.Addr(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	me := &leasehold.Client{Store: store, Holder: "me", Now: func() time.Time { return start }}
	stale := acquire(t, me, path)
	others := newUsurpers(t, l, start)

	proxy.HoldRequests(true)
	done := make(chan error, 1)
	go func() { done <- call(stale, ctx) }()
	<-proxy.Held()
	u.by(others, t, path)
	before := l.nodes(t, path)
	proxy.HoldRequests(false)

	wantLost(t, <-done)
	l.wantAfter(t, u, path, others.now, before)
}

// acquire also renews once, as usurpers do.
func acquire(t *testing.T, c *leasehold.Client, path string) *leasehold.Lease {
	t.Helper()
	lease, err := c.TryAcquire(t.Context(), path, leaseTime)
	if err != nil {
		t.Fatal(err)
	}
	renew(t, lease)
	return lease
}

func wantLost(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, leasehold.ErrLost) {
		t.Errorf("got error %v, want ErrLost", err)
	}
}

// nodes describes the path and all below it: names, data and modifications.
func (l *lab) nodes(t *testing.T, path string) []string {
	t.Helper()
	there, _, err := l.conn.Exists(path)
	if err != nil {
		t.Fatal(err)
	}
	if !there {
		return nil
	}
	names, stat, err := l.conn.Children(path)
	if err != nil {
		t.Fatal(err)
	}
	nodes := []string{fmt.Sprintf("%s cversion=%d", path, stat.Cversion)}
	slices.Sort(names)
	for _, name := range names {
		data, stat, err := l.conn.Get(path + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, fmt.Sprintf("%s %s mzxid=%d", name, data, stat.Mzxid))
	}
	return nodes
}

// wantAfter fails the test unless the usurper has its lease, and nothing has
// changed since before.
func (l *lab) wantAfter(t *testing.T, u usurpation, path string, now time.Time, before []string) {
	t.Helper()
	if got := l.nodes(t, path); !slices.Equal(got, before) {
		t.Errorf("got the nodes %q, want them unchanged: %q", got, before)
	}
	if u.after != "" {
		l.wantRecord(t, path, marshal(t, u.after, now, leaseTime))
	}
}
