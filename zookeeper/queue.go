package zookeeper

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"leasehold.example/leasehold/kazoo"
	"leasehold.example/leasehold/zookeeper/internal/zk"
)

// queue does what kazoo's clients do: it takes their lock on the lease path,
// and commits together with the removal of its own lock node, so that the
// commit fails if the lock is lost.
func (u *update) queue(ctx context.Context, sess *session) (grant, error) {
	var none grant
	lock, err := u.lock(ctx, sess)
	if err != nil {
		return none, err
	}
	for {
		// First the children, then the record: in the other order, or both at
		// once, the record may be older than the lock.
		below, err := sess.children(ctx, u.full)
		if err != nil {
			return none, u.withdraw(ctx, sess, lock, err)
		}
		if name, ok := below.withPrefix(u.prefixes()); ok {
			g, err := u.recover(ctx, sess, name)
			return g, u.withdraw(ctx, sess, lock, err)
		}
		ahead, ok := below.predecessor(lock)
		if !ok {
			return none, errAgain // the session had ended
		}
		record, err := u.recordInQueue(ctx, sess, ahead)
		if err != nil {
			return none, u.withdraw(ctx, sess, lock, err)
		}
		proposal, err := u.ask(record.node)
		if err != nil && (ahead == "" || u.isSettledBy(record.node)) {
			// Else an earlier commit of ours, whose lock node is ahead, may arrive.
			return none, u.withdraw(ctx, sess, lock, err)
		}
		if ahead == "" {
			return u.commitQueued(ctx, sess, lock, below, newCommit(record.node, proposal))
		}
		if err := u.waitBehind(ctx, sess, ahead, record.event); err != nil {
			return none, u.withdraw(ctx, sess, lock, err)
		}
	}
}

// recordInQueue reads the record, with a watch if there is somebody to wait
// for.
func (u *update) recordInQueue(ctx context.Context, sess *session, ahead string) (watched, error) {
	if ahead != "" {
		return sess.watchRecord(ctx, u.full)
	}
	n, err := sess.record(ctx, u.full)
	return watched{node: n}, err
}

// waitBehind returns when the contender ahead is gone, or the record may have
// changed: if another has the lease by then, all who wait can go at once.
func (u *update) waitBehind(ctx context.Context, sess *session, ahead string, record <-chan struct{}) error {
	r, err := sess.do(ctx, zk.GetDataW(u.below(ahead)))
	if errors.Is(err, zk.ErrNoNode) {
		return nil
	}
	if err != nil {
		return err
	}
	select {
	case <-r.Watch:
	case <-record:
	case <-sess.Over():
		return zk.ErrSessionOver
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrQueued, ctx.Err())
	}
	return nil
}

// commitQueued commits as the holder of kazoo's lock.
func (u *update) commitQueued(ctx context.Context, sess *session, lock string, below children, c commit) (grant, error) {
	c.ops = append(c.ops, &zk.Delete{Path: u.below(lock), Version: zk.AnyVersion})
	if !u.ends {
		c.ops = append(c.ops, u.create(c.prefix, grantData(), zk.Sequence))
	}
	g, err := u.commit(ctx, sess, u.replace(c, below))
	if err != nil {
		// Also when the outcome is unknown: without the lock node, what was
		// sent can't be committed any more.
		err = u.withdraw(ctx, sess, lock, err)
	}
	return g, err
}

// lock creates a lock node and returns its name.
func (u *update) lock(ctx context.Context, sess *session) (string, error) {
	prefix := kazoo.LockNode(randomHex(16))
	pending := sess.Send(zk.Multi(u.create(prefix, []byte(u.holder), zk.Ephemeral|zk.Sequence)))
	r, err := pending.Wait(ctx)
	switch {
	case err == nil:
		return nodeName(r.Results[0].Path), nil
	case errors.Is(err, zk.ErrNoNode):
		return "", errAgain // the path was removed
	case zk.IsRejected(err), errors.Is(err, zk.ErrNotConnected):
	case ctx.Err() != nil && !sess.IsOver():
		// The node may be created yet. Its session goes on if the answer comes.
		u.store.background.Go(func() { u.removePending(ctx, sess, pending) })
	default:
		u.store.retire(sess)
	}
	return "", asked(fromClient(err), "create nodes below", u.full)
}

// removePending removes the lock node that pending creates; if it can't tell
// whether it does, it ends the session.
func (u *update) removePending(ctx context.Context, sess *session, pending *zk.Pending) {
	own := context.WithoutCancel(ctx)
	r, err := pending.Wait(own) // which ends with the connection
	switch {
	case err == nil:
		own, cancel := context.WithTimeout(own, cleanUpTime)
		defer cancel()
		u.remove(own, sess, nodeName(r.Results[0].Path))
	case !zk.IsRejected(err):
		u.store.retire(sess)
	}
}

func nodeName(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// withdraw removes the lock node and returns err.
func (u *update) withdraw(ctx context.Context, sess *session, lock string, err error) error {
	u.store.cleanUp(ctx, func(own context.Context) { u.remove(own, sess, lock) })
	return err
}

// remove deletes a lock node; if it can't, it ends the session, which does it.
func (u *update) remove(ctx context.Context, sess *session, lock string) {
	for {
		_, err := sess.do(ctx, zk.Multi(&zk.Delete{Path: u.below(lock), Version: zk.AnyVersion}))
		if err == nil || errors.Is(err, zk.ErrNoNode) || sess.IsOver() {
			return
		}
		if zk.IsRejected(err) || !pause(ctx) {
			u.store.retire(sess)
			return
		}
	}
}
