package zookeeper_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/kazoo"
	"leasehold.example/leasehold/leasetest"
	"leasehold.example/leasehold/zookeeper"
)

func TestMain(m *testing.M) { zktest.Main(m) }

func TestStore(t *testing.T) {
	address := zktest.Shared(t).Addr() + freshPath(t)
	leasetest.RunStore(t, func(t *testing.T) leasehold.Store { return open(t, address) })
}

func TestStoreWithoutGuard(t *testing.T) {
	address := zktest.Shared(t).Addr() + freshPath(t) + "?guard=off"
	leasetest.RunStore(t, func(t *testing.T) leasehold.Store { return open(t, address) })
}

var paths atomic.Int64

// freshPath returns a path that no other test uses.
func freshPath(t testing.TB) string {
	name := strings.Map(func(c rune) rune {
		if c == '/' {
			return '-'
		}
		return c
	}, t.Name())
	return "/" + name + "-" + time.Now().Format("150405.000000") + "-" + string(rune('a'+paths.Add(1)%26))
}

// open opens a store at host:port/chroot, with a session that sends no pings
// while a test counts packets.
func open(t testing.TB, address string) *zookeeper.Store {
	t.Helper()
	return openWith(t, address, &zookeeper.Options{SessionTimeout: time.Minute})
}

func openWith(t testing.TB, address string, options *zookeeper.Options) *zookeeper.Store {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	s, err := zookeeper.Open(ctx, "zk://"+address, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func client(s leasehold.Store, holder string) *leasehold.Client {
	return &leasehold.Client{Store: s, Holder: holder}
}

func acquire(t testing.TB, s leasehold.Store, holder, path string) *leasehold.Lease {
	t.Helper()
	l, err := client(s, holder).TryAcquire(t.Context(), path, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// expire leaves an expired record of kazoo's at path.
func expire(t testing.TB, conn *zk.Conn, path, holder string) {
	t.Helper()
	create(t, conn, path, "")
	create(t, conn, path+"/lease_holder", recordOf(t, holder, time.Now().Add(-time.Hour)))
}

func recordOf(t testing.TB, holder string, end time.Time) string {
	t.Helper()
	data, err := kazoo.NewRecord(holder, end, 0).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func create(t testing.TB, conn *zk.Conn, path, data string) {
	t.Helper()
	if _, err := conn.Create(path, []byte(data), 0, zk.WorldACL(zk.PermAll)); err != nil {
		t.Fatalf("create %s: %v", path, err)
	}
}

// read returns the record at path and the version of its node.
func read(t testing.TB, conn *zk.Conn, path string) (string, int32) {
	t.Helper()
	data, stat, err := conn.Get(path + "/lease_holder")
	if err != nil {
		t.Fatalf("read the record of %s: %v", path, err)
	}
	return string(data), stat.Version
}

// wantNoDebris fails unless there is nothing below path but the record and at
// most one grant node. Lock nodes of sessions that are being closed may take a
// moment.
func wantNoDebris(t testing.TB, conn *zk.Conn, path string) {
	t.Helper()
	var names []string
	for range 100 {
		var err error
		if names, _, err = conn.Children(path); err != nil && !errors.Is(err, zk.ErrNoNode) {
			t.Fatal(err)
		}
		grants, others := 0, 0
		for _, name := range names {
			switch {
			case strings.HasPrefix(name, "grant-"):
				grants++
			case name != "lease_holder":
				others++
			}
		}
		if grants <= 1 && others == 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("below %s: got %q, want lease_holder and at most one grant node", path, names)
}

func wantHolder(t testing.TB, s leasehold.Store, path, holder string) {
	t.Helper()
	got, err := client(s, "observer").Status(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if got.State != leasehold.Held || got.Holder != holder {
		t.Errorf("lease %s: got %s by %q, want held by %q", path, got.State, got.Holder, holder)
	}
}
