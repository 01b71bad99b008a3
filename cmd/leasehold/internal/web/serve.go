package web

import (
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// limits keep slow and many clients from using up what this process has.
type limits struct {
	header, request, answer, idle time.Duration // how long each may take
	connections                   int64         // more are told so, and closed; twice as many are closed at once
	streams                       int64         // clients that events are sent to
}

var defaultLimits = limits{
	header: 5 * time.Second, request: 10 * time.Second, answer: 30 * time.Second, idle: time.Minute,
	connections: 256, streams: 100, // of the 1024 files that a process may have open
}

// maxHeader is more than a path takes that is percent-encoded: see leasehold.CheckPath.
const maxHeader = 64 << 10

const maxScrapes = 4

// shutdownTime is how long requests may go on after the end was asked for.
const shutdownTime = 5 * time.Second

// Serve answers the requests that come to l until ctx ends, and then those that it
// has begun. It closes l.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	defer l.Close()
	server := &http.Server{
		Handler:           s.handler,
		TLSConfig:         s.TLS,
		ReadHeaderTimeout: s.limits.header,
		ReadTimeout:       s.limits.request,
		WriteTimeout:      s.limits.answer + s.Timeout,
		IdleTimeout:       s.limits.idle,
		MaxHeaderBytes:    maxHeader,

		DisableGeneralOptionsHandler: true, // it would answer before the Guard
		ErrorLog:                     log.New(logWriter(s.Say), "", 0),
	}
	s.limits.limitConnections(server)
	streams, endStreams := context.WithCancel(context.Background())
	defer endStreams()
	s.streams = streams
	server.RegisterOnShutdown(endStreams)
	ended := make(chan error, 1)
	go func() {
		if s.TLS == nil {
			ended <- server.Serve(l)
		} else {
			ended <- server.ServeTLS(l, "", "") // with the certificate of s.TLS
		}
	}()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	if err := server.Shutdown(last); err != nil {
		server.Close() // whatever is left is too slow
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

type crowdedKey struct{}

func isCrowded(ctx context.Context) bool { return ctx.Value(crowdedKey{}) != nil }

// limitConnections counts connections, and marks those that are too many.
func (l limits) limitConnections(server *http.Server) {
	var open atomic.Int64
	server.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
		if open.Add(1) > l.connections {
			return context.WithValue(ctx, crowdedKey{}, true)
		}
		return ctx
	}
	server.ConnState = func(c net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			if open.Load() > 2*l.connections {
				c.Close()
			}
		case http.StateClosed:
			open.Add(-1)
		}
	}
}

// A logWriter says what net/http logs: a handler's panic, a connection that can't be
// accepted. What clients do wrong with TLS is their own affair.
type logWriter func(format string, args ...any)

func (say logWriter) Write(line []byte) (int, error) {
	if s := strings.TrimSpace(string(line)); !strings.Contains(s, "TLS handshake error") {
		say("%s", s)
	}
	return len(line), nil
}
