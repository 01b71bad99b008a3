package zookeeper

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/background"
	"leasehold.example/leasehold/kazoo"
	"leasehold.example/leasehold/zookeeper/internal/zk"
)

// queue does what kazoo's clients do: it takes their lock on the lease path,
// and commits together with the removal of its own lock node, so that the
// commit fails if the lock is lost.
// log is the run log as it was read before, nil if it was not.
func (w *exclusiveWrite) queue(ctx context.Context, sess *session, log *node) (grant, error) {
	var none grant
	lock, err := w.createLockNode(ctx, sess)
	if err != nil {
		return none, err
	}
	queued := ctx
	if w.queueTime > 0 && len(w.unknown) == 0 { // an unknown outcome is awaited
		var cancel context.CancelFunc
		queued, cancel = context.WithTimeout(ctx, w.queueTime)
		defer cancel()
	}
	for {
		// First the children, then the record: in the other order, or both at
		// once, the record may be older than the lock.
		below, err := sess.children(ctx, w.full)
		if err != nil {
			return none, w.withdraw(ctx, sess, lock, err)
		}
		if name, ok := below.withPrefix(w.prefixes()); ok {
			g, err := w.recover(ctx, sess, name)
			return g, w.withdraw(ctx, sess, lock, err)
		}
		ahead, err := below.predecessor(lock)
		if errors.Is(err, errOvertaken) { // the session had ended
			return none, err
		}
		if err != nil {
			return none, w.withdraw(ctx, sess, lock, fmt.Errorf("%w: %q %w", leasehold.ErrUnusablePath, w.full, err))
		}
		record, err := w.recordInQueue(ctx, sess, ahead)
		if err != nil {
			return none, w.withdraw(ctx, sess, lock, err)
		}
		seen := readState{session: sess, record: record.node, log: log}.withChildren(below)
		proposal, err := w.propose(ctx, &seen)
		log = seen.log
		if w.isAnswer(err, record.node) || err != nil && ahead == "" {
			// Else an earlier commit of ours, whose lock node is ahead, may arrive.
			return none, w.withdraw(ctx, sess, lock, err)
		}
		if ahead == "" {
			return w.commitQueued(ctx, sess, lock, w.newTransaction(seen, proposal))
		}
		if err := w.waitBehind(ctx, queued, sess, ahead, record.event); err != nil {
			if errors.Is(err, leasehold.ErrQueued) {
				err = w.stillQueued(ctx, sess, below.first())
			}
			return none, w.withdraw(ctx, sess, lock, err)
		}
	}
}

// recordInQueue reads the record, with a watch if there is somebody to wait
// for.
func (w *exclusiveWrite) recordInQueue(ctx context.Context, sess *session, ahead string) (watched, error) {
	if ahead != "" {
		return sess.watchRecord(ctx, w.full)
	}
	n, err := sess.record(ctx, w.full)
	return watched{node: n}, err
}

// waitBehind returns when the contender ahead is gone, or the record may have
// changed: if another has the lease by then, all who wait can go at once. It
// returns ErrQueued when ctx or queued ends first.
func (w *exclusiveWrite) waitBehind(ctx, queued context.Context, sess *session, ahead string, record <-chan struct{}) error {
	r, err := sess.do(ctx, zk.GetDataW(w.below(ahead)))
	if errors.Is(err, zk.ErrNoNode) {
		return nil
	}
	if ctx.Err() != nil { // before the answer came; it queues all the same
		return leasehold.ErrQueued
	}
	if err != nil {
		return err
	}
	select {
	case <-r.Watch:
	case <-record:
	case <-sess.Over():
		return zk.ErrSessionOver
	case <-queued.Done():
		return leasehold.ErrQueued
	}
	return nil
}

// stillQueued returns ErrQueued with who has the lock: the data of the lock node
// first.
func (w *exclusiveWrite) stillQueued(ctx context.Context, sess *session, first string) error {
	holder, err := background.Run(ctx, &w.store.background, cleanUpWait, func() (string, error) {
		own, cancel := cleanUpContext(ctx)
		defer cancel()
		r, err := sess.do(own, zk.GetData(w.below(first)))
		return string(r.Data), err
	}, nil)
	queued := leasehold.ErrQueued
	if err == nil && holder != "" {
		queued = fmt.Errorf("%w, which %q has (%s)", queued, holder, w.below(first))
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", queued, ctx.Err())
	}
	return queued
}

// commitQueued commits as the holder of kazoo's lock.
func (w *exclusiveWrite) commitQueued(ctx context.Context, sess *session, lock string, t transaction) (grant, error) {
	t.ops = append(t.ops, &zk.Delete{Path: w.below(lock), Version: zk.AnyVersion})
	if !w.ends {
		t.ops = append(t.ops, w.createSequential(t.prefix, grantData()))
	}
	g, err := w.commit(ctx, sess, w.replace(t))
	if err != nil {
		// Also when the outcome is unknown: without the lock node, what was
		// sent can't be committed any more.
		err = w.withdraw(ctx, sess, lock, err)
	}
	return g, err
}

// createLockNode returns the name of a new lock node.
func (w *exclusiveWrite) createLockNode(ctx context.Context, sess *session) (string, error) {
	node := w.createSequential(kazoo.LockNode(randomHex(16)), []byte(w.holder))
	node.Flags |= zk.Ephemeral
	pending := sess.Send(zk.Multi(node))
	r, err := pending.Wait(ctx)
	switch {
	case err == nil:
		return nodeName(r.Results[0].Path), nil
	case errors.Is(err, zk.ErrNoNode):
		return "", errOvertaken // the path was removed
	case zk.IsRejected(err), errors.Is(err, zk.ErrNotConnected):
	case ctx.Err() != nil && !sess.IsOver():
		// The node may be created yet. Its session goes on if the answer comes.
		w.store.background.Go(func() { w.removePending(ctx, sess, pending) })
	default:
		w.store.retire(sess)
	}
	return "", withOperation(fromClient(err), "create nodes below", w.full)
}

// removePending removes the lock node that pending creates. If it does not
// become known whether there is one, the session ends, and the node with it.
func (w *exclusiveWrite) removePending(ctx context.Context, sess *session, pending *zk.Pending) {
	r, err := pending.Wait(context.WithoutCancel(ctx)) // which ends with the connection
	switch {
	case err == nil:
		own, cancel := cleanUpContext(ctx)
		defer cancel()
		w.removeLockNode(own, sess, nodeName(r.Results[0].Path))
	case !zk.IsRejected(err):
		w.store.retire(sess)
	}
}

func nodeName(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// withdraw removes the lock node and returns err.
func (w *exclusiveWrite) withdraw(ctx context.Context, sess *session, lock string, err error) error {
	w.store.cleanUp(ctx, func(own context.Context) { w.removeLockNode(own, sess, lock) })
	return err
}

// removeLockNode deletes a lock node. If it can't, it ends the session, and the
// node with it.
func (w *exclusiveWrite) removeLockNode(ctx context.Context, sess *session, lock string) {
	for {
		_, err := sess.do(ctx, zk.Multi(&zk.Delete{Path: w.below(lock), Version: zk.AnyVersion}))
		if err == nil || errors.Is(err, zk.ErrNoNode) || sess.IsOver() {
			return
		}
		if zk.IsRejected(err) || !pause(ctx) {
			w.store.retire(sess)
			return
		}
	}
}
