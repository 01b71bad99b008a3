package zookeeper_test

import (
	"errors"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/zktest"
)

// What the servers refuse for good has a cause that people can act on.
func TestRejected(t *testing.T) {
	t.Parallel()
	server := zktest.StartWith(t, zktest.Config{Extra: "enforceQuota=true"})
	conn := zktest.Conn(t, server.Addr())
	s := open(t, server.Addr())
	wants := func(path string, want error) {
		t.Helper()
		if _, err := client(s, "host-a").TryAcquire(t.Context(), path, time.Minute); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", path, err, want)
		}
	}
	if _, err := conn.Create("/short", nil, zk.FlagEphemeral, zk.WorldACL(zk.PermAll)); err != nil {
		t.Fatal(err)
	}
	wants("/short", leasehold.ErrUnusablePath)
	wants("/short/a/b", leasehold.ErrUnusablePath)

	create(t, conn, "/full", "")
	create(t, conn, "/zookeeper/quota/full", "")
	create(t, conn, "/zookeeper/quota/full/zookeeper_stats", "count=1,bytes=0")
	create(t, conn, "/zookeeper/quota/full/zookeeper_limits", "count=1,bytes=-1;byteHardLimit=-1;countHardLimit=1")
	wants("/full", leasehold.ErrFull)
	wants("/full/a", leasehold.ErrFull)
}
