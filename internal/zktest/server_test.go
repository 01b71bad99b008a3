package zktest_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"leasehold.example/leasehold/internal/testpair"
	"leasehold.example/leasehold/internal/zktest"
)

func TestMain(m *testing.M) { zktest.Main(m) }

func TestSharedIsOneServer(t *testing.T) {
	t.Parallel()
	a, b := zktest.Shared(t), zktest.Shared(t)
	if a != b {
		t.Errorf("got servers at %s and %s, want one", a.Addr(), b.Addr())
	}
	defer func() {
		if recover() == nil {
			t.Error("the shared server let itself be killed")
		}
	}()
	a.Kill()
}

func TestServerIsThePairs(t *testing.T) {
	t.Parallel()
	answer, err := zktest.Ask(zktest.Shared(t).Addr(), "srvr", 20*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if newest := testpair.Name() == testpair.Newest; newest != strings.HasPrefix(answer, "Zookeeper version: 3.9.5-") {
		t.Errorf("got a server with the pair %s that says %s", testpair.Name(), answer)
	}
}

func TestCountersCountRequestsAndCommits(t *testing.T) {
	t.Parallel()
	s := zktest.Start(t)
	conn := zktest.Conn(t, s.Addr())
	acl := zk.WorldACL(zk.PermAll)
	for _, step := range []struct {
		name             string
		do               func() error
		packets, commits int64
	}{
		{"nothing", func() error { return nil }, 0, 0},
		{"a create", func() error { _, err := conn.Create("/a", nil, 0, acl); return err }, 1, 1},
		{"a read", func() error { _, _, err := conn.Get("/a"); return err }, 1, 0},
		{"a multi of two", func() error {
			_, err := conn.Multi(&zk.SetDataRequest{Path: "/a", Version: -1}, &zk.SetDataRequest{Path: "/a", Version: -1})
			return err
		}, 1, 1},
		{"a create that fails", func() error {
			if _, err := conn.Create("/a", nil, 0, acl); !errors.Is(err, zk.ErrNodeExists) {
				return errors.New("the node does not exist")
			}
			return nil
		}, 1, 1},
		{"a session", func() error { zktest.Conn(t, s.Addr()).Close(); return nil }, 2, 2},
	} {
		before := s.Counters(t)
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		after := s.Counters(t)
		packets, commits := after.Packets-before.Packets, after.Zxid-before.Zxid
		if packets != step.packets || commits != step.commits {
			t.Errorf("%s: got %d packets and %d commits, want %d and %d", step.name, packets, commits, step.packets, step.commits)
		}
	}
}

func TestDataAndAddressSurviveKillAndRestart(t *testing.T) {
	t.Parallel()
	s := zktest.Start(t)
	addr, before := s.Addr(), s.Counters(t)
	conn := zktest.Conn(t, addr)
	if _, err := conn.Create("/kept", []byte("x"), 0, zk.WorldACL(zk.PermAll)); err != nil {
		t.Fatal(err)
	}
	s.Kill()
	s.Restart(t)
	if s.Addr() != addr {
		t.Errorf("got address %s, want %s", s.Addr(), addr)
	}
	conn = zktest.Conn(t, addr)
	if data, _, err := conn.Get("/kept"); string(data) != "x" || err != nil {
		t.Errorf("got %q and error %v, want x", data, err)
	}
	if after := s.Counters(t); after.Zxid <= before.Zxid {
		t.Errorf("got zxid %d after the restart, want more than %d", after.Zxid, before.Zxid)
	}
}

func TestReservedPort(t *testing.T) {
	t.Parallel()
	addr := zktest.ReservePort(t)
	if c, err := net.Dial("tcp", addr); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("nobody listens: got connection %v and error %v, want it refused", c, err)
	}
	for range 2 {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatalf("listen on the reserved port: %v", err)
		}
		syscall.ForkLock.RLock() // a child between fork and exec has a copy of the listener
		l.Close()
		syscall.ForkLock.RUnlock()
	}
	ofItsOwn := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) {
			syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 0)
		})
	}}
	if _, err := ofItsOwn.Listen(t.Context(), "tcp", addr); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("listen on it without reuse: got error %v, want address in use", err)
	}
}

func TestPausedServerAnswersAfterResume(t *testing.T) {
	t.Parallel()
	s := zktest.Start(t)
	conn := zktest.Conn(t, s.Addr())
	s.Pause()
	answered := make(chan error, 1)
	go func() {
		_, _, err := conn.Exists("/")
		answered <- err
	}()
	select {
	case err := <-answered:
		t.Fatalf("got an answer (%v) from a paused server", err)
	case <-time.After(50 * time.Millisecond):
	}
	s.Resume()
	if err := <-answered; err != nil {
		t.Errorf("got %v after Resume", err)
	}
}

func TestSessionTimeoutsFromOneSecondToTwoMinutes(t *testing.T) {
	t.Parallel()
	for _, want := range []time.Duration{time.Second, 2 * time.Minute} {
		conn, events, err := zk.Connect([]string{zktest.Shared(t).Addr()}, want, zk.WithLogInfo(false))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		for e := range events {
			if e.State == zk.StateHasSession {
				break
			}
		}
		if got := sessionTimeout(t, zktest.Shared(t), conn); got != want {
			t.Errorf("got a session timeout of %v, want %v", got, want)
		}
	}
}

func TestExtraConfiguration(t *testing.T) {
	t.Parallel()
	s := zktest.StartWith(t, zktest.Config{Extra: "maxSessionTimeout=3000"})
	if got, want := sessionTimeout(t, s, zktest.Conn(t, s.Addr())), 3*time.Second; got != want {
		t.Errorf("got a session timeout of %v, want %v", got, want)
	}
}

// sessionTimeout asks the server what it has granted.
func sessionTimeout(t *testing.T, s *zktest.Server, conn *zk.Conn) time.Duration {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("cons")); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(fmt.Sprintf(`sid=0x%x,.*,to=(\d+),`, conn.SessionID())).FindSubmatch(answer)
	if m == nil {
		t.Fatalf("no session 0x%x in %s", conn.SessionID(), answer)
	}
	ms, _ := strconv.Atoi(string(m[1]))
	return time.Duration(ms) * time.Millisecond
}

func TestFailureToStartShowsTheLog(t *testing.T) {
	t.Parallel()
	if got := failure(t, func(t testing.TB) {
		zktest.StartWith(t, zktest.Config{Extra: "tickTime=soon"})
	}); !strings.Contains(got, "soon") {
		t.Errorf("got the failure %q, want one that names the bad value", got)
	}
}

func TestMissingPackageIsNamed(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if got := failure(t, func(t testing.TB) { zktest.Start(t) }); !strings.Contains(got, "apt-get install default-jre-headless") {
		t.Errorf("got the failure %q, want one with the command that mends it", got)
	}
}

// failure runs f, which must fail, and returns what it said.
func failure(t *testing.T, f func(testing.TB)) string {
	t.Helper()
	r := &recorder{TB: t}
	var done sync.WaitGroup
	done.Go(func() { f(r) }) // Fatalf ends the goroutine
	done.Wait()
	if r.message == "" {
		t.Fatal("it did not fail")
	}
	return r.message
}
