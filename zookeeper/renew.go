package zookeeper

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/kazoo"
	"leasehold.example/leasehold/zookeeper/internal/zk"
)

// Renew is one request and one transaction. With less than the followers' lag
// and the margin left it is a second request, or more while a client of kazoo is
// at work.
func (s *Store) Renew(ctx context.Context, held leasehold.Entry, data []byte) (leasehold.Entry, error) {
	state, ok := held.Private.(grantState)
	if !ok {
		return leasehold.Entry{}, fmt.Errorf("%w: only what Grant or Renew returned can be renewed", leasehold.ErrLost)
	}
	h := heldGrant{store: s, path: held.Path, full: s.nodePath(held.Path), grantState: state, own: state.record, data: data}
	sent, received, err := h.write(ctx)
	if err != nil {
		return leasehold.Entry{}, err
	}
	// By the time of the reply: a renewal that was sent in good time may have
	// been committed late. And by the servers' clock, since ours may have stood
	// still. By kazoo's clock the lease may end earlier by the margin.
	left := min(timeLeft(held, received), endOf(node{data: held.Data}).Sub(time.UnixMilli(h.record.stat.Mtime)))
	if left-held.Margin < s.options.Lag {
		if err := h.confirm(ctx); err != nil { // the record was written all the same
			return leasehold.Entry{}, unknownOutcome(!errors.Is(err, leasehold.ErrLost), err)
		}
	}
	renewed := s.committed(held.Path, h.grantState, sent, received)
	renewed.Token, renewed.Since = held.Token, held.Since // the record may be in another node by now: see reclaim
	return renewed, nil
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

// A heldGrant is a grant of ours, known by its grant node.
type heldGrant struct {
	store *Store
	path  string // the lease path
	full  string // with the chroot
	grantState
	own   node              // the record as the grant had it last
	data  []byte            // what is written
	ends  bool              // it is a release
	edit  leasehold.LogEdit // of a release; nil to leave the run log as it is
	wrote *session          // in which the last write was made
}

// write sets the record to h.data, and checks the grant node or, to end the grant,
// deletes it. Both fail if it is gone: if a later grant of ours was made, or
// this one was released. The record's version tells whether kazoo has
// replaced it, since kazoo's are always 0 and ours never.
//
// A write of unknown outcome is sent again, at the version found by then, so
// that the times returned belong to the very commit that is there.
func (h *heldGrant) write(ctx context.Context) (sent, received leasehold.Instant, err error) {
	claim, unknown := h.claim(h.grantNode), false
	doubtful := len(h.sentData.reclaims()) > 0 // an earlier write may have made another grant node
	for {
		sess, err := h.store.session(ctx)
		if err != nil {
			return sent, received, unknownOutcome(unknown, err)
		}
		if unknown {
			done, err := h.reread(ctx, sess)
			if done {
				return sent, received, h.store.editReleased(ctx, h.path, h.edit)
			}
			if errors.Is(err, errNodeGone) {
				claim, err = h.reclaim(ctx, sess, unknown)
			} else {
				claim = h.claim(h.grantNode)
			}
			if errors.Is(err, leasehold.ErrLost) {
				return sent, received, err
			}
			if err != nil {
				if ctx.Err() != nil || zk.IsRejected(err) {
					return sent, received, unknownOutcome(unknown, h.store.storeError(err, "read", h.full))
				}
				pause(ctx)
				continue
			}
		}
		editOps, err := h.editOps(ctx, sess)
		if err != nil {
			if ctx.Err() != nil || isFinal(err) {
				return sent, received, unknownOutcome(unknown, withCause(ctx, err))
			}
			pause(ctx)
			continue
		}
		if hook := h.store.beforeCommit; hook != nil {
			hook()
		}
		h.sentData.add(h.data)
		sent = leasehold.ReadInstant()
		ops := slices.Concat(claim, editOps, []zk.Op{&zk.SetData{
			Path: recordPath(h.full), Data: h.data, Version: h.record.stat.Version,
		}})
		r, err := sess.do(ctx, zk.Multi(ops...))
		received = leasehold.ReadInstant()
		switch {
		case err == nil:
			h.sentData.keepOnly(h.data)
			h.record, h.wrote = node{h.data, *lastStat(r)}, sess
			if name := grantNodeOf(r.Results); name != "" {
				h.grantNode = name
			}
			return sent, received, nil
		case errors.Is(err, zk.ErrBadVersion) && isLogOp(failedOp(ops, r.Results), h.full):
			h.log = nil // to be read, and edited, again
		case errors.Is(err, zk.ErrNoNode) && !unknown && !doubtful:
			if claim, err = h.reclaim(ctx, sess, unknown); err != nil {
				return sent, received, h.store.storeError(err, "read", h.full)
			}
		case errors.Is(err, zk.ErrNoNode), errors.Is(err, zk.ErrBadVersion):
			unknown = true // an earlier write has arrived
		case zk.IsRejected(err):
			return sent, received, unknownOutcome(unknown, h.store.storeError(h.store.transactionError(err, h.path, ops, r.Results), "write", h.full))
		case ctx.Err() != nil:
			return sent, received, unknownOutcome(true, withCause(ctx, err))
		default:
			unknown = true
			pause(ctx)
		}
	}
}

// editOps are what a write does with the run log.
func (h *heldGrant) editOps(ctx context.Context, sess *session) ([]zk.Op, error) {
	if h.edit == nil {
		return nil, nil
	}
	if h.log == nil {
		log, err := sess.log(ctx, h.full)
		if err != nil {
			return nil, h.store.logError(err, "read", h.path)
		}
		h.log = log
	}
	data, err := h.edit(slices.Clone(h.log.data))
	if err != nil {
		return nil, &refusal{err}
	}
	op, _ := logOp(h.full, h.log, data)
	return []zk.Op{op}, nil
}

// claim is what a write does with the grant node beside setting the record. If
// the grant is taken back, and what it has replaced counts for nobody, its node
// stays: its name says until when, and that of the node that it replaced is gone.
func (h *heldGrant) claim(grantNode string) []zk.Op {
	path := h.full + "/" + grantNode
	if h.ends && !h.onEarly {
		return []zk.Op{&zk.Delete{Path: path, Version: zk.AnyVersion}}
	}
	return []zk.Op{&zk.Check{Path: path, Version: zk.AnyVersion}}
}

// reclaim returns the claim of a grant whose node is gone because another host,
// whose clock runs ahead, took the lease over before its end. Such a takeover
// never stands. Either it was taken back, and then the record is ours again but
// in the other grant's node, or it is still there, and its name gives our end.
// reclaim returns ErrLost if it was something else. The claim makes a new grant
// node, guarded as a grant is. Unless an earlier write of unknown outcome can have
// been the renewal to h.data, that it is there is the work of another of the same
// holder, as a release is.
func (h *heldGrant) reclaim(ctx context.Context, sess *session, unknown bool) ([]zk.Op, error) {
	lost := fmt.Errorf("%w: another grant was made, or it was released", leasehold.ErrLost)
	below, err := sess.children(ctx, h.full)
	if errors.Is(err, zk.ErrNoNode) {
		return nil, lost
	}
	if err != nil {
		return nil, err
	}
	n, err := sess.record(ctx, h.full)
	if err != nil {
		return nil, err
	}
	count, ok := below.created()
	if !ok || n == nil || n.stat.Version == 0 || n.stat.Czxid == h.own.stat.Czxid {
		return nil, lost
	}
	seen := readState{session: sess, record: n, below: &below}
	wasData := unknown && !h.ends
	takenBack := len(below.grants) == 0 && (bytes.Equal(n.data, h.own.data) || h.sentData.has(n.data) && (wasData || !bytes.Equal(n.data, h.data)))
	if early := seen.entry("").HeldUntil; !takenBack && (early.IsZero() || !early.Equal(endOf(h.own))) {
		return nil, lost
	}
	if len(below.locks) > 0 { // a client of kazoo is asking, and will be gone soon
		pause(ctx)
		return h.claim(h.grantNode), nil
	}
	prefix := newGrantPrefix(time.Time{})
	name := sequenceName(prefix, count)
	create := &zk.Create{Path: h.full + "/" + prefix, Data: grantData(), ACL: h.store.acl, Flags: zk.Sequence}
	ops := append([]zk.Op{create}, h.claim(name)...)
	for _, other := range below.grants {
		ops = append(ops, &zk.Delete{Path: h.full + "/" + other, Version: zk.AnyVersion})
	}
	h.record = *n
	h.sentData.addReclaim(prefix)
	return ops, nil
}

// errNodeGone means that the grant node is gone, as after another grant.
var errNodeGone = errors.New("the grant node is gone")

// endOf returns the end in a record, and the zero time if it can't be read.
func endOf(n node) time.Time {
	rec, err := kazoo.Parse(n.data)
	if err != nil {
		return time.Time{}
	}
	return rec.End
}

// reread finds out where the grant stands after a write of unknown outcome. It
// takes note of its grant node, which may be one that reclaim was about to make, and
// of the record's version. It returns ErrLost if the record is another's, and
// errNodeGone if the grant node is gone, which reclaim judges. done means that it
// is gone and the record is h.data: a release has arrived.
func (h *heldGrant) reread(ctx context.Context, sess *session) (done bool, err error) {
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
	name, ok := below.withPrefix(append(h.sentData.reclaims(), h.grantNode))
	reclaimed := ok && name != h.grantNode && n != nil && n.stat.Version > 0 // so it is not kazoo's
	same := reclaimed || n != nil && n.stat.Czxid == h.record.stat.Czxid
	if same && !bytes.Equal(n.data, h.record.data) && !bytes.Equal(n.data, h.own.data) && !h.sentData.has(n.data) {
		return false, fmt.Errorf("%w: the record was overwritten", leasehold.ErrLost) // I6: it may be a newer program's
	}
	switch {
	case same && ok:
		h.grantNode, h.record.stat = name, n.stat
		return false, nil
	case same && h.ends && bytes.Equal(n.data, h.data):
		return true, nil
	}
	return false, errNodeGone
}

// confirm returns once a renewal can be relied on: no client of kazoo may be at
// work that has read the old record, on a server that lags, and will replace
// the new one. It returns ErrLost if one has.
func (h *heldGrant) confirm(ctx context.Context) error {
	for {
		sess, err := h.store.session(ctx)
		if err != nil {
			return err
		}
		safe, err := h.isSafe(ctx, sess)
		switch {
		case safe:
			return nil
		case errors.Is(err, leasehold.ErrLost), zk.IsRejected(err):
			return h.store.storeError(err, "read", h.full)
		case ctx.Err() != nil:
			return sess.unreachable(ctx)
		}
		pause(ctx)
	}
}

func (h *heldGrant) isSafe(ctx context.Context, sess *session) (bool, error) {
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
	if below.stat.Pzxid == h.record.stat.Czxid {
		return true, nil // nothing was created or deleted since the grant
	}
	n, err := sess.record(ctx, h.full)
	if err != nil {
		return false, err
	}
	if n == nil || n.stat.Czxid != h.record.stat.Czxid {
		return false, fmt.Errorf("%w: another grant was made", leasehold.ErrLost)
	}
	return true, nil
}
