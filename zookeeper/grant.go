package zookeeper

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/kazoo"
)

// Grant is three requests and one transaction if nobody queues for kazoo's lock
// on path, four where kazoo wrote the record; see docs/protocol.md. A refusal
// by the record as it is at first is one request.
func (s *Store) Grant(ctx context.Context, known leasehold.Entry, decide func(leasehold.Entry) (leasehold.Proposal, error)) (granted, replaced leasehold.Entry, err error) {
	u := update{store: s, path: known.Path, full: s.chroot + known.Path, decide: decide}
	g, err := u.run(ctx)
	return g.entry, g.replaced, unwrapRefusal(err)
}

// unwrapRefusal gives decide's error back as it was, if it is the answer.
func unwrapRefusal(err error) error {
	var r *refusal
	if errors.As(err, &r) && !errors.Is(err, leasehold.ErrOutcomeUnknown) {
		return r.error
	}
	return err
}

// Renew is one request and one transaction. With less than the followers' lag
// left it is a second request, or more while a client of kazoo is at work.
func (s *Store) Renew(ctx context.Context, held leasehold.Entry, data []byte) (leasehold.Entry, error) {
	m, _ := held.Private.(mark)
	if m.grant == "" {
		return leasehold.Entry{}, fmt.Errorf("%w: only what Grant or Renew returned can be renewed", leasehold.ErrLost)
	}
	h := holding{store: s, full: s.chroot + held.Path, mark: m}
	_, sent, received, err := h.write(ctx, data)
	if err != nil {
		return leasehold.Entry{}, err
	}
	// By the time of the reply: a renewal that was sent in good time may have
	// been committed late.
	if timeLeft(held, received) < s.options.Lag {
		if err := h.confirm(ctx); err != nil { // the record was written all the same
			return leasehold.Entry{}, outcome(!errors.Is(err, leasehold.ErrLost), err)
		}
	}
	return s.committed(held.Path, h.mark, sent, received), nil
}

// timeLeft returns how long the record in held still lasted at the moment at, by
// the servers' clock, and 0 where the record can't be read.
func timeLeft(held leasehold.Entry, at leasehold.Instant) time.Duration {
	rec, err := kazoo.Parse(held.Data)
	if err != nil {
		return 0
	}
	stamp := held.Stamp
	return rec.End.Sub(stamp.At.Add(stamp.Resolution)) - at.Since(stamp.Sent)
}

// Release is one request and one transaction for an Entry from Grant or Renew.
// For one from Read it is two, or three if kazoo wrote the record.
func (s *Store) Release(ctx context.Context, held leasehold.Entry, data []byte) error {
	m, ok := held.Private.(mark)
	if !ok {
		return fmt.Errorf("%w: there is no record", leasehold.ErrLost)
	}
	if m.grant == "" {
		return s.releaseRead(ctx, held, m.node, data)
	}
	h := holding{store: s, full: s.chroot + held.Path, mark: m, ends: true}
	_, _, _, err := h.write(ctx, data)
	return err
}

// releaseRead ends a grant that another process made. Nothing but the record
// tells it from a later one, and not even that if kazoo wrote both: so this is
// a read-decide-write under the guard.
func (s *Store) releaseRead(ctx context.Context, held leasehold.Entry, n node, data []byte) error {
	u := update{store: s, path: held.Path, full: s.chroot + held.Path, known: &n, ends: true}
	u.decide = func(old leasehold.Entry) (leasehold.Proposal, error) {
		m, ok := old.Private.(mark)
		switch {
		case !ok || m.node.stat.Czxid != n.stat.Czxid:
			return leasehold.Proposal{}, fmt.Errorf("%w: another grant was made", leasehold.ErrLost)
		case m.node.stat.Version == n.stat.Version:
			return leasehold.Proposal{Data: data}, nil
		case len(u.unknown) > 0 && bytes.Equal(old.Data, data):
			return leasehold.Proposal{}, errReleased
		default:
			return leasehold.Proposal{}, fmt.Errorf("%w: the record was written since", leasehold.ErrLost)
		}
	}
	_, err := u.run(ctx)
	if err = unwrapRefusal(err); errors.Is(err, errReleased) {
		return nil
	}
	return err
}

// errReleased means that what was sent had been committed.
var errReleased = errors.New("released")
