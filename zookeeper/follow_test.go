package zookeeper_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/zookeeper"
)

// A picture is what Follow has told.
type picture struct {
	t  *testing.T
	mu sync.Mutex

	leases  map[string]leasehold.Sighting
	told    map[string]int // how often
	asOf    leasehold.Instant
	err     error
	changed chan struct{}
}

// follow follows until the test ends.
func follow(t *testing.T, s *zookeeper.Store, prefix string) *picture {
	p := &picture{t: t, leases: map[string]leasehold.Sighting{}, told: map[string]int{}, changed: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Follow(ctx, prefix, p.tell) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Follow: got error %v, want nil", err)
		}
	})
	p.wantFresh()
	return p
}

func (p *picture) tell(news leasehold.News) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range news.Leases {
		p.told[s.Path]++
		if s.IsGone() {
			delete(p.leases, s.Path)
			continue
		}
		if s.Log == nil && s.LogErr == nil {
			s.Log, s.LogErr = p.leases[s.Path].Log, p.leases[s.Path].LogErr
		}
		p.leases[s.Path] = s
	}
	p.err = news.Err
	if !news.AsOf.IsZero() {
		p.asOf = news.AsOf
	}
	close(p.changed)
	p.changed = make(chan struct{})
}

// await waits until ok, which is called with the picture locked, is true.
func (p *picture) await(what string, ok func() bool) {
	p.t.Helper()
	timeout := time.After(time.Minute)
	for {
		p.mu.Lock()
		done, changed, now := ok(), p.changed, p.String()
		p.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-timeout:
			p.t.Fatalf("%s: got %s", what, now)
		}
	}
}

// String says what the picture shows: each lease with its record's holder and its
// run log.
func (p *picture) String() string {
	var lines []string
	for path, s := range p.leases {
		line := path + " " + s.Status(time.Now()).Holder
		switch {
		case s.Err != nil:
			line = path + " " + s.Err.Error()
		case s.LogErr != nil:
			line += " " + s.LogErr.Error()
		case s.Log == nil:
			line += " unread log"
		default:
			line = strings.Join(append([]string{line}, strings.Fields(string(s.Log.Data))...), " ")
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return strings.Join(lines, "; ")
}

// want waits until the picture shows this.
func (p *picture) want(what string, lines ...string) {
	p.t.Helper()
	want := strings.Join(lines, "; ")
	p.await(fmt.Sprintf("%s: want %s", what, want), func() bool { return p.String() == want })
}

// wantFresh waits until nothing that has been committed by now can be missing.
func (p *picture) wantFresh() {
	p.t.Helper()
	now := leasehold.ReadInstant()
	p.await("want an AsOf after now", func() bool { return !p.asOf.IsZero() && p.asOf.Since(now) > 0 })
}

func deleteNode(t *testing.T, conn *zk.Conn, path string) {
	t.Helper()
	if err := conn.Delete(path, -1); err != nil {
		t.Fatalf("delete %s: %v", path, err)
	}
}

// What anybody does to leases is told, and what is none of them is not.
func TestFollow(t *testing.T) {
	t.Parallel()
	for name, chroot := range map[string]string{"root": "", "chroot": "/apps/leases"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := zktest.Start(t)
			conn := zktest.Conn(t, server.Addr())
			s := open(t, server.Addr()+chroot)
			acquire(t, s, "host-a", "/one")
			edit(t, s, "/one", "1")
			create(t, conn, chroot+"/foreign", "data")
			p := follow(t, s, "/")
			p.want("all", "/one host-a 1")
			create(t, conn, chroot+"/foreign/below", "data")
			create(t, conn, chroot+"/python", "")
			record := chroot + "/python/lease_holder"
			create(t, conn, record, recordOf(t, "host-p", time.Now().Add(time.Hour)))
			p.want("a grant of kazoo's", "/one host-a 1", "/python host-p")
			deleteNode(t, conn, record)
			create(t, conn, record, recordOf(t, "host-q", time.Now().Add(time.Hour)))
			p.want("another one", "/one host-a 1", "/python host-q")
			edit(t, s, "/python", "1")
			p.want("a run log", "/one host-a 1", "/python host-q 1")
			acquire(t, s, "host-a", "/one/below/it")
			p.want("a lease below another", "/one host-a 1", "/one/below/it host-a", "/python host-q 1")
			deleteNode(t, conn, record)
			p.want("no record", "/one host-a 1", "/one/below/it host-a")
			deleteNode(t, conn, chroot+"/python")
			if _, _, err := s.Grant(t.Context(), leasehold.Entry{Path: "/python"}, enter(t, "host-a", "2")); err != nil {
				t.Fatal(err)
			}
			p.want("the path once more", "/one host-a 1", "/one/below/it host-a", "/python host-a 2")
			p.wantFresh()
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.told["/foreign"]+p.told["/foreign/below"] > 0 || p.err != nil {
				t.Errorf("got %v told, error %v, want no /foreign and no error", p.told, p.err)
			}
		})
	}
}

// A path that has only a run log is told; it need not have a record yet, or any more.
func TestFollowRunLogs(t *testing.T) {
	t.Parallel()
	server := zktest.Start(t)
	conn := zktest.Conn(t, server.Addr())
	s := open(t, server.Addr())
	c := client(s, "host-a")
	pause := func(path string) {
		t.Helper()
		if err := c.Pause(t.Context(), path, "ann", "a test"); err != nil {
			t.Fatal(err)
		}
	}
	pause("/early")
	create(t, conn, "/foreign", "data")
	p := follow(t, s, "/")
	want := func(what string, holders ...string) {
		t.Helper()
		p.await(what, func() bool {
			var got []string
			for path, seen := range p.leases {
				if log, err := seen.Runs(); err == nil && log.Head.Paused != nil {
					got = append(got, strings.TrimSpace(path+" "+seen.Status(time.Now()).Holder))
				}
			}
			slices.Sort(got)
			return slices.Equal(got, holders) && len(p.leases) == len(holders)
		})
	}
	want("one", "/early")
	pause("/later")
	want("another", "/early", "/later")
	acquire(t, s, "host-a", "/early")
	acquire(t, s, "host-a", "/later")
	want("leases", "/early host-a", "/later host-a")
	deleteNode(t, conn, "/early/lease_holder")
	want("no record any more", "/early", "/later host-a")
	names, _, err := conn.Children("/later")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		deleteNode(t, conn, "/later/"+name)
	}
	deleteNode(t, conn, "/later")
	want("nothing any more", "/early")
	p.wantFresh()
	begun, before := time.Now(), server.Counters(t).Packets
	for range 20 {
		if _, err := conn.Set("/foreign", []byte("more"), -1); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond) // each would be read alone
	}
	p.wantFresh()
	got := int(server.Counters(t).Packets - before)
	if pings := int(time.Since(begun)/time.Second) + 1; got > 20+pings {
		t.Errorf("another program's data changes 20 times: got %d requests, want those 20 and up to %d pings", got, pings)
	}
}

// By the server's own counters: nothing costs the pings, and a change one read.
func TestCostsOfFollow(t *testing.T) {
	t.Parallel()
	const n = 20
	server := zktest.Start(t)
	proxy := zktest.NewProxy(t, server.Addr())
	s := open(t, server.Addr())
	leases := make([]*leasehold.Lease, n)
	create(t, zktest.Conn(t, server.Addr()), "/jobs", "")
	for i := range leases {
		leases[i] = acquire(t, s, "host-a", fmt.Sprintf("/jobs/%d", i))
		edit(t, s, leases[i].Path(), "1")
	}
	watching := open(t, proxy.Addr())
	p := follow(t, watching, "/jobs")

	// count returns how many requests f costs, and those that Follow makes by it.
	count := func(f func()) (requests int, took time.Duration) {
		t.Helper()
		p.wantFresh()
		begun, before := time.Now(), server.Counters(t)
		f()
		p.wantFresh()
		return int(server.Counters(t).Packets - before.Packets), time.Since(begun)
	}
	// cost fails t unless f costs that many, and pings.
	cost := func(what string, own, reads int, f func()) {
		t.Helper()
		got, took := count(f)
		if pings := int(took/time.Second) + 1; got < own+reads || got > own+reads+pings {
			t.Errorf("%s: got %d requests, want %d, %d reads and up to %d pings", what, got, own, reads, pings)
		}
	}
	cost("nothing", 0, 0, func() { time.Sleep(2 * time.Second) })
	cost("renewals", n, n, func() {
		for _, l := range leases {
			if err := l.Renew(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	})
	got, took := count(func() {
		for range 10 * n {
			if err := leases[0].Renew(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	})
	if most := 10*n + int(took/(100*time.Millisecond)) + int(took/time.Second) + 2; got > most {
		t.Errorf("renewals of one lease in %s: got %d requests, want at most %d: ten reads a second", took, got, most)
	}
	cost("edits of a run log", 2*n, n, func() {
		for _, l := range leases {
			edit(t, s, l.Path(), "2")
		}
	})
	cost("a grant that is logged", 4, 2, func() {
		if _, _, err := s.Grant(t.Context(), leasehold.Entry{Path: "/jobs/0"}, enter(t, "host-b", "3")); err != nil {
			t.Fatal(err)
		}
	})
	cost("a grant on a new path", 3, 2, func() { acquire(t, s, "host-a", "/jobs/new") })
	cost("a connection that was lost: the session, the watch, the nodes, the records, and one log", 2, 1+1+(n+2)+(n+1)+1, func() {
		proxy.Cut()
		edit(t, s, "/jobs/1", "3")
		proxy.Restore()
	})
	p.await("the log", func() bool { return string(p.leases["/jobs/1"].Log.Data) == "1\n2\n3\n" })
}

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
	paths := []string{"/node", "/open", "/record", "/tree/below"}
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
	p.want("once it may be read", "/node host-a", "/open host-a", "/other host-b", "/record host-a", "/tree/below host-a")
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
		p.wantFresh() // and so the next ping is a second away
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
