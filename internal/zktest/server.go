package zktest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"leasehold.example/leasehold/internal/zktest/child"
)

// A Config says how a server differs from the usual one.
type Config struct {
	Extra string   // further lines of zoo.cfg
	Env   []string // further environment of the server, "KEY=value"
}

// A Server is a ZooKeeper server of one node on a loopback port. It syncs
// every commit to disk, and allows session timeouts from 1 s to 120 s, which
// it checks 5 times a second.
type Server struct {
	dir    string
	env    []string
	addr   string
	shared bool

	release func() // of the port

	mu   sync.Mutex
	proc *child.Process
	own  int64 // packets received that were our own questions
}

// Start starts a server that ends with the test.
func Start(t testing.TB) *Server {
	t.Helper()
	return StartWith(t, Config{})
}

// StartWith starts a server that ends with the test.
func StartWith(t testing.TB, c Config) *Server {
	t.Helper()
	s, err := start(t.TempDir(), c)
	if err != nil {
		t.Fatalf("start a ZooKeeper server: %v", err)
	}
	t.Cleanup(s.stop)
	return s
}

var (
	sharedMu     sync.Mutex
	sharedServer *Server
	sharedErr    error
	sharedDir    string
	underMain    bool
)

// Main runs the tests of a package that uses [Shared], and then stops that
// server. Call it, and nothing else, from TestMain.
func Main(m *testing.M) {
	sharedMu.Lock()
	underMain = true
	sharedMu.Unlock()

	m.Run() // the exit code is kept in m, for the caller of TestMain

	sharedMu.Lock()
	defer sharedMu.Unlock()
	if sharedServer != nil {
		sharedServer.stop()
	}
	if sharedDir != "" {
		os.RemoveAll(sharedDir)
	}
}

// Shared returns the server that all tests of the package share. The first
// call starts it, [Main] stops it. It can be neither killed nor paused, and
// its counters count the packets of all tests together.
func Shared(t testing.TB) *Server {
	t.Helper()
	sharedMu.Lock()
	defer sharedMu.Unlock()
	if !underMain {
		t.Fatal("zktest.Shared needs a TestMain that calls zktest.Main")
	}
	if sharedServer == nil && sharedErr == nil {
		sharedDir, sharedErr = os.MkdirTemp("", "zktest-")
		if sharedErr == nil {
			sharedServer, sharedErr = start(sharedDir, Config{})
		}
		if sharedErr == nil {
			sharedServer.shared = true
		}
	}
	if sharedErr != nil {
		t.Fatalf("start the shared ZooKeeper server: %v", sharedErr)
	}
	return sharedServer
}

func start(dir string, c Config) (*Server, error) {
	addr, release, err := reservePort()
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, env: c.Env, addr: addr, release: release}
	if err := os.WriteFile(s.file("zoo.cfg"), s.config(c.Extra), 0o600); err != nil {
		return nil, err
	}
	if err := s.run(); err != nil {
		release()
		return nil, err
	}
	return s, nil
}

func (s *Server) config(extra string) []byte {
	host, port, _ := net.SplitHostPort(s.addr)
	return fmt.Appendf(nil, `dataDir=%s
clientPortAddress=%s
clientPort=%s
tickTime=200
minSessionTimeout=1000
maxSessionTimeout=120000
maxClientCnxns=0
admin.enableServer=false
4lw.commands.whitelist=*
preAllocSize=256
%s
`, s.file("data"), host, port, extra)
}

func (s *Server) file(name string) string { return filepath.Join(s.dir, name) }

// run starts the process and waits until it serves requests.
func (s *Server) run() error {
	cmd, err := Java(s.file("zoo.cfg"))
	if err != nil {
		return err
	}
	log, err := os.Create(s.file("log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), s.env...)
	cmd.Stdout, cmd.Stderr = log, log
	proc, err := child.Start(cmd)
	if err != nil {
		return err
	}
	if err := s.awaitReady(proc); err != nil {
		proc.Kill()
		text, _ := os.ReadFile(s.file("log"))
		return fmt.Errorf("%w; its log:\n%s", err, text)
	}
	s.mu.Lock()
	s.proc = proc
	s.mu.Unlock()
	return nil
}

// awaitReady waits until the server serves requests, or its process ends. One
// that is asked too early never answers, and one on a busy machine answers
// late: the next question has twice the time.
func (s *Server) awaitReady(proc *child.Process) error {
	within := 500 * time.Millisecond
	for {
		received, _, err := s.report(within)
		if err == nil {
			s.mu.Lock()
			s.own = received
			s.mu.Unlock()
			return nil
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			within *= 2
		}
		select {
		case <-proc.Done():
			return fmt.Errorf("it ended: %v", proc.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Addr returns "127.0.0.1:port".
func (s *Server) Addr() string { return s.addr }

// Kill ends the server as kill -9 does. Its data stays.
func (s *Server) Kill() {
	s.mustBeOwn("Kill")
	s.kill()
}

func (s *Server) kill() { s.process().Kill() }

func (s *Server) stop() {
	s.kill()
	s.release()
}

// Restart starts the server again, on the same port and data, and waits until
// it serves. A server that still runs is killed first. Its packet counter
// starts again from zero.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.mustBeOwn("Restart")
	s.kill()
	if err := s.run(); err != nil {
		t.Fatalf("restart the ZooKeeper server: %v", err)
	}
}

// Pause stops the process (SIGSTOP): the server keeps its connections, accepts
// new ones, and answers nothing.
func (s *Server) Pause() {
	s.mustBeOwn("Pause")
	s.process().Pause()
}

// Resume lets a paused server go on.
func (s *Server) Resume() {
	s.mustBeOwn("Resume")
	s.process().Resume()
}

func (s *Server) process() *child.Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.proc
}

func (s *Server) mustBeOwn(method string) {
	if s.shared {
		panic("zktest: " + method + " on the shared server would disturb other tests")
	}
}
