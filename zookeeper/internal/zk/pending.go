package zk

import (
	"context"
	"errors"
	"time"
)

// A Pending is a request that was sent and may not be answered yet.
type Pending struct {
	session *Session
	request Request
	xid     int32
	conn    *conn         // that it was sent on
	sent    time.Duration // by the session's clock
	done    chan struct{} // closed once there is reply or err
	reply   Reply
	err     error
}

func newPending(s *Session, r Request) *Pending {
	return &Pending{session: s, request: r, done: make(chan struct{})}
}

func (p *Pending) fail(err error) {
	p.err = err
	close(p.done)
}

// Wait returns the answer. An answer that is there counts, even if ctx or the
// session has ended. If the error is neither ErrNotConnected nor one for which
// IsRejected is true, the server may have done what it was asked, or do it yet.
func (p *Pending) Wait(ctx context.Context) (Reply, error) {
	select {
	case <-p.done:
		return p.reply, p.err
	case <-p.session.over:
	case <-ctx.Done():
	}
	select {
	case <-p.done:
		return p.reply, p.err
	default:
	}
	if p.session.IsOver() {
		return Reply{}, ErrSessionOver
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		p.conn.leaveIfSilent(p.sent)
	}
	return Reply{}, p.session.Unreachable(ctx)
}
