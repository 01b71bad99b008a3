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

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/background"
	"leasehold.example/leasehold/zookeeper/internal/zk"
)

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
	ACL ACL

	// Lag is by how much a follower may trail the leader: syncLimit ×
	// tickTime of the servers' configuration, if that is more than 10 s. A
	// renewal that is answered with less than this left until the lease's
	// end checks whether a client of kazoo is taking the lease over. 0 means 10 s.
	Lag time.Duration

	// Logger gets a line for each connection made or lost, at level Debug, and a
	// warning when this host's clocks seem to have stood still.
	Logger *slog.Logger
}

const (
	defaultTimeout = 10 * time.Second
	defaultLag     = 10 * time.Second
	maxTimeout     = 24 * time.Hour
)

// A Store keeps leases on ZooKeeper. Open makes one.
type Store struct {
	url         URL
	options     Options // without TLS and Auth
	credentials *credentials
	acl         []zk.ACL

	mu      sync.Mutex
	current *session
	closed  bool

	connection context.Context // ends with the next loss of the connection
	disconnect context.CancelFunc

	background background.Group // what goes on after its caller's context has ended
	stamp      atomic.Pointer[leasehold.Stamp]
	missing    atomic.Pointer[leasehold.Instant] // see TimeMissing
	madeChroot atomic.Bool
	parent     atomic.Pointer[string] // of the last lease path that was made; most are made below the same

	beforeCommit func()               // for tests
	clock        func() time.Duration // of sessions, for tests; nil for the usual one
	retryUnread  time.Duration        // retryTime, but for tests
}

var _ leasehold.Follower = (*Store)(nil)

// Open connects to the ensemble at url, like
//
//	zk://a.example:2181,b.example,[::1]:2182/chroot
//
// The port is 2181 where there is none. All leases are below the chroot, which
// comes once, after all hosts, and is made along with the first lease. A comma in
// a chroot, and white space anywhere, are refused. With zks:// instead of zk:// connections
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
	u, err := ParseURL(url)
	if err != nil {
		return nil, err
	}
	if options == nil {
		options = &Options{}
	}
	s := newStore(u, options)
	s.credentials, err = newCredentials(options.TLS, u.TLS, options.Auth)
	if err != nil {
		return nil, err
	}
	if t := s.options.SessionTimeout; t < zk.MinTimeout || t > maxTimeout {
		return nil, &leasehold.ArgumentError{Name: "session timeout", Value: t.String(), Want: fmt.Sprintf("must be from %s to %s", zk.MinTimeout, maxTimeout)}
	}
	if _, err := s.session(ctx); err != nil {
		go s.Close() // takes a second when no server answers
		return nil, err
	}
	return s, nil
}

func newStore(u URL, options *Options) *Store {
	s := &Store{url: u, options: *options, retryUnread: retryTime}
	s.connection, s.disconnect = context.WithCancel(context.Background())
	s.options.TLS, s.options.Auth = nil, Auth{}
	if s.options.SessionTimeout == 0 {
		s.options.SessionTimeout = defaultTimeout
	}
	if s.options.ACL == nil {
		s.options.ACL = OpenACL()
	}
	s.acl = s.options.ACL.forClient()
	if s.options.Lag == 0 {
		s.options.Lag = defaultLag
	}
	if s.options.Logger == nil {
		s.options.Logger = slog.New(slog.DiscardHandler)
	}
	return s
}

// nodePath returns the path of the node of the lease at path.
func (s *Store) nodePath(path string) string { return s.url.Chroot + path }

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
		if !errors.Is(err, zk.ErrSessionOver) {
			return current, err
		}
		if !pause(ctx) { // a server may end every session at once
			return nil, current.unreachable(ctx)
		}
	}
}

// begin returns the session, which may not be connected yet.
func (s *Store) begin() (*session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	if s.current == nil || s.current.IsOver() {
		if s.current != nil {
			s.retire(s.current)
		}
		s.current = &session{zk.Open(zk.Config{
			Hosts: s.url.Hosts, Timeout: s.options.SessionTimeout, Logger: s.options.Logger,
			TLS: s.credentials.tls, Auth: s.credentials.auth,
			Clock: s.clock, OnLost: s.replaceConnection, OnTimeMissing: s.setTimeMissing,
		})}
	}
	return s.current, nil
}

// Connection returns a context that ends with the next loss of the connection.
func (s *Store) Connection() context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.connection
}

// replaceConnection ends what Connection has returned.
func (s *Store) replaceConnection() {
	s.mu.Lock()
	lost := s.disconnect
	s.connection, s.disconnect = context.WithCancel(context.Background())
	s.mu.Unlock()
	lost()
}

// TimeMissing returns when the servers last said that the session had expired
// though too little time had passed for that by this host's clock.
func (s *Store) TimeMissing() leasehold.Instant {
	if missing := s.missing.Load(); missing != nil {
		return *missing
	}
	return leasehold.Instant{}
}

func (s *Store) setTimeMissing() {
	now := leasehold.ReadInstant()
	s.missing.Store(&now)
	s.options.Logger.Warn("the ZooKeeper session has expired too early by this host's clock, which may have stood still")
}

// retire ends a session, and with it the lock nodes that it has.
func (s *Store) retire(old *session) {
	old.End()
	s.background.Go(old.Close)
}

// cleanUpTime bounds what is cleaned up with a context of its own, and
// cleanUpWait how long a caller whose context has ended waits for that.
const (
	cleanUpTime = 5 * time.Second
	cleanUpWait = 80 * time.Millisecond
)

// cleanUp calls f with a context of its own. It returns when f has, or a little
// after ctx has ended.
func (s *Store) cleanUp(ctx context.Context, f func(own context.Context)) {
	background.Run(ctx, &s.background, cleanUpWait, func() (struct{}, error) {
		own, cancel := cleanUpContext(ctx)
		defer cancel()
		f(own)
		return struct{}{}, nil
	}, nil)
}

// cleanUpContext returns a context that does not end with ctx.
func cleanUpContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), cleanUpTime)
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
		if err == nil || isFinal(err) {
			return v, err
		}
		if ctx.Err() != nil {
			return none, sess.unreachable(ctx)
		}
		if !pause(ctx) {
			return none, sess.unreachable(ctx)
		}
	}
}

// pause waits a moment before another attempt. It reports false when ctx has
// ended.
func pause(ctx context.Context) bool {
	timer := time.NewTimer(20 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Close ends the session, after waiting up to 5 s for what is still to be
// cleaned up. Leases are not released.
func (s *Store) Close() error {
	select {
	case <-s.background.Idle():
	case <-time.After(cleanUpTime):
	}
	s.mu.Lock()
	last := s.current
	s.current, s.closed = nil, true
	s.mu.Unlock()
	if last != nil {
		last.Close()
	}
	return nil
}
