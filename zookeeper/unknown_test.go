package zookeeper_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/zktest"
)

// The reply to a commit is lost, and when the outcome is looked up the server
// refuses: what became of the commit is not known then.
func TestRefusedWhileTheOutcomeIsUnknown(t *testing.T) {
	t.Parallel()
	server := zktest.Shared(t)
	proxy := zktest.NewProxy(t, server.Addr())
	conn := zktest.Conn(t, server.Addr())
	path := freshPath(t)
	expire(t, conn, path, "host-p")
	s := openWith(t, proxy.Addr(), quick)
	var once sync.Once
	s.BeforeCommit(func() {
		once.Do(func() {
			proxy.DropReplies(true)
			go func() {
				<-proxy.Dropped()
				if _, err := conn.SetACL(path, zk.WorldACL(zk.PermAdmin), -1); err != nil {
					t.Error(err)
				}
				proxy.DropReplies(false)
			}()
		})
	})
	_, err := client(s, "host-a").TryAcquire(t.Context(), path, time.Minute)
	if !errors.Is(err, leasehold.ErrOutcomeUnknown) || !errors.Is(err, leasehold.ErrPermission) {
		t.Errorf("got %v, want ErrOutcomeUnknown and ErrPermission", err)
	}
	wantHolder(t, open(t, server.Addr()), path, "host-a") // it had been committed
}
