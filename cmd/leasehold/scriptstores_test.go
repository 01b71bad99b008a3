package main

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/go-zookeeper/zk"
	"github.com/rogpeppe/go-internal/testscript"

	"leasehold.example/leasehold/internal/zktest"
)

// recordFile returns the file of a record, "" if the store is not a directory.
func recordFile(ts *testscript.TestScript, path string) string {
	if dir, ok := strings.CutPrefix(ts.Getenv("LEASEHOLD_STORE"), "dir:"); ok {
		return filepath.Join(dir, path, "lease_holder")
	}
	return ""
}

// withZooKeeper calls f with a connection to the store and a znode's whole
// path.
func withZooKeeper(ts *testscript.TestScript, path string, f func(conn *zk.Conn, znode string)) {
	rest, ok := strings.CutPrefix(ts.Getenv("LEASEHOLD_STORE"), "zk://")
	if !ok {
		ts.Fatalf("the store is %s", ts.Getenv("LEASEHOLD_STORE"))
	}
	host, chroot, _ := strings.Cut(rest, "/")
	if chroot != "" {
		path = "/" + chroot + path
	}
	f(connection(ts, host), path)
}

// connections hold one connection for each server, since a session takes its
// time to open.
var (
	connectionsMu sync.Mutex
	connections   = map[string]*zk.Conn{}
)

func connection(ts *testscript.TestScript, host string) *zk.Conn {
	connectionsMu.Lock()
	defer connectionsMu.Unlock()
	if connections[host] == nil {
		conn, _, err := zk.Connect([]string{host}, patience, zk.WithLogger(silent{}))
		ts.Check(err)
		connections[host] = conn
	}
	return connections[host]
}

type silent struct{}

func (silent) Printf(string, ...any) {}

func cmdPlant(ts *testscript.TestScript, args []string) {
	data := []byte(strings.TrimSuffix(ts.ReadFile(args[1]), "\n"))
	if file := recordFile(ts, args[0]); file != "" {
		ts.Check(os.WriteFile(file, data, 0o600))
		return
	}
	withZooKeeper(ts, args[0]+"/lease_holder", func(conn *zk.Conn, znode string) {
		_, err := conn.Set(znode, data, -1)
		ts.Check(err)
	})
}

func cmdRecord(ts *testscript.TestScript, args []string) {
	var data []byte
	var err error
	if file := recordFile(ts, args[0]); file != "" {
		data, err = os.ReadFile(file)
	} else {
		withZooKeeper(ts, args[0]+"/lease_holder", func(conn *zk.Conn, znode string) {
			data, _, err = conn.Get(znode)
		})
	}
	ts.Check(err)
	_, err = ts.Stdout().Write(append(data, '\n'))
	ts.Check(err)
}

// cmdZnode creates a znode below a lease: znode PATH creates it as it is, and
// its parents.
func cmdZnode(ts *testscript.TestScript, args []string) {
	withZooKeeper(ts, args[0], func(conn *zk.Conn, znode string) {
		for i := 1; i <= len(znode); i++ {
			if i == len(znode) || znode[i] == '/' {
				if _, err := conn.Create(znode[:i], nil, 0, zk.WorldACL(zk.PermAll)); err != nil && err != zk.ErrNodeExists {
					ts.Fatalf("create %s: %v", znode[:i], err)
				}
			}
		}
	})
}

// cmdProtect lets nobody do more than read a znode that exists.
func cmdProtect(ts *testscript.TestScript, args []string) {
	withZooKeeper(ts, args[0], func(conn *zk.Conn, znode string) {
		_, err := conn.SetACL(znode, zk.WorldACL(zk.PermRead), -1)
		ts.Check(err)
	})
}

// servers holds a *zktest.Server for each script that has its own.
var servers sync.Map

func cmdEnsemble(t *testing.T, ts *testscript.TestScript) {
	s := zktest.Start(t)
	servers.Store(ts, s)
	ts.Setenv("LEASEHOLD_STORE", "zk://"+s.Addr())
	keepLocksApart(ts)
}

// keepLocksApart gives a script whose leases have the same whole paths as another's
// a directory of its own for locks.
func keepLocksApart(ts *testscript.TestScript) {
	dir := ts.MkAbs("locks")
	ts.Check(os.Mkdir(dir, 0o700))
	ts.Setenv("LEASEHOLD_RUNTIME_DIR", dir)
}

func ownServer(ts *testscript.TestScript) *zktest.Server {
	s, ok := servers.Load(ts)
	if !ok {
		ts.Fatalf("no ensemble was started")
	}
	return s.(*zktest.Server)
}
