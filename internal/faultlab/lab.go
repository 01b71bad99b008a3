package faultlab

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"leasehold.example/leasehold/internal/zktest/child"
)

// A Config says what a laboratory consists of.
type Config struct {
	Servers int // 3 by default
	Clients int // network namespaces for Command

	// ServerConfig has further lines of zoo.cfg. They override those of the
	// laboratory (tickTime=500, initLimit=10, syncLimit=4, sessions from 1 s
	// to 60 s).
	ServerConfig string

	// DiskMB is the size of each server's disk, 64 by default. It is memory,
	// as far as it is used.
	DiskMB int
}

// A Lab is an ensemble and places for its clients. Servers and clients are
// numbered from 0. The methods are safe for concurrent use. A fault that can't
// begin, or end, is an error of the test that started the laboratory.
type Lab struct {
	t       testing.TB
	number  int
	clients int

	mu      sync.Mutex // guards the servers' states, and keeps faults apart
	servers []*server
}

// labs counts, so that each laboratory of a process has names and addresses
// of its own.
var labs atomic.Int32

// Start starts a laboratory that ends with the test, and waits until all its
// servers serve.
func Start(t testing.TB, c Config) *Lab {
	t.Helper()
	if errUnusable != nil {
		t.Fatalf("there is no fault laboratory here: %v", errUnusable)
	}
	if c.Servers == 0 {
		c.Servers = 3
	}
	if c.DiskMB == 0 {
		c.DiskMB = 64
	}
	l := &Lab{t: t, number: int(labs.Add(1)), clients: c.Clients}
	if l.number > 255 || c.Servers > 254 || c.Clients > 254 {
		t.Fatalf("got laboratory %d with %d servers and %d clients: there are no addresses for more than 255, 254 and 254", l.number, c.Servers, c.Clients)
	}
	dir := t.TempDir() // first, so that it is removed last
	t.Cleanup(l.stop)
	if err := l.createNetwork(c.Servers, c.Clients); err != nil {
		t.Fatalf("create the network of the fault laboratory: %v", err)
	}
	for i := range c.Servers {
		s, err := newServer(l, i, c, filepath.Join(dir, fmt.Sprintf("server%d", i)))
		if err != nil {
			t.Fatalf("make server %d: %v", i, err)
		}
		l.servers = append(l.servers, s)
	}
	stopPurge := make(chan struct{})
	var purging sync.WaitGroup
	purging.Go(func() { l.purge(stopPurge) })
	t.Cleanup(func() {
		close(stopPurge)
		purging.Wait()
	})
	for _, s := range l.servers {
		if err := s.start(); err != nil {
			t.Fatalf("start server %d: %v", s.index, err)
		}
	}
	l.await(t, c.Servers, func(s *server) error { return fmt.Errorf("it has ended; its log:\n%s", s.logTail()) })
	return l
}

func (l *Lab) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.servers {
		s.kill()
		if err := s.unmount(); err != nil {
			l.t.Errorf("remove the disk of server %d: %v", s.index, err)
		}
	}
	l.removeNetwork()
}

// Servers returns how many servers there are.
func (l *Lab) Servers() int { return len(l.servers) }

// Clients returns how many client namespaces there are.
func (l *Lab) Clients() int { return l.clients }

// Addr returns server i's address, "10.x.0.y:2181", the same from everywhere.
func (l *Lab) Addr(i int) string { return l.servers[i].addr() }

// Addrs returns all servers' addresses.
func (l *Lab) Addrs() []string {
	addrs := make([]string, len(l.servers))
	for i := range l.servers {
		addrs[i] = l.Addr(i)
	}
	return addrs
}

// Hosts returns all servers' addresses with commas between them, as clients
// take them.
func (l *Lab) Hosts() string { return strings.Join(l.Addrs(), ",") }

// Command returns a command that will run in client's namespace, as a process
// that gets the signals that are sent to it itself. The kernel kills it when
// the thread that starts it ends: start it with [child.Start], which takes
// care that this is when the test process ends.
func (l *Lab) Command(client int, name string, args ...string) *exec.Cmd {
	if client < 0 || client >= l.clients {
		panic(fmt.Sprintf("faultlab: no client %d among %d", client, l.clients))
	}
	cmd := enterNet(l.clientNet(client), name, args...)
	if err := child.Tie(cmd); err != nil {
		panic(err) // there is no laboratory where this can't be
	}
	return cmd
}
