package zktest_test

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"leasehold.example/leasehold/internal/zktest"
)

// recorder is a test that may fail without its parent failing.
type recorder struct {
	testing.TB
	message string
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.message = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// through opens a session through a new proxy to the shared server, and one
// past it.
func through(t *testing.T) (p *zktest.Proxy, far, near *zk.Conn, path string) {
	t.Helper()
	addr := zktest.Shared(t).Addr()
	p = zktest.NewProxy(t, addr)
	return p, zktest.Conn(t, p.Addr()), zktest.Conn(t, addr), fmt.Sprintf("/%s-%d", t.Name(), paths.Add(1))
}

var paths atomic.Int64 // so that each run of a test has another

// create starts to create path and returns a channel for the outcome.
func create(conn *zk.Conn, path string) <-chan error {
	outcome := make(chan error, 1)
	go func() {
		_, err := conn.Create(path, nil, 0, zk.WorldACL(zk.PermAll))
		outcome <- err
	}()
	return outcome
}

func wantExists(t *testing.T, conn *zk.Conn, path string, want bool) {
	t.Helper()
	if got, _, err := conn.Exists(path); got != want || err != nil {
		t.Errorf("%s exists: got %v and error %v, want %v", path, got, err, want)
	}
}

func wantError(t *testing.T, got <-chan error, want error) {
	t.Helper()
	select {
	case err := <-got:
		if err != want {
			t.Errorf("got error %v, want %v", err, want)
		}
	case <-time.After(20 * time.Second):
		t.Errorf("no outcome in 20 s, want %v", want)
	}
}

func await[T any](t *testing.T, event <-chan T, what string) {
	t.Helper()
	select {
	case <-event:
	case <-time.After(20 * time.Second):
		t.Fatalf("got nothing in 20 s, want %s", what)
	}
}

// awaitSession waits until a connection that was lost has its session back.
// go-zookeeper fails requests that it is asked for while it connects.
func awaitSession(conn *zk.Conn) {
	for conn.State() != zk.StateHasSession {
		time.Sleep(time.Millisecond)
	}
}

func TestLostReply(t *testing.T) {
	t.Parallel()
	p, far, near, path := through(t)
	p.DropReplies(true)
	outcome := create(far, path)
	await(t, p.Dropped(), "a reply dropped")
	wantExists(t, near, path, true)
	p.Cut()
	wantError(t, outcome, zk.ErrConnectionClosed)
	p.DropReplies(false)
	p.Restore()
	awaitSession(far)
	wantExists(t, far, path, true) // through the proxy again
}

func TestLostRequest(t *testing.T) {
	t.Parallel()
	p, far, near, path := through(t)
	p.HoldRequests(true)
	outcome := create(far, path)
	await(t, p.Held(), "a request held")
	p.Cut()
	wantError(t, outcome, zk.ErrConnectionClosed)
	p.HoldRequests(false)
	p.Restore()
	awaitSession(far)
	wantExists(t, far, path, false)
	wantExists(t, near, path, false)
}

func TestLateRequest(t *testing.T) {
	t.Parallel()
	p, far, near, path := through(t)
	p.HoldRequests(true)
	outcome := create(far, path)
	await(t, p.Held(), "a request held")
	wantExists(t, near, path, false)
	p.HoldRequests(false)
	wantError(t, outcome, nil)
	wantExists(t, near, path, true)
}

func TestCommitsHeldAndTheRestNot(t *testing.T) {
	t.Parallel()
	p, far, near, path := through(t)
	p.HoldCommits(true)
	if err := <-create(far, path); err != nil {
		t.Fatal(err)
	}
	outcome := make(chan error, 1)
	go func() {
		_, err := far.Multi(&zk.SetDataRequest{Path: path, Data: []byte("x"), Version: -1})
		outcome <- err
	}()
	await(t, p.Held(), "the multi held")
	if data, _, err := near.Get(path); len(data) != 0 || err != nil {
		t.Errorf("got data %q and error %v, want none yet", data, err)
	}
	p.HoldCommits(false)
	wantError(t, outcome, nil)
	if data, _, err := near.Get(path); string(data) != "x" || err != nil {
		t.Errorf("got data %q and error %v, want x", data, err)
	}
}

func TestProxyForwardsWhatIsNotZooKeepersProtocol(t *testing.T) {
	t.Parallel()
	conn, err := net.Dial("tcp", zktest.NewProxy(t, zktest.Shared(t).Addr()).Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("ruok")); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(conn); string(got) != "imok" || err != nil {
		t.Errorf("got %q and error %v, want imok", got, err)
	}
}

func TestRequestDeliveredAfterItsSenderGaveUp(t *testing.T) {
	t.Parallel()
	p, far, near, path := through(t)
	_, _, created, err := near.ExistsW(path)
	if err != nil {
		t.Fatal(err)
	}
	p.HoldRequests(true)
	outcome := create(far, path)
	await(t, p.Held(), "a request held")
	p.Strand()
	wantError(t, outcome, zk.ErrConnectionClosed)
	wantExists(t, near, path, false)
	p.Deliver()
	await(t, created, "the request delivered")
}

func TestMutedProxyForwardsLater(t *testing.T) {
	t.Parallel()
	p, far, near, path := through(t)
	p.Mute(true)
	outcome := create(far, path)
	select {
	case err := <-outcome:
		t.Fatalf("got an outcome (%v) through a muted proxy", err)
	case <-time.After(50 * time.Millisecond):
	}
	wantExists(t, near, path, false)
	p.Mute(false)
	wantError(t, outcome, nil)
}
