package zktest

import (
	"net"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
)

// Conn opens a session that ends with the test. Its timeout of 60 s keeps
// pings out of packet counts for 20 s of idleness.
func Conn(t testing.TB, addr string) *zk.Conn {
	t.Helper()
	return Session(t, []string{addr}, 60*time.Second, net.DialTimeout)
}

// Session opens a session with one of the servers that ends with the test.
// The client library logs nothing.
func Session(t testing.TB, addrs []string, timeout time.Duration, dial zk.Dialer) *zk.Conn {
	t.Helper()
	impatient := func(network, addr string, timeout time.Duration) (net.Conn, error) {
		conn, err := dial(network, addr, timeout)
		if err != nil {
			return nil, err
		}
		return &answering{Conn: conn}, nil
	}
	conn, events, err := zk.Connect(addrs, timeout, zk.WithDialer(impatient), zk.WithLogger(silent{}), zk.WithLogInfo(false))
	if err != nil {
		t.Fatalf("connect to %v: %v", addrs, err)
	}
	t.Cleanup(conn.Close)
	limit := time.After(20 * time.Second)
	for {
		select {
		case e := <-events:
			if e.State == zk.StateHasSession {
				return conn
			}
		case <-limit:
			t.Fatalf("no session with %v in 20 s", addrs)
		}
	}
}

// An answering connection fails if the server is silent at first. The library
// would wait 400 s for an answer to its first request. ZooKeeper 3.8.0 never
// answers one that comes while it starts, before it has a database: closing the
// connection ends in a NullPointerException there, and leaves it open.
type answering struct {
	net.Conn
	answered bool
}

func (a *answering) Read(b []byte) (int, error) {
	if !a.answered {
		a.answered = true
		if err := a.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
			return 0, err
		}
	}
	return a.Conn.Read(b)
}

type silent struct{}

func (silent) Printf(string, ...any) {}
