package zookeeper

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/zookeeper/internal/zk"
)

// A holding is a grant of ours, known by its grant node.
type holding struct {
	store *Store
	full  string
	mark
	ends  bool     // what is written is a release
	wrote *session // in which the last write was made
}

// write sets the record to data, and checks the grant node or, to end the grant,
// deletes it. Both fail if it is gone: if a later grant of ours was made, or
// this one was released. The record's version tells whether kazoo has
// replaced it, since kazoo's are always 0 and ours never.
//
// A write of unknown outcome is sent again, at the version found by then, so
// that the times returned belong to the very commit that is there.
func (h *holding) write(ctx context.Context, data []byte) (n node, sent, received leasehold.Instant, err error) {
	var claim zk.Op = &zk.Check{Path: h.full + "/" + h.grant, Version: -1}
	if h.ends {
		claim = &zk.Delete{Path: h.full + "/" + h.grant, Version: -1}
	}
	unknown := false
	for {
		sess, err := h.store.session(ctx)
		if err != nil {
			return n, sent, received, outcome(unknown, err)
		}
		if unknown {
			done, err := h.look(ctx, sess, data)
			if done || errors.Is(err, leasehold.ErrLost) {
				return h.node, sent, received, err
			}
			if err != nil {
				if ctx.Err() != nil || zk.IsRejected(err) {
					return n, sent, received, outcome(unknown, h.store.explain(err, "read", h.full))
				}
				pause(ctx)
				continue
			}
		}
		if hook := h.store.beforeCommit; hook != nil {
			hook()
		}
		h.tried.add(data)
		sent = leasehold.ReadInstant()
		ops := []zk.Op{claim, &zk.SetData{
			Path: recordPath(h.full), Data: data, Version: h.node.stat.Version,
		}}
		r, err := sess.do(ctx, zk.Multi(ops...))
		received = leasehold.ReadInstant()
		var stat *zk.Stat
		if err == nil {
			stat, err = lastStat(r.Results, len(ops))
		}
		switch {
		case err == nil:
			h.tried.settle(data)
			h.node, h.wrote = node{data, *stat}, sess
			return h.node, sent, received, nil
		case errors.Is(err, zk.ErrNoNode) && !unknown:
			return n, sent, received, fmt.Errorf("%w: another grant was made, or it was released", leasehold.ErrLost)
		case errors.Is(err, zk.ErrNoNode), errors.Is(err, zk.ErrBadVersion):
			unknown = true // an earlier write has arrived
		case zk.IsRejected(err):
			return n, sent, received, outcome(unknown, h.store.explain(askedAll(err, ops, r.Results), "write", h.full))
		case ctx.Err() != nil:
			return n, sent, received, outcome(true, withCause(ctx, err))
		default:
			unknown = true
			pause(ctx)
		}
	}
}

// look finds out where the grant stands after a write of unknown outcome. It
// takes note of the record's version, and returns ErrLost if it is another
// grant's. done means that the grant node is gone and the record is data: a
// release has arrived.
func (h *holding) look(ctx context.Context, sess *session, data []byte) (done bool, err error) {
	if err := sess.sync(ctx, h.full); err != nil {
		return false, err
	}
	below, err := sess.children(ctx, h.full)
	if err != nil && !errors.Is(err, zk.ErrNoNode) {
		return false, err
	}
	n, err := sess.record(ctx, h.full)
	if err != nil {
		return false, err
	}
	if n == nil || n.stat.Czxid != h.node.stat.Czxid {
		return false, fmt.Errorf("%w: another grant was made", leasehold.ErrLost)
	}
	if !bytes.Equal(n.data, h.node.data) && !h.tried.has(n.data) {
		return false, fmt.Errorf("%w: the record was overwritten", leasehold.ErrLost) // I6: it may be a newer program's
	}
	if _, ok := below.withPrefix([]string{h.grant}); !ok {
		if h.ends && bytes.Equal(n.data, data) {
			return true, nil
		}
		return false, fmt.Errorf("%w: it was released", leasehold.ErrLost)
	}
	h.node.stat = n.stat
	return false, nil
}

// confirm returns once a renewal can be relied on: no client of kazoo may be at
// work that has read the old record, on a server that lags, and will replace
// the new one. It returns ErrLost if one has.
func (h *holding) confirm(ctx context.Context) error {
	for {
		sess, err := h.store.session(ctx)
		if err != nil {
			return err
		}
		sure, err := h.isSure(ctx, sess)
		switch {
		case sure:
			return nil
		case errors.Is(err, leasehold.ErrLost), zk.IsRejected(err):
			return h.store.explain(err, "read", h.full)
		case ctx.Err() != nil:
			return sess.unreachable(ctx)
		}
		pause(ctx)
	}
}

func (h *holding) isSure(ctx context.Context, sess *session) (bool, error) {
	if sess != h.wrote {
		if err := sess.sync(ctx, h.full); err != nil {
			return false, err
		}
	}
	below, err := sess.children(ctx, h.full)
	if errors.Is(err, zk.ErrNoNode) {
		return false, fmt.Errorf("%w: the path was removed", leasehold.ErrLost)
	}
	if err != nil {
		return false, err
	}
	if len(below.locks) > 0 { // also one from before the grant, if that came through the queue
		return false, nil
	}
	if below.stat.Pzxid == h.node.stat.Czxid {
		return true, nil // nothing was created or deleted since the grant
	}
	n, err := sess.record(ctx, h.full)
	if err != nil {
		return false, err
	}
	if n == nil || n.stat.Czxid != h.node.stat.Czxid {
		return false, fmt.Errorf("%w: another grant was made", leasehold.ErrLost)
	}
	return true, nil
}
