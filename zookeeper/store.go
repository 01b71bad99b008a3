// Package zookeeper is the lease store on Apache ZooKeeper 3.6 or later. It
// shares its leases with Python's kazoo (kazoo.recipe.lease).
//
// docs/protocol.md says what it does on the wire, and why.
package zookeeper

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-zookeeper/zk"

	"leasehold.example/leasehold"
)

// ErrQueued means that a context ended while a client of kazoo held its lock on
// the lease path, or others queued for it. Nothing was written.
var ErrQueued = errors.New("still queued behind kazoo's lock")

// errClosed is final: no attempt can change it.
var errClosed = errors.New("the store is closed")

// Options are a Store's settings; nil means all defaults.
type Options struct {
	// SessionTimeout is proposed to the server, which may change it. After a
	// crash of this process its lock node, if it had one, stays for as long.
	// 0 means 10 s, which is kazoo's.
	SessionTimeout time.Duration

	// TLS, if not nil or with a URL of zks://, is how connections are
	// encrypted: TLS 1.2 or later, whatever it says. The servers' certificates
	// must be for the hosts as they are in the URL, unless it has a ServerName,
	// and from its RootCAs or, with none, the system's.
	TLS *tls.Config

	// Auth is who the Store is to the servers.
	Auth Auth

	// ACL is put on the nodes that the Store creates, like [CreatorACL]; nodes
	// that exist keep theirs. nil means [OpenACL].
	ACL []zk.ACL

	// Lag is by how much a follower may trail the leader: syncLimit ×
	// tickTime of the servers' configuration, if that is more than 10 s. A
	// renewal that is sent with less than this left until the lease's end
	// takes a second look for a client of kazoo that is taking the lease
	// over. 0 means 10 s.
	Lag time.Duration

	// Logger is told of connections made and lost, at level Debug.
	Logger *slog.Logger
}

const (
	defaultTimeout = 10 * time.Second
	defaultLag     = 10 * time.Second
	minTimeout     = 100 * time.Millisecond
	maxTimeout     = 24 * time.Hour
)

// A Store keeps leases on ZooKeeper. Open or New makes one.
type Store struct {
	address
	options     Options      // without TLS and Auth
	credentials *credentials // nil if the connection is borrowed

	// connect begins a session, or returns the one that a borrowed connection
	// has now.
	connect  func() *session
	borrowed bool

	mu      sync.Mutex
	current *session
	closed  bool

	tidying tally // what goes on after its caller's context has ended
	stamp   atomic.Pointer[leasehold.Stamp]
	parent  atomic.Pointer[string] // of the last lease path that was made; most are made below the same

	beforeCommit func() // for tests
}

var _ leasehold.Store = (*Store)(nil)

// Open connects to the ensemble at url, like
//
//	zk://a.example:2181,b.example,[::1]:2182/chroot
//
// The port is 2181 where there is none. All leases are below the chroot, which
// is made along with the first of them. With zks:// instead of zk:// connections
// are TLS, by Options.TLS. The option "?guard=off" makes every
// grant take kazoo's queue, for servers whose count of children can't be
// trusted: those before 3.6, and other servers that speak the protocol.
//
// It returns an [*leasehold.ArgumentError] for a bad url or Auth, and
// ErrUnreachable, naming the hosts, if there is no session at ctx's deadline; so
// give it one. It returns ErrPermission at once if the SASL user or the password
// is not accepted, and when no host is one to talk to: one side does not accept
// the other's certificate, or the host has no such users, or does not prove that
// it knows the password. A digest user is told apart only by ACLs, so a wrong password
// shows when a node is asked for.
func Open(ctx context.Context, url string, options *Options) (*Store, error) {
	a, err := parseURL(url)
	if err != nil {
		return nil, err
	}
	if options == nil {
		options = &Options{}
	}
	s := newStore(a, options)
	s.credentials, err = newCredentials(options.TLS, a.tls, options.Auth)
	if err != nil {
		return nil, err
	}
	if t := s.options.SessionTimeout; t < minTimeout || t > maxTimeout {
		return nil, &leasehold.ArgumentError{Name: "session timeout", Value: t.String(), Want: fmt.Sprintf("must be from %s to %s", minTimeout, maxTimeout)}
	}
	s.connect = func() *session {
		return open(a.hosts, s.options.SessionTimeout, s.options.Logger, s.credentials)
	}
	if _, err := s.session(ctx); err != nil {
		go s.Close() // takes a second when no server answers
		return nil, err
	}
	return s, nil
}

// New returns a Store on a connection that the caller has, and that Close
// leaves open. Prefer Open, which has a client of its own: on a foreign
// connection a Store can't tell a lost session before it asks, and can't end
// one to be rid of a lock node: that may then stay for as long as the session
// lives, up to two minutes are spent on removing it. Requests are slower, too.
// TLS and authentication are those of the connection, and the ones in options
// are not used. Nor are the servers' answers looked at before the connection
// takes them in, which malformed ones make panic.
func New(conn *zk.Conn, options *Options) *Store {
	s := newStore(address{}, options)
	s.borrowed = true
	s.connect = func() *session { return borrow(conn) }
	return s
}

func newStore(a address, options *Options) *Store {
	s := &Store{address: a}
	if options != nil {
		s.options = *options
	}
	s.options.TLS, s.options.Auth = nil, Auth{}
	if s.options.SessionTimeout == 0 {
		s.options.SessionTimeout = defaultTimeout
	}
	if s.options.ACL == nil {
		s.options.ACL = OpenACL()
	}
	if s.options.Lag == 0 {
		s.options.Lag = defaultLag
	}
	if s.options.Logger == nil {
		s.options.Logger = slog.New(slog.DiscardHandler)
	}
	return s
}

// session returns a connected session. It returns ErrUnreachable when ctx ends
// first.
func (s *Store) session(ctx context.Context) (*session, error) {
	for {
		current, err := s.begin()
		if err != nil {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, current.unreachable(ctx)
		}
		err = current.wait(ctx)
		if errors.Is(err, leasehold.ErrPermission) {
			s.retire(current)
		}
		if !errors.Is(err, errSessionOver) {
			return current, err
		}
		if !pause(ctx) { // a server may end every session at once
			return nil, current.unreachable(ctx)
		}
	}
}

func (s *Store) begin() (*session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	if s.borrowed || s.current == nil || s.current.isOver() {
		if s.current != nil && !s.borrowed {
			s.retireLocked(s.current)
		}
		s.current = s.connect()
	}
	return s.current, nil
}

// retire ends a session, unless it is borrowed.
func (s *Store) retire(old *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retireLocked(old)
}

func (s *Store) retireLocked(old *session) {
	old.end()
	if !s.borrowed {
		s.tidying.Go(old.close)
	}
}

// tidyTime bounds what is tidied up after a caller's context has ended, and
// tidyWait how long the caller waits for that.
const (
	tidyTime = 5 * time.Second
	tidyWait = 80 * time.Millisecond
)

// tidy runs f with a context of its own. It returns when f has, or a little
// after ctx has ended.
func (s *Store) tidy(ctx context.Context, f func(ctx context.Context)) {
	done := make(chan struct{})
	s.tidying.Go(func() {
		defer close(done)
		own, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.tidyLimit())
		defer cancel()
		f(own)
	})
	select {
	case <-done:
		return
	case <-ctx.Done():
	}
	select {
	case <-done:
	case <-time.After(tidyWait):
	}
}

// insist calls f, which must not be forgotten halfway, and returns its error.
// If ctx or the session ends first, or the connection is lost, clean is called
// in the background once f has returned, with f's error.
func (s *Store) insist(ctx context.Context, sess *session, f func() error, clean func(own context.Context, err error)) error {
	var (
		mu        sync.Mutex
		abandoned bool
		done      = make(chan error, 1)
	)
	s.tidying.Go(func() {
		err := f()
		mu.Lock()
		heard := !abandoned
		if heard {
			done <- err
		}
		mu.Unlock()
		if heard && (err == nil || isDefinite(err)) {
			return
		}
		own, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.tidyLimit())
		defer cancel()
		clean(own, err)
	})
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	case <-sess.over:
	}
	mu.Lock()
	defer mu.Unlock()
	select {
	case err := <-done: // in the nick of time
		return err
	default:
		abandoned = true
	}
	if ctx.Err() != nil {
		return sess.unreachable(ctx)
	}
	return errSessionOver
}

// retry calls f with a connected session until it fails otherwise than by the
// loss of the connection, or ctx ends.
func retry[T any](ctx context.Context, s *Store, f func(*session) (T, error)) (T, error) {
	for {
		var none T
		sess, err := s.session(ctx)
		if err != nil {
			return none, err
		}
		v, err := f(sess)
		if err == nil || isDefinite(err) {
			return v, err
		}
		if ctx.Err() != nil {
			return none, sess.unreachable(ctx)
		}
		sess.note(err)
		if !pause(ctx) {
			return none, sess.unreachable(ctx)
		}
	}
}

// pause waits a moment before another attempt. It reports false when ctx has
// ended.
func pause(ctx context.Context) bool { return sleep(ctx, 20*time.Millisecond) }

// Close ends the session, unless the connection is borrowed, after waiting up
// to 5 s for what is still to be tidied up. Leases are not released.
func (s *Store) Close() error {
	select {
	case <-s.tidying.idle():
	case <-time.After(tidyTime):
	}
	s.mu.Lock()
	last := s.current
	s.current, s.closed = nil, true
	s.mu.Unlock()
	if last != nil && !s.borrowed {
		last.close()
	}
	return nil
}

// tidyLimit is tidyTime, but on a borrowed connection, whose session can't be
// ended, longer than a session lasts without its connection.
func (s *Store) tidyLimit() time.Duration {
	if s.borrowed {
		return 2 * time.Minute
	}
	return tidyTime
}
