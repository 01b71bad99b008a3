package zookeeper_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/zktest"
)

// Servers before 3.6, and other servers, may not know such a watch.
func TestFollowWithoutWatch(t *testing.T) {
	t.Parallel()
	old := zktest.StartFake(t, zktest.AnswerRequests(func(r zktest.Request) []byte { return zktest.Reply(r, -6) }))
	err := open(t, old.Address()).Follow(t.Context(), "/", func(leasehold.News) {})
	if err == nil || !strings.Contains(err.Error(), "ZooKeeper 3.6") {
		t.Errorf("got error %v, want one that names ZooKeeper 3.6", err)
	}
}

// What may not be read is told with the reason, all else as ever; and once it may be
// read, which the server tells nobody, it is read.
func TestFollowWithoutPermission(t *testing.T) {
	t.Parallel()
	server := zktest.Start(t)
	conn := zktest.Conn(t, server.Addr())
	s := open(t, server.Addr())
	s.RetryUnread(200 * time.Millisecond)
	setACL := func(path string, acl []zk.ACL) {
		t.Helper()
		if _, err := conn.SetACL(path, acl, -1); err != nil {
			t.Fatal(err)
		}
	}
	closed, opened := zk.DigestACL(zk.PermAll, "u", "p"), zk.WorldACL(zk.PermAll)
	if err := conn.AddAuth("digest", []byte("u:p")); err != nil {
		t.Fatal(err)
	}
	paths := []string{"/node", "/node/below", "/open", "/record", "/tree/below"}
	for _, path := range paths {
		acquire(t, s, "host-a", path)
	}
	nodes := []string{"/node", "/record/lease_holder", "/tree"}
	for _, node := range nodes {
		setACL(node, closed)
	}
	p := follow(t, s, "/")
	refuses := func(what string) string {
		return fmt.Sprintf("permission denied: ZooKeeper refuses to %s for nobody", what)
	}
	p.want("all",
		`/node host-a run log of "/node": `+refuses(`read "/node"`)+"; the right READ is missing",
		"/open host-a",
		"/record "+refuses(`read "/record/lease_holder"`),
		"/tree "+refuses(`list "/tree"`))
	acquire(t, s, "host-b", "/other")
	for _, node := range nodes {
		setACL(node, opened)
	}
	p.want("once it may be read", "/node host-a", "/node/below host-a", "/open host-a", "/other host-b", "/record host-a", "/tree/below host-a")
	p.wantFresh()
}

// Nobody is let in: Follow says so, and does not try again.
func TestFollowRefused(t *testing.T) {
	t.Parallel()
	server := zktest.StartSecured(t, zktest.Security{ClientCertificates: "none", RequireSASL: true})
	s := open(t, server.Addr())
	if err := s.Follow(t.Context(), "/", func(leasehold.News) {}); !errors.Is(err, leasehold.ErrPermission) {
		t.Errorf("got error %v, want ErrPermission", err)
	}
}

// The connection is lost while changes are being read: what was read and not told
// yet is not taken for told.
func TestFollowLosesWhatItReads(t *testing.T) {
	t.Parallel()
	server := zktest.Start(t)
	proxy := zktest.NewProxy(t, server.Addr())
	conn := zktest.Conn(t, server.Addr())
	s := open(t, server.Addr())
	p := follow(t, open(t, proxy.Addr()), "/")
	var want []string
	for range 5 { // since some answers come in time, or none
		var ops []any
		n := len(want)
		for i := n; i < n+10; i++ {
			gone, logged := fmt.Sprintf("/gone-%02d", i), fmt.Sprintf("/logged-%02d", i)
			acquire(t, s, "host-a", gone)
			acquire(t, s, "host-a", logged)
			edit(t, s, logged, "1")
			ops = append(ops, &zk.DeleteRequest{Path: gone + "/lease_holder", Version: -1}, &zk.SetDataRequest{Path: logged, Data: []byte("2"), Version: -1})
			want = append(want, logged+" host-a 2")
		}
		p.wantFresh() // and so the next sync is a second away
		proxy.HoldRequestsAfter(1)
		if _, err := conn.Multi(ops...); err != nil {
			t.Fatal(err)
		}
		<-proxy.Held()
		time.Sleep(50 * time.Millisecond) // for the answer to what has passed
		proxy.Cut()
		proxy.HoldRequests(false)
		proxy.Restore()
		p.want("caught up", want...)
	}
}

// However much changes, it is told in time that nothing is missing.
func TestFollowSyncsBetweenChanges(t *testing.T) {
	t.Parallel()
	server := zktest.Start(t)
	conn := zktest.Conn(t, server.Addr())
	s := open(t, server.Addr())
	acquire(t, s, "host-a", "/busy")
	var rounds, late int // changes that were told; those without an AsOf since the one before
	isFresh := true
	ctx, cancel := context.WithCancel(t.Context())
	err := s.Follow(ctx, "/", func(news leasehold.News) {
		if isFresh = isFresh || !news.AsOf.IsZero(); len(news.Leases) == 0 {
			return
		}
		if rounds++; !isFresh && rounds > 3 { // the first sync is due in the third
			late++
		}
		isFresh = false
		if rounds == 8 {
			cancel()
			return
		}
		time.Sleep(1100 * time.Millisecond) // until a sync is due
		if _, err := conn.Set("/busy", fmt.Append(nil, rounds), -1); err != nil {
			t.Error(err)
		}
		time.Sleep(100 * time.Millisecond) // for the server to tell
	})
	if err != nil || late > 0 {
		t.Errorf("got error %v, and %d of %d changes told with a sync still due, want none", err, late, rounds)
	}
}
