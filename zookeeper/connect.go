package zookeeper

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"time"

	"leasehold.example/leasehold"
)

// connect begins the session at host, or goes on with it, as its user. A name
// is looked up anew, and all of its addresses are tried. It returns
// errSessionOver if the session has expired. The connection ends with ctx. A host
// none of whose addresses can be trusted is distrusted.
func (s *session) connect(ctx context.Context, host string) (*link, error) {
	name, port, err := net.SplitHostPort(host) // parseURL has seen to it that it has one
	if err != nil {
		return nil, err
	}
	looking, cancel := context.WithTimeout(ctx, s.stepTime())
	defer cancel()
	addrs, err := net.DefaultResolver.LookupHost(looking, name)
	if err != nil {
		s.note(err)
		return nil, err
	}
	rand.Shuffle(len(addrs), func(i, j int) { addrs[i], addrs[j] = addrs[j], addrs[i] })
	denied := 0
	for _, addr := range addrs {
		var l *link
		l, err = s.dial(ctx, host, net.JoinHostPort(addr, port))
		if err == nil || errors.Is(err, errSessionOver) || s.isHopeless() || ctx.Err() != nil {
			return l, err
		}
		if errors.Is(err, leasehold.ErrPermission) {
			denied++
		}
	}
	if denied == len(addrs) {
		s.distrusts(host, err)
	} else {
		s.note(err)
	}
	return nil, err
}

// stepTime bounds each step before there is a session.
func (s *session) stepTime() time.Duration { return min(s.timeout/3, 5*time.Second) }

// dial is connect to one address of host.
func (s *session) dial(ctx context.Context, host, addr string) (*link, error) {
	conn, err := (&net.Dialer{Timeout: min(s.stepTime(), time.Second)}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		conn.Close()
		return nil, err
	}
	l := &link{
		conn: conn, raw: raw, host: host, step: s.stepTime(), zxid: s.zxid, note: s.note,
		watches: map[string]chan struct{}{},
		release: context.AfterFunc(ctx, func() { conn.Close() }),
	}
	if err := s.establish(l); err != nil {
		l.release()
		l.close()
		return nil, err
	}
	l.conn.SetDeadline(time.Time{})
	l.silence = s.timeout * 2 / 3
	return l, nil
}

// establish makes a session of a connection.
func (s *session) establish(l *link) error {
	if config := s.credentials.tls; config != nil {
		if err := l.encrypt(config()); err != nil {
			return s.unmet(l, fmt.Errorf("TLS handshake: %w", err))
		}
	}
	l.frames = newFrames(l.conn)
	frame, err := l.exchange(s.connectRequest(), maxGreeting)
	if err != nil {
		return s.unmet(l, err)
	}
	g, err := parseGreeting(frame, s.id)
	if err != nil {
		return s.unmet(l, err)
	}
	if g.session == 0 {
		return errSessionOver
	}
	if err := s.login(l); err != nil {
		return err
	}
	s.begins(g)
	return nil
}

// begins notes that there is a connection, and which session it is.
func (s *session) begins(g greeting) {
	s.timeout, s.password = g.timeout, g.password
	s.mu.Lock()
	defer s.mu.Unlock()
	s.id = g.session
	clear(s.distrusted)
}

// connectRequest asks for the session, or for a new one, from no server that
// has seen less than it has.
func (s *session) connectRequest() []byte {
	b := make([]byte, 4, 64)
	b = appendInt32(b, 0) // protocol version
	b = appendInt64(b, s.zxid)
	b = appendInt32(b, int32(s.timeout.Milliseconds()))
	b = appendInt64(b, s.id)
	if s.id == 0 {
		s.password = make([]byte, 16)
	}
	b = appendString(b, string(s.password))
	return endFrame(appendBool(b, false)) // a server that only reads won't do
}

// unmet says why l came to nothing: ErrPermission if one side does not accept
// the other's certificate.
func (s *session) unmet(l *link, err error) error {
	if why := distrust(err, s.credentials.certificate != ""); why != "" {
		return fmt.Errorf("%w: ZooKeeper at %s: %s: %w", leasehold.ErrPermission, l.host, why, err)
	}
	if unfit := (*unfitError)(nil); errors.As(err, &unfit) {
		return l.named(err)
	}
	return fmt.Errorf("%s, before there was a session: %w", l.host, err)
}
