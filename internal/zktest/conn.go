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
	conn, events, err := zk.Connect(addrs, timeout, zk.WithDialer(dial), zk.WithLogger(silent{}), zk.WithLogInfo(false))
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

type silent struct{}

func (silent) Printf(string, ...any) {}
