package zookeeper

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"

	"leasehold.example/leasehold"
)

var (
	// errSessionOver means that a session ended, or that what was asked of it
	// may have been answered by another one.
	errSessionOver = errors.New("session is over")

	// errAgain means that an attempt was overtaken and is to be made anew.
	errAgain = errors.New("overtaken")
)

// A session is one ZooKeeper session. All that it reads is in one order, and no
// older than what it has read before. The client library would replace an
// expired session by another behind its callers' backs, and forget what it had
// seen; a session of ours ends there.
type session struct {
	conn        *zk.Conn
	hosts       string
	credentials *credentials // nil if borrowed

	// borrowed is a connection that belongs to somebody else, which goes on to
	// other sessions; id is the one that this stands for.
	borrowed bool
	id       int64

	over     chan struct{} // closed when the session has ended
	overOnce sync.Once

	mu         sync.Mutex
	up         bool
	changed    chan struct{} // closed and replaced when up changes
	lastErr    error         // of the last attempt to connect or to ask
	link       *link
	lastDown   time.Time
	failure    error            // that no attempt to connect changes, and which so ended it
	distrusted map[string]error // by host, since the last connection to it
}

// open begins a session of our own. It returns at once; wait waits for it.
func open(hosts []string, timeout time.Duration, logger *slog.Logger, c *credentials) (*session, error) {
	s := &session{
		hosts:       strings.Join(hosts, ","),
		credentials: c,
		distrusted:  map[string]error{},
		over:        make(chan struct{}),
		changed:     make(chan struct{}),
		lastDown:    time.Now(),
	}
	ready := make(chan struct{}) // conn is set
	conn, _, err := zk.Connect(hosts, timeout,
		zk.WithHostProvider(&servers{}),
		zk.WithDialer(func(network, host string, wait time.Duration) (net.Conn, error) {
			return s.dial(network, host, min(wait, timeout/3), timeout/3)
		}),
		zk.WithEventCallback(func(e zk.Event) {
			<-ready
			s.observe(e)
		}),
		zk.WithLogger(debugLog{logger}),
		zk.WithLogInfo(false),
	)
	if err != nil {
		return nil, err
	}
	s.conn = conn
	close(ready)
	return s, nil
}

// borrow returns the present session of a connection that the caller keeps.
func borrow(conn *zk.Conn) *session {
	return &session{conn: conn, hosts: conn.Server(), borrowed: true, id: conn.SessionID(), over: make(chan struct{}), up: true}
}

// present returns the session that a borrowed connection has now.
func (s *session) present() *session {
	if s.borrowed && s.conn.SessionID() != s.id {
		return borrow(s.conn)
	}
	return s
}

// same reports whether both are one session at the server.
func (s *session) same(other *session) bool {
	return s == other || s.borrowed && s.conn == other.conn && s.id == other.id
}

func (s *session) dial(network, host string, wait, handshake time.Duration) (net.Conn, error) {
	if s.isOver() {
		return nil, errSessionOver // else the library would begin another session
	}
	c, err := net.DialTimeout(network, host, wait)
	if err != nil {
		s.note(err)
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	framed := newFramedConn(s.encrypt(c, host, handshake), host, s.note)
	s.link = &link{Conn: s.login(framed, host), handshake: handshake}
	return s.link, nil
}

func (s *session) observe(e zk.Event) {
	if e.Type != zk.EventSession {
		return
	}
	switch e.State {
	case zk.StateHasSession:
		s.mu.Lock()
		s.link.established.Store(true)
		s.setUp(true)
		s.mu.Unlock()
	case zk.StateExpired:
		s.end()
	case zk.StateDisconnected:
		s.mu.Lock()
		s.setUp(false)
		s.mu.Unlock()
	}
}

func (s *session) setUp(up bool) {
	if s.up == up {
		return
	}
	s.up, s.lastDown = up, time.Now()
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *session) end() { s.overOnce.Do(func() { close(s.over) }) }

// fail ends the session because no attempt to connect can succeed.
func (s *session) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failLocked(err)
}

func (s *session) failLocked(err error) {
	if s.failure == nil {
		s.failure = err
	}
	s.end()
}

// distrust notes that there can be no connection to host. It ends the session
// when that goes for all of its hosts.
func (s *session) distrust(host string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.distrusted[host] = err
	for other := range strings.SplitSeq(s.hosts, ",") {
		if s.distrusted[other] == nil {
			return
		}
	}
	s.failLocked(err)
}

func (s *session) trust(host string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.distrusted)
}

func (s *session) isOver() bool {
	select {
	case <-s.over:
		return true
	default:
		return false
	}
}

// close ends the session, at the server too if it can be reached: its lock
// nodes are gone then.
func (s *session) close() {
	s.end()
	s.conn.Close() // returns after a second at most
	s.mu.Lock()
	last := s.link
	s.mu.Unlock()
	if last != nil {
		last.Close() // frees the library's goroutines; with TLS it can take a while
	}
}

// wait returns when the session is connected. It returns errSessionOver if it
// has ended, ErrPermission if the servers let nobody in with these credentials,
// or can't be trusted, and ErrUnreachable when ctx ends first.
func (s *session) wait(ctx context.Context) error {
	for s.borrowed && s.conn.State() != zk.StateHasSession { // its events go to its owner
		if !pause(ctx) {
			return s.unreachable(ctx)
		}
		s.id = s.conn.SessionID()
	}
	for {
		s.mu.Lock()
		up, changed, failure := s.up, s.changed, s.failure
		s.mu.Unlock()
		if failure != nil {
			return failure
		}
		if s.isOver() {
			return errSessionOver
		}
		if up {
			return nil
		}
		select {
		case <-changed:
		case <-s.over:
		case <-ctx.Done():
			return s.unreachable(ctx)
		}
	}
}

// note keeps err as the reason to give if no server comes back, nil when one
// has answered. An answer that was no ZooKeeper's is not made good by one that
// was.
func (s *session) note(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var unfit *unfitError
	switch {
	case errors.Is(err, zk.ErrConnectionClosed) && s.lastErr != nil: // it says less
	case err == nil && errors.As(s.lastErr, &unfit):
	default:
		s.lastErr = err
	}
}

// unreachable returns the error for a context that ended before the server
// answered.
func (s *session) unreachable(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.Canceled) { // no fault of the server's
		return fmt.Errorf("ZooKeeper at %s: %w", s.hosts, ctx.Err())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	why := "no answer"
	if !s.up {
		why = "no session since " + s.lastDown.UTC().Format(time.RFC3339)
	}
	if s.lastErr != nil {
		why += ": " + s.lastErr.Error()
	}
	for _, host := range slices.Sorted(maps.Keys(s.distrusted)) {
		why += ": " + s.distrusted[host].Error()
	}
	return fmt.Errorf("%w: ZooKeeper at %s: %s: %w", leasehold.ErrUnreachable, s.hosts, why, ctx.Err())
}

// call asks the server in this session, and returns as soon as ctx ends.
func call[T any](ctx context.Context, s *session, f func(*zk.Conn) (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	answers := make(chan answer, 1)
	go func() {
		value, err := f(s.conn)
		answers <- answer{value, err}
	}()
	var none T
	select {
	case a := <-answers:
		if s.borrowed && s.conn.SessionID() != s.id {
			return none, errSessionOver
		}
		return a.value, known(a.err)
	case <-s.over:
		return none, errSessionOver
	case <-ctx.Done():
		return none, s.unreachable(ctx)
	}
}

// definite are the errors by which a server says that it did not do what it was
// asked. After any other it may have.
var definite = []error{
	zk.ErrNoNode, zk.ErrNodeExists, zk.ErrBadVersion, zk.ErrNotEmpty, zk.ErrNoAuth,
	zk.ErrInvalidACL, zk.ErrNoChildrenForEphemerals, zk.ErrBadArguments, zk.ErrAPIError,
	errAuthRequired,
}

func isDefinite(err error) bool {
	for _, d := range definite {
		if errors.Is(err, d) {
			return true
		}
	}
	return false
}

// isOvertaken tells the errors by which the server says that what an attempt
// had read is no longer so.
func isOvertaken(err error) bool {
	return errors.Is(err, zk.ErrNoNode) || errors.Is(err, zk.ErrNodeExists) ||
		errors.Is(err, zk.ErrBadVersion)
}

// debugLog passes the client library's log lines on.
type debugLog struct{ *slog.Logger }

func (l debugLog) Printf(format string, args ...any) {
	l.Debug("zookeeper client: " + fmt.Sprintf(format, args...))
}
