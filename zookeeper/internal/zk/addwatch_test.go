package zk_test

import (
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/zookeeper/internal/zk"
)

// changes are the paths that a watch has told of.
type changes struct {
	mu    sync.Mutex
	paths []string
}

func (c *changes) add(path string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.paths = append(c.paths, path)
}

// take returns what was told since the last time, each path once.
func (c *changes) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	slices.Sort(c.paths)
	taken := slices.Compact(c.paths)
	c.paths = nil
	return taken
}

// A watch tells of each change at and below its path, again and again, before
// any answer that shows it, and until the connection is lost.
func TestAddWatch(t *testing.T) {
	t.Parallel()
	server := zktest.Start(t)
	proxy := zktest.NewProxy(t, server.Addr())
	s := open(t, time.Minute, proxy.Addr())
	all := []zk.ACL{{Perms: zk.PermAll, Scheme: "world", ID: "anyone"}}
	var below, everything, other changes
	var lost <-chan struct{}
	for path, c := range map[string]*changes{"/top": &below, "/": &everything, "/to": &other} { // none exists but the root
		r, err := s.Do(t.Context(), zk.AddWatch(path, c.add))
		if err != nil {
			t.Fatalf("watch of %s: got error %v", path, err)
		}
		lost = r.Watch
	}
	for _, test := range []struct {
		what string
		ops  []zk.Op
		want []string
	}{
		{"creation", []zk.Op{&zk.Create{Path: "/top", ACL: all}}, []string{"/top"}},
		{"creation below", []zk.Op{&zk.Create{Path: "/top/a", ACL: all}, &zk.Create{Path: "/top/a/b", ACL: all}}, []string{"/top/a", "/top/a/b"}},
		{"data", []zk.Op{&zk.SetData{Path: "/top/a/b", Data: []byte("x"), Version: zk.AnyVersion}}, []string{"/top/a/b"}},
		{"data again", []zk.Op{&zk.SetData{Path: "/top/a/b", Data: []byte("x"), Version: zk.AnyVersion}}, []string{"/top/a/b"}},
		{"data of the watched node", []zk.Op{&zk.SetData{Path: "/top", Version: zk.AnyVersion}}, []string{"/top"}},
		{"deletion", []zk.Op{&zk.Delete{Path: "/top/a/b", Version: zk.AnyVersion}}, []string{"/top/a/b"}},
		{"another path", []zk.Op{&zk.Create{Path: "/topmost", ACL: all}}, nil},
	} {
		if _, err := s.Do(t.Context(), zk.Multi(test.ops...)); err != nil {
			t.Fatal(err)
		}
		// What was told before the answer has come before the answer to a ping.
		if _, err := s.Do(t.Context(), zk.Ping()); err != nil {
			t.Fatal(err)
		}
		if got := below.take(); !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, want %q", test.what, got, test.want)
		}
	}
	if got := everything.take(); !slices.Contains(got, "/topmost") || !slices.Contains(got, "/top/a/b") {
		t.Errorf("watch of the root: got %q, want /topmost and /top/a/b among them", got)
	}
	if got := other.take(); got != nil {
		t.Errorf("watch of /to: got %q, want none", got)
	}
	select {
	case <-lost:
		t.Error("got the watch lost, want it there")
	default:
	}
	proxy.Cut()
	proxy.Restore()
	select {
	case <-lost:
	case <-time.After(20 * time.Second):
		t.Fatal("connection lost: got the watch there, want it lost")
	}
	if err := s.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Do(t.Context(), zk.Multi(&zk.Delete{Path: "/top/a", Version: zk.AnyVersion})); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Do(t.Context(), zk.Ping()); err != nil {
		t.Fatal(err)
	}
	if got := below.take(); got != nil {
		t.Errorf("on the next connection: got %q, want nothing", got)
	}
}

// A ping that was sent is answered, or fails with the connection.
func TestPing(t *testing.T) {
	t.Parallel()
	s := open(t, time.Minute, zktest.StartFake(t, zktest.AnswerRequests(func(r zktest.Request) []byte { return nil })).Address())
	if _, err := s.Do(t.Context(), zk.Ping()); err != nil {
		t.Errorf("a server that answers pings: got error %v", err)
	}
	silent := zktest.StartFake(t, func(c net.Conn) {
		zktest.ReadRequest(c)
		c.Write(zktest.ConnectResponse)
		zktest.ReadRequest(c)
	})
	s = open(t, time.Minute, silent.Address())
	if _, err := s.Do(t.Context(), zk.Ping()); !errors.Is(err, zk.ErrConnectionLost) {
		t.Errorf("a server that hangs up: got error %v, want ErrConnectionLost", err)
	}
}

// What a server before 3.6 answers.
func TestAddWatchUnimplemented(t *testing.T) {
	t.Parallel()
	old := zktest.StartFake(t, zktest.AnswerRequests(func(r zktest.Request) []byte { return zktest.Reply(r, -6) }))
	s := open(t, time.Minute, old.Address())
	if _, err := s.Do(t.Context(), zk.AddWatch("/", func(string) {})); !errors.Is(err, zk.ErrUnimplemented) {
		t.Errorf("got error %v, want ErrUnimplemented", err)
	}
}
