package zktest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"leasehold.example/leasehold/internal/zktest/child"
)

const startLimit = 60 * time.Second // on a machine busy with other tests

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
	t.Cleanup(s.kill)
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
		sharedServer.kill()
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

// errPort means that another process has the port.
var errPort = errors.New("port in use")

func start(dir string, c Config) (*Server, error) {
	s := &Server{dir: dir, env: c.Env}
	for range 10 {
		addr, err := freeAddr()
		if err != nil {
			return nil, err
		}
		s.addr = addr
		if err := os.WriteFile(s.file("zoo.cfg"), s.config(c.Extra), 0o600); err != nil {
			return nil, err
		}
		if err = s.run(); !errors.Is(err, errPort) {
			return s, err
		}
	}
	return nil, fmt.Errorf("no free port in ten tries: %w", errPort)
}

// freeAddr finds a loopback port below those that the kernel gives to outgoing
// connections: one of these would stand in the way of Restart.
func freeAddr() (string, error) {
	for range 1000 {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(20_000+rand.IntN(12_000)))
		l, err := net.Listen("tcp", addr)
		if err == nil {
			return addr, l.Close()
		}
	}
	return "", errors.New("no free port from 20000 to 31999")
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
		if strings.Contains(string(text), "Address already in use") {
			return errPort
		}
		return fmt.Errorf("%w; its log:\n%s", err, text)
	}
	s.mu.Lock()
	s.proc = proc
	s.mu.Unlock()
	return nil
}

func (s *Server) awaitReady(proc *child.Process) error {
	deadline := time.Now().Add(startLimit)
	for {
		received, _, err := s.report(500 * time.Millisecond) // asked too early it never answers
		if err == nil {
			var conf string
			conf, err = Ask(s.addr, "conf", 5*time.Second)
			if err == nil && !strings.Contains(conf, "dataDir="+s.file("data")) {
				return errPort // somebody else's server answered
			}
		}
		if err == nil {
			s.mu.Lock()
			s.own = received + 1 // "conf" came after
			s.mu.Unlock()
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not ready after %v: %w", startLimit, err)
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

// Restart starts the server again, on the same port and data, and waits until
// it serves. A server that still runs is killed first. Its packet counter
// starts again from zero.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.mustBeOwn("Restart")
	s.kill()
	deadline := time.Now().Add(startLimit)
	for {
		err := s.run()
		if err == nil {
			return
		}
		if !errors.Is(err, errPort) || time.Now().After(deadline) {
			t.Fatalf("restart the ZooKeeper server: %v", err)
		}
		time.Sleep(100 * time.Millisecond) // until whoever took the port is done with it
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
