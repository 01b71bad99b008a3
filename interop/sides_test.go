package interop_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/kazootest"
	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/kazoo"
	"leasehold.example/leasehold/zookeeper"
)

func TestMain(m *testing.M) { zktest.Main(m) }

// within bounds every call; none should come near it.
const within = 30 * time.Second

// A lab has one server, real kazoo, and a look at the nodes from outside.
type lab struct {
	peer *kazootest.Peer
	conn *zk.Conn
}

func newLab(t *testing.T) *lab {
	t.Helper()
	addr := zktest.Shared(t).Addr()
	return &lab{peer: kazootest.Start(t, addr), conn: zktest.Conn(t, addr)}
}

// goHost returns a Client in a session of its own, as a host has it. options
// go into the URL.
func goHost(t *testing.T, holder string, now func() time.Time, options string) *leasehold.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	store, err := zookeeper.Open(ctx, "zk://"+zktest.Shared(t).Addr()+options, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Errorf("close the store of %s: %v", holder, err)
		}
	})
	return &leasehold.Client{Store: store, Holder: holder, Now: now}
}

// A clock is set by the test and read by both sides.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
}

// record returns the bytes of the record at path, nil where there is none.
func (l *lab) record(t *testing.T, path string) []byte {
	t.Helper()
	data, _, err := l.conn.Get(path + "/" + kazoo.RecordName)
	if errors.Is(err, zk.ErrNoNode) {
		return nil
	}
	if err != nil {
		t.Fatalf("get the record of %s: %v", path, err)
	}
	return data
}

func (l *lab) wantRecord(t *testing.T, path string, want []byte) {
	t.Helper()
	if got := l.record(t, path); string(got) != string(want) {
		t.Errorf("record of %s: got %.200q, want %.200q", path, got, want)
	}
}

// put writes data as the record of path, which need not exist.
func (l *lab) put(t *testing.T, path string, data []byte) {
	t.Helper()
	l.create(t, path)
	node := path + "/" + kazoo.RecordName
	for {
		_, err := l.conn.Set(node, data, -1)
		if errors.Is(err, zk.ErrNoNode) {
			_, err = l.conn.Create(node, data, 0, zk.WorldACL(zk.PermAll))
		}
		if errors.Is(err, zk.ErrNodeExists) {
			continue // another side was first
		}
		if err != nil {
			t.Fatalf("put a record at %s: %v", path, err)
		}
		return
	}
}

func (l *lab) create(t *testing.T, path string) {
	t.Helper()
	parent := ""
	for name := range strings.SplitSeq(path[1:], "/") {
		parent += "/" + name
		_, err := l.conn.Create(parent, nil, 0, zk.WorldACL(zk.PermAll))
		if err != nil && !errors.Is(err, zk.ErrNodeExists) {
			t.Fatalf("create %s: %v", parent, err)
		}
	}
}

// wantNoDebris fails the test if below path is anything but the record and at
// most one grant node.
func (l *lab) wantNoDebris(t *testing.T, path string) {
	t.Helper()
	names, _, err := l.conn.Children(path)
	if err != nil {
		t.Fatalf("children of %s: %v", path, err)
	}
	grants := 0
	for _, name := range names {
		if strings.HasPrefix(name, "grant-") {
			grants++
		} else if name != kazoo.RecordName {
			t.Errorf("below %s: got %q, want nothing but the record and its grant node", path, name)
		}
	}
	if grants > 1 || !slices.Contains(names, kazoo.RecordName) {
		t.Errorf("below %s: got %q, want the record and at most one grant node", path, names)
	}
}

// obtained tells a grant from a denial; any other error fails the test.
func obtained(t *testing.T, err error) bool {
	t.Helper()
	if err != nil && !errors.Is(err, leasehold.ErrHeld) {
		t.Errorf("got error %v, want a grant or a denial", err)
	}
	return err == nil
}

// marshal is the record that holder is granted at now for d.
func marshal(t *testing.T, holder string, now time.Time, d time.Duration) []byte {
	t.Helper()
	data, err := kazoo.NewRecord(holder, now, d).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func slotPath(path string, slot int) string { return fmt.Sprintf("%s/%d", path, slot) }

var paths atomic.Int64

// freshPath returns a path that no other test has, nor another run of this one.
func freshPath(t *testing.T) string { return fmt.Sprintf("/%s-%d", t.Name(), paths.Add(1)) }
