package zk

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"time"
)

// isClosed reports whether err is that the server has closed the connection.
func isClosed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// findCause notes why there is no session at addr, because of err. A server that
// refuses one closes the connection without a word, but says more when it is
// asked as an administrator does. Nobody waits for that.
func (s *Session) findCause(ctx context.Context, host, addr string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !isClosed(err) {
		delete(s.causes, host)
		return
	}
	if s.asking {
		return
	}
	s.asking = true
	go func() {
		cause := s.askCause(ctx, host, addr)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asking = false
		if delete(s.causes, host); cause != "" {
			s.causes[host] = host + " " + cause
		}
	}()
}

// minGreeting is how long a server gets to close a connection on its own. Those
// that take it wait for a request.
const minGreeting = 100 * time.Millisecond

// askCause returns what is wrong with the server at addr, "" if it does not tell.
func (s *Session) askCause(ctx context.Context, host, addr string) string {
	netConn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", addr)
	const tooMany = "closes each connection at once: this host may have as many as the server allows (maxClientCnxns)"
	switch {
	case isClosed(err): // before the dialer had looked
		return tooMany
	case err != nil:
		return ""
	}
	c := &conn{netConn: netConn, host: host, stepTimeout: time.Second}
	defer func() { c.close() }()
	defer context.AfterFunc(ctx, func() { netConn.Close() })()
	netConn.SetDeadline(time.Now().Add(minGreeting))
	if _, err := netConn.Read(make([]byte, 1)); isClosed(err) {
		return tooMany
	}
	if s.config.TLS != nil && c.startTLS(s.config.TLS()) != nil {
		return ""
	}
	netConn.SetDeadline(time.Now().Add(time.Second))
	if _, err := io.WriteString(c.netConn, "srvr"); err != nil {
		return ""
	}
	answer, _ := io.ReadAll(io.LimitReader(c.netConn, readBuffer)) // as much as there is
	switch {
	case strings.Contains(string(answer), "not currently serving requests"):
		return "serves nobody: it finds no quorum of its ensemble"
	case strings.Contains(string(answer), "Mode: read-only"):
		return "only lets read: it finds no quorum of its ensemble"
	}
	return ""
}
