package zookeeper

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A link is a connection to a server, until its handshake is over with bounds
// that the client library does not set: it would wait ten times longer than it
// waits for anything else, and without end for the rest of an answer of which
// four bytes have come.
type link struct {
	net.Conn
	handshake   time.Duration // bound on each wait before the session is there
	established atomic.Bool
}

func (l *link) SetReadDeadline(t time.Time) error  { return l.Conn.SetReadDeadline(l.clamp(t)) }
func (l *link) SetWriteDeadline(t time.Time) error { return l.Conn.SetWriteDeadline(l.clamp(t)) }

func (l *link) clamp(t time.Time) time.Time {
	limit := time.Now().Add(l.handshake)
	if !l.established.Load() && (t.IsZero() || t.After(limit)) {
		return limit
	}
	return t
}

// servers is a zk.HostProvider that leaves host names to the dialer, so that
// they are resolved at each connection and one that can't be resolved does not
// matter while others can. The client library's own resolves them once.
type servers struct {
	mu         sync.Mutex
	hosts      []string
	next, last int // last is where the present round of attempts began
}

func (s *servers) Init(hosts []string) error {
	s.hosts, s.next, s.last = hosts, 0, -1
	return nil
}

func (s *servers) Len() int { return len(s.hosts) }

// Next returns the next server, and whether all have been tried in vain since
// the last connection.
func (s *servers) Next() (host string, retryStart bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.next
	s.next = (s.next + 1) % len(s.hosts)
	retryStart = i == s.last
	if s.last < 0 {
		s.last = i
	}
	return s.hosts[i], retryStart
}

func (s *servers) Connected() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = (s.next + len(s.hosts) - 1) % len(s.hosts)
}
