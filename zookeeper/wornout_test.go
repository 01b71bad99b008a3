package zookeeper_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/zktest"
)

// Past 2^31 children of a path all lock nodes have the same number, and kazoo's
// lock excludes nobody: nothing is granted, whether it is held or not.
func TestWornOutPath(t *testing.T) {
	t.Parallel()
	server := zktest.Start(t)
	const path = "/worn"
	conn := zktest.Conn(t, server.Addr())
	expire(t, conn, path, "host-p")
	conn.Close()
	server.WearOut(t, path)

	conn = zktest.Conn(t, server.Addr())
	s := open(t, server.Addr())
	refused := func(when string) {
		t.Helper()
		_, err := client(s, "host-a").TryAcquire(t.Context(), path, time.Minute)
		if !errors.Is(err, leasehold.ErrUnusablePath) || !strings.Contains(err.Error(), "use another path, or remove it") {
			t.Errorf("%s: got %v, want ErrUnusablePath and what to do", when, err)
		}
		if data, _ := read(t, conn, path); !strings.Contains(data, "host-p") {
			t.Errorf("%s: got the record %s, want that of host-p", when, data)
		}
	}
	refused("nobody queues")
	wantNoDebris(t, conn, path)

	lock, err := conn.Create(path+lockNode, nil, zk.FlagEphemeral|zk.FlagSequence, zk.WorldACL(zk.PermAll))
	if err != nil || !strings.HasSuffix(lock, "2147483647") {
		t.Fatalf("got lock node %s and error %v, want the number 2147483647", lock, err)
	}
	refused("kazoo's lock is held")

	if err := conn.Delete(lock, -1); err != nil {
		t.Fatal(err)
	}
	wantNoDebris(t, conn, path)
	for _, name := range []string{"/lease_holder", ""} {
		if err := conn.Delete(path+name, -1); err != nil {
			t.Fatal(err)
		}
	}
	acquire(t, s, "host-a", path) // made anew
}
