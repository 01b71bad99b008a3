package zookeeper

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
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

	// errNotSent means that there was no connection to ask on.
	errNotSent = errors.New("no connection")

	// errAgain means that an attempt was overtaken and is to be made anew.
	errAgain = errors.New("overtaken")
)

// A session is one ZooKeeper session. All that it reads is in one order, and no
// older than what it has read before, on whatever server. When it has expired it
// is over, and another is another session. What was sent when its connection
// was lost is not sent again.
type session struct {
	hosts       []string
	credentials *credentials // nil if borrowed
	logger      *slog.Logger

	// borrowed is a connection that belongs to somebody else, which goes on to
	// other sessions; id is the one that this stands for.
	borrowed *zk.Conn

	over     chan struct{} // closed when nothing more is to be asked
	overOnce sync.Once
	cancel   context.CancelFunc // of run
	gone     chan struct{}      // closed when run has returned

	// of run
	timeout  time.Duration // of the session, as the servers have agreed to
	password []byte
	zxid     int64 // the newest transaction that it has seen

	mu         sync.Mutex
	id         int64         // 0 before there is a session
	link       *link         // nil while there is no connection
	changed    chan struct{} // closed and replaced when link changes
	lastErr    error         // of the last attempt to connect or to ask
	lastDown   time.Time
	failure    error            // that no attempt to connect changes, and which so ended it
	distrusted map[string]error // by host, since the last connection to it
}

// open begins a session of our own. It returns at once; wait waits for it.
func open(hosts []string, timeout time.Duration, logger *slog.Logger, c *credentials) *session {
	ctx, cancel := context.WithCancel(context.Background())
	s := &session{
		hosts:       hosts,
		credentials: c,
		logger:      logger,
		over:        make(chan struct{}),
		cancel:      cancel,
		gone:        make(chan struct{}),
		timeout:     timeout,
		changed:     make(chan struct{}),
		lastDown:    time.Now(),
		distrusted:  map[string]error{},
	}
	go s.run(ctx)
	return s
}

// run keeps the session connected until it has expired, can't be, or ctx ends.
func (s *session) run(ctx context.Context) {
	defer close(s.gone)
	hosts := slices.Clone(s.hosts) // in an order of its own, so that clients spread
	rand.Shuffle(len(hosts), func(i, j int) { hosts[i], hosts[j] = hosts[j], hosts[i] })
	var round time.Time // when the present round of attempts began
	for i := 0; ; i = (i + 1) % len(hosts) {
		if i == 0 {
			if early := time.Until(round.Add(roundTime())); early > 0 {
				sleep(ctx, early)
			}
			round = time.Now()
		}
		l, err := s.connect(ctx, hosts[i])
		if errors.Is(err, errSessionOver) {
			s.end()
		}
		if s.isHopeless() || ctx.Err() != nil || errors.Is(err, errSessionOver) {
			return
		}
		if err != nil {
			s.logger.Debug("no connection to ZooKeeper", "error", err)
			if s.isForlorn() {
				s.end()
				return
			}
			continue
		}
		s.logger.Debug("connected to ZooKeeper", "host", l.host)
		s.setLink(l)
		err = l.serve()
		s.zxid = l.zxid
		s.setLink(nil)
		s.note(err)
		s.logger.Debug("lost the connection to ZooKeeper", "error", err)
	}
}

// roundTime is how long it takes at least until a host is tried again. It
// differs so that many clients don't come at once.
func roundTime() time.Duration { return 500*time.Millisecond + rand.N(500*time.Millisecond) }

// sleep returns after d. It reports false when ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *session) setLink(l *link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link = l; l == nil {
		s.lastDown = time.Now()
	}
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *session) end() { s.overOnce.Do(func() { close(s.over) }) }

// fails ends the session because of err, which no attempt to connect changes,
// and returns it.
func (s *session) fails(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failsLocked(err)
	return err
}

func (s *session) failsLocked(err error) {
	if s.failure == nil {
		s.failure = err
	}
	s.end()
}

func (s *session) isHopeless() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failure != nil
}

// isForlorn reports whether the session has been without a connection for so
// long that it may be one of another ensemble, or of a time before the present
// one was restored: its servers refuse whoever has seen more than they have.
func (s *session) isForlorn() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.id != 0 && time.Since(s.lastDown) > 3*s.timeout
}

// distrusts notes that there can be no connection to host, because of err. It
// ends the session when that goes for all of its hosts.
func (s *session) distrusts(host string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.distrusted[host] = err
	for _, other := range s.hosts {
		if s.distrusted[other] == nil {
			return
		}
	}
	s.failsLocked(err)
}

func (s *session) isOver() bool {
	select {
	case <-s.over:
		return true
	default:
		return false
	}
}

// closeTime bounds close.
const closeTime = time.Second

// close ends the session, at the server too if that can be reached: its lock
// nodes are gone then.
func (s *session) close() {
	s.end()
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	for {
		s.mu.Lock()
		l, changed, began := s.link, s.changed, s.id != 0
		s.mu.Unlock()
		if !began || l != nil && l.goodbye(ctx) {
			break
		}
		select {
		case <-changed: // it may be back
			continue
		case <-s.gone:
		case <-ctx.Done():
		}
		break
	}
	s.cancel()
	<-s.gone
}

// wait returns when the session is connected. It returns errSessionOver if it
// has ended, ErrPermission if the servers let nobody in with these credentials,
// or can't be trusted, and ErrUnreachable when ctx ends first.
func (s *session) wait(ctx context.Context) error {
	if s.borrowed != nil {
		return s.waitBorrowed(ctx)
	}
	_, err := s.connected(ctx)
	return err
}

// connected returns the connection once there is one.
func (s *session) connected(ctx context.Context) (*link, error) {
	for {
		s.mu.Lock()
		l, changed, failure := s.link, s.changed, s.failure
		s.mu.Unlock()
		if failure != nil {
			return nil, failure
		}
		if s.isOver() {
			return nil, errSessionOver
		}
		if l != nil {
			return l, nil
		}
		select {
		case <-changed:
		case <-s.over:
		case <-ctx.Done():
			return nil, s.unreachable(ctx)
		}
	}
}

// ask asks the server in this session, and returns as soon as ctx ends. While
// there is no connection nothing is sent. If err is zk.ErrConnectionClosed, or
// ctx or the session has ended, the server may have done what it was asked, or
// do it yet.
func (s *session) ask(ctx context.Context, r request) (reply, error) {
	if s.borrowed != nil {
		return s.askBorrowed(ctx, r)
	}
	l, err := s.connected(ctx)
	if err != nil {
		return reply{}, err
	}
	if ctx.Err() != nil {
		return reply{}, s.unreachable(ctx)
	}
	return s.await(ctx, l.send(r))
}

// askAtOnce is ask without a context. It returns errNotSent if there is no
// connection at the moment.
func (s *session) askAtOnce(r request) (reply, error) {
	if s.borrowed != nil {
		return s.askBorrowedAtOnce(r)
	}
	s.mu.Lock()
	l := s.link
	s.mu.Unlock()
	if l == nil || s.isOver() {
		return reply{}, errNotSent
	}
	return s.await(context.Background(), l.send(r))
}

// await returns the answer to q. One that is there counts, even if ctx or the
// session has ended.
func (s *session) await(ctx context.Context, q *question) (reply, error) {
	select {
	case <-q.done:
		return q.reply, q.err
	case <-s.over:
	case <-ctx.Done():
	}
	select {
	case <-q.done:
		return q.reply, q.err
	default:
	}
	if s.isOver() {
		return reply{}, errSessionOver
	}
	return reply{}, s.unreachable(ctx)
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
	hosts := strings.Join(s.hosts, ",")
	if errors.Is(ctx.Err(), context.Canceled) { // no fault of the server's
		return fmt.Errorf("ZooKeeper at %s: %w", hosts, ctx.Err())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	why := "no answer"
	if s.link == nil && s.borrowed == nil {
		why = "no session since " + s.lastDown.UTC().Format(time.RFC3339)
	}
	if s.lastErr != nil {
		why += ": " + s.lastErr.Error()
	}
	for _, host := range slices.Sorted(maps.Keys(s.distrusted)) {
		why += ": " + s.distrusted[host].Error()
	}
	return fmt.Errorf("%w: ZooKeeper at %s: %s: %w", leasehold.ErrUnreachable, hosts, why, ctx.Err())
}

// definite are the errors by which a server says that it did not do what it was
// asked. After any other it may have.
var definite = []error{
	zk.ErrNoNode, zk.ErrNodeExists, zk.ErrBadVersion, zk.ErrNotEmpty, zk.ErrNoAuth,
	zk.ErrInvalidACL, zk.ErrNoChildrenForEphemerals, zk.ErrBadArguments, zk.ErrAPIError,
	errAuthRequired, errUnimplemented, errLocalSession, errQuota,
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
