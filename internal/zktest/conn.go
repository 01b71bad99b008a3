package zktest

import (
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
)

// Conn opens a session that ends with the test. Its timeout of 60 s keeps
// pings out of packet counts for 20 s of idleness.
// The client library logs nothing.
func Conn(t testing.TB, addr string) *zk.Conn {
	t.Helper()
	conn, events, err := zk.Connect([]string{addr}, 60*time.Second, zk.WithLogger(silent{}), zk.WithLogInfo(false))
	if err != nil {
		t.Fatalf("connect to %s: %v", addr, err)
	}
	t.Cleanup(conn.Close)
	timeout := time.After(20 * time.Second)
	for {
		select {
		case e := <-events:
			if e.State == zk.StateHasSession {
				return conn
			}
		case <-timeout:
			t.Fatalf("no session with %s in 20 s", addr)
		}
	}
}

type silent struct{}

func (silent) Printf(string, ...any) {}
