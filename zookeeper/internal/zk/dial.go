package zk

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"net"
	"slices"
	"time"
)

// readBuffer is the most that one system call reads: a frame, or many.
const readBuffer = 4 << 10

// A found is a host of the Config, and what its name stands for.
type found struct {
	host  string   // host:port
	addrs []string // address:port
	err   error
}

// quickLookup is how long a round waits for all names, to try the hosts in their
// order.
const quickLookup = 50 * time.Millisecond

// lookUp looks all hosts up, at the same time. It yields first those that are
// found quickly, in their order, and then the others, as they come.
func (s *Session) lookUp(ctx context.Context, hosts []string) iter.Seq[found] {
	return func(yield func(found) bool) {
		ctx, cancel := context.WithTimeout(ctx, s.stepTimeout())
		defer cancel()
		come := make(chan found, len(hosts))
		for _, host := range hosts {
			go func() {
				addrs, err := lookUpHost(ctx, host)
				come <- found{host, addrs, err}
			}()
		}
		var quick []found
		enough := time.After(quickLookup)
	gather:
		for len(quick) < len(hosts) {
			select {
			case f := <-come:
				quick = append(quick, f)
			case <-enough:
				break gather
			}
		}
		slices.SortStableFunc(quick, func(a, b found) int {
			return cmp.Compare(slices.Index(hosts, a.host), slices.Index(hosts, b.host))
		})
		for _, f := range quick {
			if !yield(f) {
				return
			}
		}
		for range len(hosts) - len(quick) {
			if !yield(<-come) {
				return
			}
		}
	}
}

// lookUpHost returns the addresses of a host, with its port.
func lookUpHost(ctx context.Context, host string) ([]string, error) {
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		return nil, err
	}
	addrs, err := net.DefaultResolver.LookupHost(ctx, name)
	for i, addr := range addrs {
		addrs[i] = net.JoinHostPort(addr, port)
	}
	return addrs, err
}

// connect begins the session at a host, or continues it there. All of its
// addresses are tried, that of the newest connection last. It returns
// ErrSessionOver if the session has expired. The connection ends with ctx.
func (s *Session) connect(ctx context.Context, at found) (*conn, error) {
	if at.err != nil {
		s.report(at.err)
		return nil, at.err
	}
	addrs := at.addrs
	rand.Shuffle(len(addrs), func(i, j int) { addrs[i], addrs[j] = addrs[j], addrs[i] })
	if slices.Contains(addrs, s.lastAddr) {
		addrs = moveToEnd(addrs, s.lastAddr)
	}
	var err error
	authErrs := 0
	for _, addr := range addrs {
		var c *conn
		c, err = s.dial(ctx, at.host, addr)
		if err == nil || errors.Is(err, ErrSessionOver) || s.fatal() != nil || ctx.Err() != nil {
			if err == nil {
				c.addr, c.canLeave = addr, len(s.config.Hosts) > 1 || len(addrs) > 1
			}
			return c, err
		}
		if isAuthError(err) {
			authErrs++
		}
		s.findCause(ctx, at.host, addr, err)
	}
	if authErrs == len(addrs) {
		s.setAuthErr(at.host, err)
	} else {
		s.report(err)
	}
	return nil, err
}

// stepTimeout bounds each step until there is a session.
func (s *Session) stepTimeout() time.Duration { return min(s.timeout/3, 5*time.Second) }

// dial is connect to one address of host.
func (s *Session) dial(ctx context.Context, host, addr string) (*conn, error) {
	netConn, err := (&net.Dialer{Timeout: min(s.stepTimeout(), time.Second)}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &conn{
		netConn: netConn, host: host, stepTimeout: s.stepTimeout(), zxid: s.zxid, report: s.report, clock: s.config.Clock,
		watches: map[string]chan struct{}{}, lost: make(chan struct{}),
		release: context.AfterFunc(ctx, func() { netConn.Close() }),
	}
	if err := s.handshake(c); err != nil {
		c.release()
		c.close()
		return nil, err
	}
	c.netConn.SetDeadline(time.Time{})
	c.idleTimeout = s.timeout * 2 / 3
	return c, nil
}

// handshake sets up TLS, the session and its user.
func (s *Session) handshake(c *conn) error {
	if s.config.TLS != nil {
		if err := c.startTLS(s.config.TLS()); err != nil {
			return s.handshakeError(c, fmt.Errorf("TLS handshake: %w", err))
		}
	}
	c.reader = bufio.NewReaderSize(c, readBuffer)
	c.touched = s.config.Clock()
	frame, err := c.roundTrip(s.connectRequest(), maxConnectResponse)
	if err != nil {
		return s.handshakeError(c, err)
	}
	r, err := decodeConnectResponse(frame, s.id)
	if err != nil {
		return s.handshakeError(c, err)
	}
	if r.session == 0 {
		return ErrSessionOver
	}
	if err := s.login(c); err != nil {
		return err
	}
	s.setConnected(r)
	return nil
}

// setConnected notes which session it is.
func (s *Session) setConnected(r connectResponse) {
	s.timeout, s.password = r.timeout, r.password
	s.mu.Lock()
	defer s.mu.Unlock()
	s.id = r.session
	clear(s.authErrs)
	clear(s.causes)
}

// connectRequest asks for the session, or for a new one. A server that has seen
// less than the session refuses it.
func (s *Session) connectRequest() []byte {
	b := make([]byte, 4, 64)
	b = appendInt32(b, 0) // protocol version
	b = appendInt64(b, s.zxid)
	b = appendInt32(b, int32(s.timeout.Milliseconds()))
	b = appendInt64(b, s.id)
	if s.id == 0 {
		s.password = make([]byte, 16)
	}
	b = appendString(b, string(s.password))
	return endFrame(appendBool(b, false)) // no server that is read-only
}

// handshakeError says why there is no session on c: an AuthError if one side
// does not accept the other's certificate.
func (s *Session) handshakeError(c *conn, err error) error {
	if why := certificateProblem(err, s.hasCertificate); why != "" {
		return &AuthError{fmt.Sprintf("ZooKeeper at %s: %s: %v", c.host, why, err), err}
	}
	if isUnexpected(err) {
		return c.describe(err)
	}
	return fmt.Errorf("%s, before there was a session: %w", c.host, err)
}
