package zookeeper_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/zookeeper"
)

// losesAReply returns a Store on a path whose record has ended. The reply to its
// first commit is lost, and then meanwhile is called.
func losesAReply(t *testing.T, server *zktest.Server, meanwhile func(conn *zk.Conn, path string)) (s *zookeeper.Store, path string) {
	t.Helper()
	proxy := zktest.NewProxy(t, server.Addr())
	conn := zktest.Conn(t, server.Addr())
	path = freshPath(t)
	expire(t, conn, path, "host-p")
	s = openWith(t, proxy.Addr(), quick)
	var once sync.Once
	s.BeforeCommit(func() {
		once.Do(func() {
			proxy.DropReplies(true)
			go func() {
				<-proxy.Dropped()
				meanwhile(conn, path)
				proxy.DropReplies(false)
			}()
		})
	})
	return s, path
}

// When the outcome is looked up the server refuses: what became of the commit is
// not known then.
func TestRefusedWhileTheOutcomeIsUnknown(t *testing.T) {
	t.Parallel()
	server := zktest.Start(t) // of its own: others list all that is on the shared one
	s, path := losesAReply(t, server, func(conn *zk.Conn, path string) {
		if _, err := conn.SetACL(path, zk.WorldACL(zk.PermAdmin), -1); err != nil {
			t.Error(err)
		}
	})
	_, err := client(s, "host-a").TryAcquire(t.Context(), path, time.Minute)
	if !errors.Is(err, leasehold.ErrOutcomeUnknown) || !errors.Is(err, leasehold.ErrPermission) {
		t.Errorf("got %v, want ErrOutcomeUnknown and ErrPermission", err)
	}
	wantHolder(t, open(t, server.Addr()), path, "host-a") // it had been committed
}

// By now another lease's commit has shown that the clock is off, so that nothing
// may be granted: what is there is our own grant, and no reason to say that
// there is none.
func TestOwnCommitIsNoReasonToRefuse(t *testing.T) {
	t.Parallel()
	s, path := losesAReply(t, zktest.Shared(t), func(*zk.Conn, string) {})
	data := []byte(recordOf(t, "host-a", time.Now().Add(time.Minute)))
	e, _, err := s.Grant(t.Context(), leasehold.Entry{Path: path}, func(old leasehold.Entry) (leasehold.Proposal, error) {
		if string(old.Data) == string(data) {
			return leasehold.Proposal{}, &leasehold.ClockSkewError{Path: path, Least: time.Hour, Most: time.Hour, Limit: time.Second}
		}
		return leasehold.Proposal{Data: data, Undo: old.Data}, nil
	})
	if err != nil || string(e.Data) != string(data) {
		t.Errorf("got the record %s and error %v, want the grant that was committed", e.Data, err)
	}
}

// A refusal that is none of the protocol's own is told, and not taken for an
// unknown outcome.
func TestQuota(t *testing.T) {
	t.Parallel()
	server := zktest.StartWith(t, zktest.Config{Extra: "enforceQuota=true\n"})
	conn := zktest.Conn(t, server.Addr())
	create(t, conn, "/jobs", "")
	create(t, conn, "/zookeeper/quota/jobs", "")
	create(t, conn, "/zookeeper/quota/jobs/zookeeper_limits", "count=-1,bytes=-1,countHardLimit=1,byteHardLimit=-1")
	create(t, conn, "/zookeeper/quota/jobs/zookeeper_stats", "count=1,bytes=0")
	_, err := client(open(t, server.Addr()), "host-a").TryAcquire(t.Context(), "/jobs/one", time.Minute)
	if err == nil || errors.Is(err, leasehold.ErrOutcomeUnknown) || !strings.Contains(err.Error(), "quota is exceeded") {
		t.Errorf("got %v, want that the quota is exceeded", err)
	}
}
