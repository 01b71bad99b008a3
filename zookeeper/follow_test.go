package zookeeper_test

import (
	"context"
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

// Where another program's data was, a lease may be later: its run log is followed.
func TestFollowAfterAnotherProgram(t *testing.T) {
	t.Parallel()
	server := zktest.Start(t)
	conn := zktest.Conn(t, server.Addr())
	create(t, conn, "/job", "10.0.0.5")
	s := open(t, server.Addr())
	p := follow(t, s, "/")
	if _, err := conn.Set("/job", nil, -1); err != nil {
		t.Fatal(err)
	}
	acquire(t, s, "host-a", "/job")
	edit(t, s, "/job", "1")
	p.want("a lease", "/job host-a 1")
	edit(t, s, "/job", "2")
	p.want("its log has changed", "/job host-a 1 2")
}

// A run log alone may be there later, too, as of a schedule that is paused before it
// has ever run: that is told after a while.
func TestFollowLogAfterAnotherProgram(t *testing.T) {
	t.Parallel()
	server := zktest.Start(t)
	conn := zktest.Conn(t, server.Addr())
	create(t, conn, "/job", "10.0.0.5")
	s := open(t, server.Addr())
	s.RetryUnread(200 * time.Millisecond)
	p := follow(t, s, "/")
	if _, err := conn.Set("/job", nil, -1); err != nil {
		t.Fatal(err)
	}
	if err := client(s, "host-a").Pause(t.Context(), "/job", "ann", "a test"); err != nil {
		t.Fatal(err)
	}
	p.await("want a paused schedule", func() bool {
		log, err := p.leases["/job"].Runs()
		return err == nil && log.Head.Paused != nil
	})
}

// Beside a record data that no run log has is told, before it changes and afterwards:
// every command calls it a run log that can't be read.
func TestFollowLongData(t *testing.T) {
	t.Parallel()
	server := zktest.Start(t)
	conn := zktest.Conn(t, server.Addr())
	s := open(t, server.Addr())
	acquire(t, s, "host-a", "/job")
	long := []byte(strings.Repeat("x", 70_000))
	if _, err := conn.Set("/job", long, -1); err != nil {
		t.Fatal(err)
	}
	p := follow(t, s, "/")
	p.want("at first", "/job host-a "+string(long))
	if _, err := conn.Set("/job", append(long, 'y'), -1); err != nil {
		t.Fatal(err)
	}
	p.want("changed", "/job host-a "+string(long)+"y")
}

// By the server's own counters: nothing costs the syncs, and a change one read.
func TestCostsOfFollow(t *testing.T) {
	t.Parallel()
	const n = 20
	server := zktest.Start(t)
	proxy := zktest.NewProxy(t, server.Addr())
	s := open(t, server.Addr())
	leases := make([]*leasehold.Lease, n)
	conn := zktest.Conn(t, server.Addr())
	create(t, conn, "/jobs", "")
	conn.Close() // else it pings too
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
	// cost fails t unless f costs want reads, besides its own requests, syncs and pings.
	cost := func(what string, own, want int, f func()) {
		t.Helper()
		got, took := count(f)
		// The session that follows syncs each second, the other one pings now and then.
		if pings := 2*int(took/time.Second) + 2; got < own+want || got > own+want+pings {
			t.Errorf("%s: got %d requests, want %d, %d reads and up to %d pings", what, got, own, want, pings)
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
	// The record of a grant is deleted, created and set. On a busy machine these may
	// be told one after another, and each is read.
	for what, grant := range map[string]func(){
		"a grant that is logged": func() {
			if _, _, err := s.Grant(t.Context(), leasehold.Entry{Path: "/jobs/0"}, enter(t, "host-b", "3")); err != nil {
				t.Fatal(err)
			}
		},
		"a grant on a new path": func() { acquire(t, s, "host-a", "/jobs/new") },
	} {
		got, took := count(grant)
		if pings := int(took/time.Second) + 1; got < 3+2 || got > 4+2+2+pings {
			t.Errorf("%s: got %d requests, want 3 or 4, 2 to 4 reads and up to %d pings", what, got, pings)
		}
	}
	cost("a connection that was lost: the session, the sync, the watch, the nodes, the records, and one log", 2, 1+1+1+(n+2)+(n+1)+1, func() {
		proxy.Cut()
		edit(t, s, "/jobs/1", "3")
		proxy.Restore()
	})
	p.await("the log", func() bool { return string(p.leases["/jobs/1"].Log.Data) == "1\n2\n3\n" })
}
