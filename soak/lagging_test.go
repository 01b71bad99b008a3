package soak_test

import (
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

// A laggingEnsemble has a follower that can be kept from hearing what the leader
// has committed, while it goes on answering its own clients.
type laggingEnsemble struct {
	leader, follower string // addresses for clients
	dirs             []string
	proxy            *proxy // from the follower to the leader
}

// startLagging starts three servers. The last is the leader, since the others'
// votes are for the highest number; the first is the follower, and connects to
// the leader through the proxy. Each has a loopback address to itself: in the
// network namespace of faultlab.Main nobody else has its ports.
func startLagging(t *testing.T) *laggingEnsemble {
	t.Helper()
	const servers = 3
	ip := func(i int) string { return fmt.Sprintf("127.0.1.%d", i+1) }
	client := func(i int) string { return ip(i) + ":2181" }
	l := &laggingEnsemble{leader: client(2), follower: client(0), proxy: startProxy(t, ip(2)+":2889", ip(2)+":2888")}
	for i := range servers {
		dir := t.TempDir()
		l.dirs = append(l.dirs, dir)
		config := fmt.Sprintf("dataDir=%s\nclientPortAddress=%s\nclientPort=2181\n"+
			"tickTime=500\ninitLimit=60\nsyncLimit=60\nminSessionTimeout=1000\nmaxSessionTimeout=60000\n"+
			"admin.enableServer=false\n4lw.commands.whitelist=*\npreAllocSize=256\n", dir, ip(i))
		for j := range servers {
			quorum := ip(j) + ":2888"
			if i == 0 && j == 2 {
				quorum = ip(2) + ":2889"
			}
			config += fmt.Sprintf("server.%d=%s:3888\n", j+1, quorum)
		}
		for name, text := range map[string]string{"zoo.cfg": config, "myid": fmt.Sprint(i + 1)} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, i := range []int{1, 2} {
		startServer(t, l.dirs[i])
	}
	awaitMode(t, l.leader, "leader")
	startServer(t, l.dirs[0])
	awaitMode(t, l.follower, "follower")
	return l
}

// startServer starts the server whose configuration is in dir.
func startServer(t *testing.T, dir string) {
	t.Helper()
	cmd, err := zktest.Java(filepath.Join(dir, "zoo.cfg"))
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
	proc, err := child.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proc.Kill)
}

func awaitMode(t *testing.T, addr, mode string) {
	t.Helper()
	var status string
	for deadline := time.Now().Add(waitLimit); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		status, _ = zktest.Ask(addr, "srvr", time.Second) // too early, there is no answer
		if strings.Contains(status, "Mode: "+mode) {
			return
		}
	}
	t.Fatalf("server %s: got %q, want it to be %s", addr, status, mode)
}

// A proxy passes connections on, and can hold what comes back.
type proxy struct {
	mu      sync.Mutex
	changed *sync.Cond
	held    bool
}

func startProxy(t *testing.T, addr, target string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{}
	p.changed = sync.NewCond(&p.mu)
	var running sync.WaitGroup
	ends := make(chan struct{})
	t.Cleanup(func() {
		close(ends)
		listener.Close()
		p.hold(false)
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
			running.Go(func() { io.Copy(near, heldReader{far, p}); closeBoth() })
			running.Go(func() { <-ends; closeBoth() })
		}
	})
	return p
}

// hold, while it is on, keeps back what the target sends; then it comes late.
func (p *proxy) hold(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = on
	p.changed.Broadcast()
}

// A heldReader reads from a proxy's target, when it may.
type heldReader struct {
	io.Reader
	proxy *proxy
}

func (r heldReader) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	r.proxy.mu.Lock()
	defer r.proxy.mu.Unlock()
	for r.proxy.held {
		r.proxy.changed.Wait()
	}
	return n, err
}
