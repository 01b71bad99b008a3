package faultlab

import (
	"net"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"leasehold.example/leasehold/internal/zktest"
)

// session is Conn's timeout; a session lasts through a change of leaders.
const session = 6 * time.Second

// Conn opens a session from the observer's place, with all servers to choose
// from, that ends with the test. It moves on from a server that is stopped or
// cut off within four seconds.
func (l *Lab) Conn(t testing.TB) *zk.Conn {
	t.Helper()
	return zktest.Session(t, l.Addrs(), session, dial)
}

func dial(network, addr string, timeout time.Duration) (net.Conn, error) {
	conn, err := net.DialTimeout(network, addr, timeout)
	if err != nil {
		return nil, err
	}
	return clamped{conn}, nil
}

// A clamped connection waits no longer for anything than the client library
// waits for a reply: for a handshake it would wait ten times that.
type clamped struct{ net.Conn }

func clamp(t time.Time) time.Time {
	if last := time.Now().Add(session * 2 / 3); t.After(last) {
		return last
	}
	return t
}

func (c clamped) SetDeadline(t time.Time) error      { return c.Conn.SetDeadline(clamp(t)) }
func (c clamped) SetReadDeadline(t time.Time) error  { return c.Conn.SetReadDeadline(clamp(t)) }
func (c clamped) SetWriteDeadline(t time.Time) error { return c.Conn.SetWriteDeadline(clamp(t)) }
