package zookeeper

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/nodename"
	"leasehold.example/leasehold/zookeeper/internal/zk"
)

// A transaction makes or ends a grant.
type transaction struct {
	leasehold.Proposal
	prefix string // of the grant node
	ops    []zk.Op
	old    readState // what it replaces
	log    *node     // the run log afterwards; nil if not known
	sent   leasehold.Instant
}

func (w *exclusiveWrite) newTransaction(old readState, p leasehold.Proposal) transaction {
	t := transaction{Proposal: p, prefix: newGrantPrefix(p.FormerEnd), old: old, log: old.log}
	if p.Log != nil {
		var op zk.Op
		op, t.log = logOp(w.full, old.log, p.Log)
		t.ops = append(t.ops, op)
	}
	return t
}

func (s *Store) create(path string, data []byte) *zk.Create {
	return &zk.Create{Path: path, Data: data, ACL: s.acl}
}

// createSequential creates a node below the lease path, whose name the server
// completes.
func (w *exclusiveWrite) createSequential(name string, data []byte) *zk.Create {
	c := w.store.create(w.below(name), data)
	c.Flags = zk.Sequence
	return c
}

// replace adds to t that the older grant nodes go and that the record becomes
// t.Data: in a new node for a new grant, else in the same. The last operation
// sets the record.
func (w *exclusiveWrite) replace(t transaction) transaction {
	if t.old.below != nil {
		for _, name := range t.old.below.grants {
			t.ops = append(t.ops, &zk.Delete{Path: w.below(name), Version: zk.AnyVersion})
		}
	}
	record := recordPath(w.full)
	if w.ends {
		t.ops = append(t.ops, &zk.SetData{Path: record, Data: t.Data, Version: t.old.record.stat.Version})
		return t
	}
	if t.old.record != nil {
		t.ops = append(t.ops, &zk.Delete{Path: record, Version: t.old.record.stat.Version})
	}
	// Setting it once more makes its version 1, which tells it from a record
	// of kazoo's, and returns its Stat.
	t.ops = append(t.ops, w.store.create(record, t.Data), &zk.SetData{Path: record, Data: t.Data, Version: 0})
	return t
}

// createPath grants on a path that does not exist, where there can be no lock
// of kazoo's, by creating it along with its missing parents.
func (w *exclusiveWrite) createPath(ctx context.Context, sess *session) (grant, error) {
	var none grant
	nothing := readState{log: &noLog}
	proposal, err := w.propose(ctx, &nothing)
	if err != nil {
		return none, fmt.Errorf("%w: %w", errNoPath, err)
	}
	t := w.newTransaction(nothing, proposal)
	t.log = &node{data: append([]byte{}, t.Log...)}
	// In place of an operation on the log: it is born with the path.
	if t.ops, err = w.store.creation(ctx, sess, w.full, t.log.data, w.failures == 0); err != nil {
		return none, err
	}
	t.ops = append(t.ops, w.createSequential(t.prefix, grantData()))
	g, err := w.commit(ctx, sess, w.replace(t))
	if err == nil {
		w.store.noteChroot(t.ops)
		parent := up(w.full)
		w.store.parent.Store(&parent)
	}
	return g, err
}

// creation returns the operations that create path, with data, and its missing
// parents. The parent of the last path that a lease was granted on is taken to be
// there, if trusting. If it is not any more the transaction fails, and the next
// attempt asks. This saves a request for each further lease below the same parent.
func (s *Store) creation(ctx context.Context, sess *session, path string, data []byte, trusting bool) ([]zk.Op, error) {
	ops := []zk.Op{s.create(path, data)}
	known := s.parent.Load()
	for parent := up(path); parent != "" && !(trusting && known != nil && *known == parent); parent = up(parent) {
		_, err := sess.do(ctx, zk.Exists(parent))
		// From ZooKeeper 3.8.4 and 3.9.3 on, exists needs the READ permission on
		// a node that is there.
		if err == nil || errors.Is(err, zk.ErrNoAuth) {
			break
		}
		if !errors.Is(err, zk.ErrNoNode) {
			return nil, err
		}
		ops = append(ops, s.create(parent, []byte{}))
	}
	slices.Reverse(ops)
	return ops, nil
}

// noteChroot notes if ops, which were carried out, have made the chroot.
func (s *Store) noteChroot(ops []zk.Op) {
	if slices.ContainsFunc(ops, func(op zk.Op) bool {
		c, ok := op.(*zk.Create)
		return ok && c.Path == s.url.Chroot
	}) {
		s.madeChroot.Store(true)
	}
}

// up returns the path above path, "" for the root.
func up(path string) string { return path[:strings.LastIndexByte(path, '/')] }

// commit sends t. If an error leaves its outcome open, t is kept in w.unknown.
func (w *exclusiveWrite) commit(ctx context.Context, sess *session, t transaction) (grant, error) {
	if hook := w.store.beforeCommit; hook != nil {
		hook()
	}
	t.sent = leasehold.ReadInstant()
	r, err := sess.do(ctx, zk.Multi(t.ops...))
	received := leasehold.ReadInstant()
	switch {
	case err == nil:
		return w.granted(t, grantNodeOf(r.Results), node{t.Data, *lastStat(r)}, received), nil
	case isStale(err):
		w.failures++
		return grant{}, fmt.Errorf("%w: %w", errOvertaken, err)
	case !zk.IsRejected(err):
		w.unknown = append(w.unknown, t)
	}
	return grant{}, w.store.transactionError(err, w.path, t.ops, r.Results)
}

// granted returns the grant of a transaction.
func (w *exclusiveWrite) granted(t transaction, grantNode string, record node, received leasehold.Instant) grant {
	replaced := t.old.entry(w.path)
	if t.log != t.old.log {
		t.log.stat.Mtime = record.stat.Ctime
	}
	state := grantState{grantNode: grantNode, record: record, log: t.log, sentData: &sentRecords{}}
	state.onEarly = replaced.HeldUntil.After(time.UnixMilli(record.stat.Ctime))
	granted := w.store.committed(w.path, state, t.sent, received)
	granted.Log = t.log.asLog()
	return grant{granted, replaced}
}

// lastStat returns the Stat of a transaction's last operation, a SetData.
func lastStat(r zk.Reply) *zk.Stat { return r.Results[len(r.Results)-1].Stat }

// grantNodeOf returns the name of the grant node that a transaction created.
func grantNodeOf(results []zk.Result) string {
	for _, r := range results {
		name := nodeName(r.Path)
		if _, ok := nodename.ParseGrant(name); ok {
			return name
		}
	}
	return ""
}
