package zookeeper

import (
	"context"
	"fmt"

	"github.com/go-zookeeper/zk"
)

// borrow returns the present session of a connection that the caller keeps.
func borrow(conn *zk.Conn) *session {
	return &session{borrowed: conn, hosts: []string{conn.Server()}, id: conn.SessionID(), over: make(chan struct{})}
}

// present returns the session that a borrowed connection has now.
func (s *session) present() *session {
	if s.borrowed != nil && s.borrowed.SessionID() != s.id {
		return borrow(s.borrowed)
	}
	return s
}

// same reports whether both are one session at the server.
func (s *session) same(other *session) bool {
	return s == other || s.borrowed != nil && s.borrowed == other.borrowed && s.id == other.id
}

// waitBorrowed is wait for a borrowed connection, whose events go to its owner.
func (s *session) waitBorrowed(ctx context.Context) error {
	for s.borrowed.State() != zk.StateHasSession {
		if !pause(ctx) {
			return s.unreachable(ctx)
		}
		s.id = s.borrowed.SessionID()
	}
	return nil
}

// askBorrowed is ask for a borrowed connection, whose calls can't be cancelled.
// It returns errSessionOver if the answer may be another session's.
func (s *session) askBorrowed(ctx context.Context, r request) (reply, error) {
	type answer struct {
		reply
		err error
	}
	answers := make(chan answer, 1)
	go func() {
		reply, err := askLibrary(ctx, s.borrowed, r)
		answers <- answer{reply, err}
	}()
	select {
	case a := <-answers:
		if s.borrowed.SessionID() != s.id {
			return reply{}, errSessionOver
		}
		return a.reply, known(a.err)
	case <-ctx.Done():
		return reply{}, s.unreachable(ctx)
	}
}

// askBorrowedAtOnce is askAtOnce for a borrowed connection. If that is lost at
// this very moment the library sends the request later.
func (s *session) askBorrowedAtOnce(r request) (reply, error) {
	if s.borrowed.State() != zk.StateHasSession {
		return reply{}, errNotSent
	}
	return s.askBorrowed(context.Background(), r)
}

// askLibrary makes a request by the client library.
func askLibrary(ctx context.Context, conn *zk.Conn, request request) (r reply, err error) {
	var event <-chan zk.Event
	switch request.operation {
	case opGetData:
		if request.watch {
			r.data, r.stat, event, err = conn.GetW(request.path)
		} else {
			r.data, r.stat, err = conn.Get(request.path)
		}
	case opExists:
		var exists bool
		if request.watch {
			exists, r.stat, event, err = conn.ExistsW(request.path)
		} else {
			exists, r.stat, err = conn.Exists(request.path)
		}
		if err == nil && !exists {
			err = zk.ErrNoNode
		}
	case opGetChildren:
		r.names, r.stat, err = conn.Children(request.path)
	case opGetACL:
		r.acl, r.stat, err = conn.GetACL(request.path)
	case opSync:
		_, err = conn.Sync(request.path)
	case opMulti:
		r.results, err = conn.Multi(request.ops...)
	}
	if event != nil {
		r.event = closedBy(ctx, event)
	}
	return r, err
}

// closedBy returns what is closed at an event, or when ctx ends.
func closedBy(ctx context.Context, event <-chan zk.Event) <-chan struct{} {
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		select {
		case <-event: // or the loss of the session
		case <-ctx.Done():
		}
	}()
	return closed
}

// known replaces an error that the client library has no name for.
func known(err error) error {
	var code int32
	if err == nil {
		return nil
	}
	if _, failed := fmt.Sscanf(err.Error(), "unknown error: %d", &code); failed != nil {
		return err
	}
	return codeError(code)
}
