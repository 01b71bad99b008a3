package zookeeper

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-zookeeper/zk"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/kazoo"
)

// queue does what kazoo's clients do: it takes their lock on the lease path,
// and commits together with the removal of its own lock node, so that the
// commit fails if the lock is lost.
func (u *update) queue(ctx context.Context, sess *session) (leasehold.Entry, error) {
	var none leasehold.Entry
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
			e, err := u.recover(ctx, sess, name)
			return e, u.withdraw(ctx, sess, lock, err)
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
	r, err := sess.ask(ctx, request{operation: opGetData, path: u.below(ahead), watch: true})
	if errors.Is(err, zk.ErrNoNode) {
		return nil
	}
	if ctx.Err() != nil { // before the answer came; it queues all the same
		return fmt.Errorf("%w: %w", ErrQueued, ctx.Err())
	}
	if err != nil {
		return err
	}
	select {
	case <-r.event:
	case <-record:
	case <-sess.over:
		return errSessionOver
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrQueued, ctx.Err())
	}
	return nil
}

// commitQueued commits as the holder of kazoo's lock.
func (u *update) commitQueued(ctx context.Context, sess *session, lock string, below children, c commit) (leasehold.Entry, error) {
	c.ops = append(c.ops, &zk.DeleteRequest{Path: u.below(lock), Version: -1})
	if !u.ends {
		c.ops = append(c.ops, u.create(c.prefix, grantData(), zk.FlagSequence))
	}
	e, err := u.commit(ctx, sess, u.replace(c, below))
	if err != nil {
		// Also when the outcome is unknown: without the lock node, what was
		// sent can't be committed any more.
		err = u.withdraw(ctx, sess, lock, err)
	}
	return e, err
}

// lock creates a lock node and returns its name.
func (u *update) lock(ctx context.Context, sess *session) (string, error) {
	prefix := kazoo.LockNode(randomHex(16))
	var name string
	err := u.store.insist(ctx, sess, func() error {
		r, err := sess.askAtOnce(transaction(u.create(prefix, []byte(u.holder), zk.FlagEphemeral|zk.FlagSequence)))
		if err == nil {
			name, err = createdName(r.results)
		}
		return err
	}, func(own context.Context, err error) {
		if err == nil {
			u.remove(own, sess, name)
		} else if !isDefinite(err) && !errors.Is(err, errNotSent) {
			u.loseLock(own, sess, prefix)
		}
	})
	if errors.Is(err, zk.ErrNoNode) {
		return "", errAgain // the path was removed
	}
	if err != nil {
		return "", asked(err, "create nodes below", u.full) // name may be written to yet
	}
	return name, nil
}

// createdName returns the name of the node that a transaction of one operation
// has created.
func createdName(results []zk.MultiResponse) (string, error) {
	if len(results) != 1 || results[0].String == "" {
		return "", fmt.Errorf("the server answered the creation of a node with %d results", len(results))
	}
	path := results[0].String
	return path[strings.LastIndexByte(path, '/')+1:], nil
}

// withdraw removes the lock node and returns err.
func (u *update) withdraw(ctx context.Context, sess *session, lock string, err error) error {
	u.store.tidy(ctx, func(own context.Context) { u.remove(own, sess, lock) })
	return err
}

// remove deletes a lock node; if it can't, it ends the session, which does it.
func (u *update) remove(ctx context.Context, sess *session, lock string) {
	for {
		sess = sess.present()
		_, err := sess.ask(ctx, transaction(&zk.DeleteRequest{Path: u.below(lock), Version: -1}))
		if err == nil || errors.Is(err, zk.ErrNoNode) || sess.isOver() {
			return
		}
		if isDefinite(err) || !pause(ctx) {
			u.store.retire(sess)
			return
		}
	}
}

// loseLock sees to it that a lock node, of which it is not known whether it was
// created, does not stay: by the end of its session or, where that belongs to
// somebody else, by its name.
func (u *update) loseLock(ctx context.Context, sess *session, prefix string) {
	if !u.store.borrowed {
		u.store.retire(sess)
		return
	}
	// The connection has asked for the node before it asks for the children, so
	// that one look, once there is an answer, is enough. It may have
	// asked in a later session than sess.
	for {
		sess = sess.present()
		if err := sess.sync(ctx, u.full); err == nil {
			below, err := sess.children(ctx, u.full)
			if err == nil || errors.Is(err, zk.ErrNoNode) {
				for _, lock := range below.locks {
					if strings.HasPrefix(lock, prefix) {
						u.remove(ctx, sess, lock)
					}
				}
				return
			}
		}
		if !pause(ctx) {
			return
		}
	}
}
