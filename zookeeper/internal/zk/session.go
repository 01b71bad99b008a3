package zk

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"leasehold.example/leasehold/internal/clock"
)

// A Config says which session is to be opened.
type Config struct {
	Hosts   []string           // host:port, at least one
	Timeout time.Duration      // of the session, proposed to the server
	TLS     func() *tls.Config // returns a new copy; nil for no TLS
	Auth    Auth
	Logger  *slog.Logger // gets a line for each connection, at level Debug

	// Clock shows the time since some moment, suspend included; nil means
	// clock.Shared.
	Clock func() time.Duration

	// OnLost is called after each loss of the connection. OnTimeMissing is called
	// when the servers say that the session has expired although, by Clock, less
	// than its timeout has passed since a server last heard from it: the clock
	// must have stood still, as that of a virtual machine which its host pauses.
	// (Or a server that was cut off from its leader answered us last, or somebody
	// else has ended the session.) Neither is called once the session is over;
	// nil does nothing.
	OnLost, OnTimeMissing func()
}

// A Session is one ZooKeeper session. All that it reads is in one order, and no
// older than what it has read before, on whatever server. When it has expired
// it is over.
type Session struct {
	config         Config
	hasCertificate bool // to show to a server that asks for one

	over     chan struct{} // closed when nothing more is to be sent
	overOnce sync.Once
	cancel   context.CancelFunc // of run
	stopped  chan struct{}      // closed when run has returned

	// of run
	timeout  time.Duration // as the servers have agreed to
	password []byte
	zxid     int64         // the newest transaction that it has seen
	touched  time.Duration // by Clock: when the newest request was sent that was answered
	lastAddr string        // of the newest connection

	mu             sync.Mutex
	id             int64         // 0 before there is a session
	conn           *conn         // nil while there is no connection
	connChanged    chan struct{} // closed and replaced when conn changes
	lastErr        error         // of the last attempt to connect, or of an answer
	disconnectedAt time.Time
	fatalErr       error            // that no attempt to connect changes, and which so ended the session
	authErrs       map[string]error // by host, since the last connection

	causes map[string]string // by host: why there is no session, where it has told
	asking bool              // one is being asked
}

// Open begins a session. It returns at once; Wait waits for a connection. Close
// ends the session.
func Open(config Config) *Session {
	if config.Clock == nil {
		config.Clock = clock.Shared
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Session{
		config:         config,
		hasCertificate: config.TLS != nil && hasCertificate(config.TLS()),
		over:           make(chan struct{}),
		cancel:         cancel,
		stopped:        make(chan struct{}),
		timeout:        config.Timeout,
		connChanged:    make(chan struct{}),
		disconnectedAt: time.Now(),
		authErrs:       map[string]error{},
		causes:         map[string]string{},
	}
	go s.run(ctx)
	return s
}

// run keeps the session connected until it has expired, has failed for good, or
// ctx ends.
func (s *Session) run(ctx context.Context) {
	defer close(s.stopped)
	hosts := slices.Clone(s.config.Hosts) // in an order of its own, so that clients spread
	rand.Shuffle(len(hosts), func(i, j int) { hosts[i], hosts[j] = hosts[j], hosts[i] })
	for ctx.Err() == nil {
		round := time.Now()
		for found := range s.lookUp(ctx, hosts) {
			c, err := s.connect(ctx, found)
			if errors.Is(err, ErrSessionOver) {
				if s.id != 0 && s.config.Clock()-s.touched < s.timeout {
					s.notify(s.config.OnTimeMissing)
				}
				s.End()
				return
			}
			if s.fatal() != nil || ctx.Err() != nil {
				return
			}
			if err != nil {
				s.config.Logger.Debug("no connection to ZooKeeper", "error", err)
				if s.isStale() {
					s.End()
					return
				}
				continue
			}
			s.serve(c)
			hosts = moveToEnd(hosts, c.host)
			if time.Since(round) > minRound { // the names may stand for others by now
				break
			}
		}
		sleep(ctx, time.Until(round.Add(s.roundTime())))
	}
}

// serve uses the connection until it is lost or closed.
func (s *Session) serve(c *conn) {
	s.config.Logger.Debug("connected to ZooKeeper", "host", c.host)
	s.setConn(c)
	err := c.readLoop()
	s.zxid, s.touched, s.lastAddr = c.zxid, c.touched, c.addr
	s.setConn(nil)
	if s.IsOver() { // it was closed here
		s.config.Logger.Debug("closed the connection to ZooKeeper", "host", c.host)
		return
	}
	s.report(err)
	s.notify(s.config.OnLost)
	s.config.Logger.Debug("lost the connection to ZooKeeper", "error", err)
}

// moveToEnd returns all with last at the end.
func moveToEnd(all []string, last string) []string {
	i := slices.Index(all, last)
	return append(slices.Delete(slices.Clone(all), i, i+1), last)
}

// notify calls f unless it is nil or the session is over.
func (s *Session) notify(f func()) {
	if f != nil && !s.IsOver() {
		f()
	}
}

// The bounds of the time that a round of attempts on all hosts takes at least.
const (
	minRound = time.Second
	maxRound = 8 * time.Second
)

// roundTime is how long it takes at least until a host is tried again: longer
// the longer there is no connection, and different each time so that many
// clients don't come at once.
func (s *Session) roundTime() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := max(minRound, min(time.Since(s.disconnectedAt)/8, maxRound))
	return d/2 + rand.N(d/2)
}

// sleep returns after d, or when ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (s *Session) setConn(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn = c; c == nil {
		s.disconnectedAt = time.Now()
	}
	close(s.connChanged)
	s.connChanged = make(chan struct{})
}

// isStale reports whether the session has been without a connection for so long
// that no server may ever take it: servers refuse whoever has seen more than
// they have, as after they were restored from a backup.
func (s *Session) isStale() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.id != 0 && time.Since(s.disconnectedAt) > 3*s.timeout
}

// setFatal ends the session because of err, which no attempt to connect
// changes.
func (s *Session) setFatal(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.setFatalLocked(err)
}

func (s *Session) setFatalLocked(err error) {
	if s.fatalErr == nil {
		s.fatalErr = err
	}
	s.End()
}

func (s *Session) fatal() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fatalErr
}

// setAuthErr notes that there can be no connection to host. When that goes for
// all of the hosts, it ends the session.
func (s *Session) setAuthErr(host string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.authErrs[host] = err
	for _, other := range s.config.Hosts {
		if s.authErrs[other] == nil {
			return
		}
	}
	s.setFatalLocked(err)
}

// report keeps err as the reason to give if no server comes back, nil when a
// server has answered. An unexpected response stays the reason even then.
func (s *Session) report(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && isUnexpected(s.lastErr) {
		return
	}
	s.lastErr = err
}

// End makes the session over: nothing more is sent, and nobody waits any more.
// Close is still to be called.
func (s *Session) End() { s.overOnce.Do(func() { close(s.over) }) }

// Over is closed when the session is over.
func (s *Session) Over() <-chan struct{} { return s.over }

// IsOver reports whether the session is over.
func (s *Session) IsOver() bool {
	select {
	case <-s.over:
		return true
	default:
		return false
	}
}

// closeTime bounds Close.
const closeTime = time.Second

// Close ends the session. If a server can be reached within a second, it ends
// there too, and its ephemeral nodes are gone.
func (s *Session) Close() {
	s.End()
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	s.closeAtServer(ctx)
	s.cancel()
	<-s.stopped
}

// closeAtServer tries again on the next connection when one is lost.
func (s *Session) closeAtServer(ctx context.Context) {
	for {
		s.mu.Lock()
		c, changed, begun := s.conn, s.connChanged, s.id != 0
		s.mu.Unlock()
		if !begun || c != nil && c.closeSession(ctx) {
			return
		}
		select {
		case <-changed:
		case <-s.stopped:
			return
		case <-ctx.Done():
			return
		}
	}
}

// Wait returns when the session is connected. It returns ErrSessionOver if the
// session has ended, an AuthError if there can be no connection, and what
// Unreachable returns when ctx ends first.
func (s *Session) Wait(ctx context.Context) error {
	_, err := s.connected(ctx)
	return err
}

// connected returns the connection once there is one.
func (s *Session) connected(ctx context.Context) (*conn, error) {
	for {
		s.mu.Lock()
		c, changed, fatalErr := s.conn, s.connChanged, s.fatalErr
		s.mu.Unlock()
		switch {
		case fatalErr != nil:
			return nil, fatalErr
		case s.IsOver():
			return nil, ErrSessionOver
		case c != nil:
			return c, nil
		}
		select {
		case <-changed:
		case <-s.over:
		case <-ctx.Done():
			return nil, s.Unreachable(ctx)
		}
	}
}

// Do waits for a connection, sends r and returns the answer. The errors are
// those of Wait and of Pending.Wait; once ctx has ended, nothing is sent.
func (s *Session) Do(ctx context.Context, r Request) (Reply, error) {
	c, err := s.connected(ctx)
	if err != nil {
		return Reply{}, err
	}
	if ctx.Err() != nil {
		return Reply{}, s.Unreachable(ctx)
	}
	p := newPending(s, r)
	c.send(p)
	return p.Wait(ctx)
}

// Send sends r and does not wait. Requests are answered in the order in which
// they were sent. If there is no connection now, nothing is sent, and
// Pending.Wait returns ErrNotConnected.
func (s *Session) Send(r Request) *Pending {
	p := newPending(s, r)
	s.mu.Lock()
	c := s.conn
	s.mu.Unlock()
	if c == nil || s.IsOver() {
		p.fail(ErrNotConnected)
	} else {
		c.send(p)
	}
	return p
}

// Unreachable returns the error for a ctx that has ended before a server
// answered: an UnreachableError if its deadline has passed.
func (s *Session) Unreachable(ctx context.Context) error {
	text := "ZooKeeper at " + strings.Join(s.config.Hosts, ",")
	if errors.Is(ctx.Err(), context.Canceled) { // says nothing about the servers
		return fmt.Errorf("%s: %w", text, ctx.Err())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil {
		text += ": no session since " + s.disconnectedAt.UTC().Format(time.RFC3339)
	} else {
		text += ": no answer"
	}
	for _, host := range slices.Sorted(maps.Keys(s.causes)) {
		text += ": " + s.causes[host]
	}
	if s.lastErr != nil && len(s.causes) == 0 {
		text += ": " + s.lastErr.Error()
	}
	for _, host := range slices.Sorted(maps.Keys(s.authErrs)) {
		text += ": " + s.authErrs[host].Error()
	}
	return &UnreachableError{text + ": " + ctx.Err().Error(), ctx.Err()}
}
