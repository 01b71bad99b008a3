package soak_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/internal/zktest/child"
)

// A lagging ensemble has a follower that can be kept from hearing what the
// leader has committed, while it goes on answering its own clients.
type lagging struct {
	leader, follower string // addresses for clients
	dirs             []string
	link             *link // from the follower to the leader
}

// startLagging starts three servers on loopback. The last is the leader, since
// the others' votes are for the highest number; the first is the follower, and
// has the address of the link for that of the leader.
func startLagging(t *testing.T) *lagging {
	t.Helper()
	var errs []error
	for range 3 { // one of nine ports may be taken between its choice and its use
		l, err := tryLagging(t)
		if err == nil {
			return l
		}
		errs = append(errs, err)
	}
	t.Fatal(errors.Join(errs...))
	return nil
}

// tryLagging is one attempt. Servers of one that failed end with the test.
func tryLagging(t *testing.T) (*lagging, error) {
	t.Helper()
	const servers = 3
	var client, quorum, election [servers]string
	for i := range servers {
		client[i], quorum[i], election[i] = freeAddr(t), freeAddr(t), freeAddr(t)
	}
	l := &lagging{leader: client[2], follower: client[0], link: newLink(t, quorum[2])}
	for i := range servers {
		dir := t.TempDir()
		l.dirs = append(l.dirs, dir)
		config := fmt.Sprintf("dataDir=%s\nclientPortAddress=127.0.0.1\nclientPort=%s\n"+
			"tickTime=500\ninitLimit=60\nsyncLimit=60\nminSessionTimeout=1000\nmaxSessionTimeout=60000\n"+
			"admin.enableServer=false\n4lw.commands.whitelist=*\npreAllocSize=256\n", dir, port(client[i]))
		for j := range servers {
			to := quorum[j]
			if i == 0 && j == 2 {
				to = l.link.addr
			}
			config += fmt.Sprintf("server.%d=%s:%s\n", j+1, to, port(election[j]))
		}
		for name, text := range map[string]string{"zoo.cfg": config, "myid": fmt.Sprint(i + 1)} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, i := range []int{1, 2, 0} {
		cmd, err := zktest.Java(filepath.Join(l.dirs[i], "zoo.cfg"))
		if err != nil {
			t.Fatal(err)
		}
		log, err := os.Create(filepath.Join(l.dirs[i], "log"))
		if err != nil {
			t.Fatal(err)
		}
		cmd.Dir, cmd.Stdout, cmd.Stderr = l.dirs[i], log, log
		proc, err := child.Start(cmd)
		log.Close()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(proc.Kill)
		if i == 2 {
			if err := awaitMode(client[2], "leader"); err != nil {
				return nil, err
			}
		}
	}
	return l, awaitMode(client[0], "follower")
}

func awaitMode(addr, mode string) error {
	var answer string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		answer, _ = zktest.Ask(addr, "srvr", time.Second) // asked too early it never answers
		if strings.Contains(answer, "Mode: "+mode) {
			return nil
		}
	}
	return fmt.Errorf("server %s: got %q, want it to be %s", addr, answer, mode)
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func port(addr string) string { return addr[strings.LastIndexByte(addr, ':')+1:] }

// A link passes connections on, and can hold what comes back.
type link struct {
	addr string

	mu      sync.Mutex
	changed *sync.Cond
	held    bool
}

func newLink(t *testing.T, target string) *link {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &link{addr: listener.Addr().String()}
	l.changed = sync.NewCond(&l.mu)
	var running sync.WaitGroup
	ends := make(chan struct{})
	t.Cleanup(func() {
		close(ends)
		listener.Close()
		l.hold(false)
		running.Wait()
	})
	running.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", target)
			if err != nil {
				near.Close()
				continue
			}
			closeBoth := sync.OnceFunc(func() { near.Close(); far.Close() })
			running.Go(func() { io.Copy(far, near); closeBoth() })
			running.Go(func() { io.Copy(near, holding{far, l}); closeBoth() })
			running.Go(func() { <-ends; closeBoth() })
		}
	})
	return l
}

// hold, while it is on, keeps back what the target sends; then it comes late.
func (l *link) hold(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = on
	l.changed.Broadcast()
}

// A holding reads from a link's target, when it may.
type holding struct {
	io.Reader
	link *link
}

func (h holding) Read(b []byte) (int, error) {
	n, err := h.Reader.Read(b)
	h.link.mu.Lock()
	defer h.link.mu.Unlock()
	for h.link.held {
		h.link.changed.Wait()
	}
	return n, err
}
