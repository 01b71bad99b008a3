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

// Grant is three requests and one transaction if nobody queues for kazoo's lock
// on path, four where kazoo wrote the record; see docs/protocol.md. The run log
// is one more, together with another. A refusal by the record as it is at first
// is one request.
func (s *Store) Grant(ctx context.Context, known leasehold.Entry, decide func(leasehold.Entry) (leasehold.Proposal, error)) (granted, replaced leasehold.Entry, err error) {
	w := exclusiveWrite{store: s, path: known.Path, full: s.nodePath(known.Path), decide: decide}
	w.known, _ = known.Private.(readState)
	g, err := w.run(ctx)
	return g.entry, g.replaced, withoutRefusal(err)
}

// guardAttempts is how often the guarded transaction may fail before an
// exclusiveWrite queues.
const guardAttempts = 2

// An exclusiveWrite reads the record at a lease path, decides, and writes, while
// no client of kazoo can: by the guarded transaction, or with kazoo's lock. It
// takes as many attempts as it needs.
type exclusiveWrite struct {
	store  *Store
	path   string // the lease path
	full   string // with the chroot
	decide func(old leasehold.Entry) (leasehold.Proposal, error)

	// ends is set where the present grant is to end, rather than a new one to
	// be made.
	ends bool

	known     readState     // what the first attempt can begin with
	holder    string        // of the newest proposal, to be shown to those who queue behind us
	queueTime time.Duration // of the newest proposal
	failures  int           // of the guarded transaction
	unknown   []transaction // sent, outcome not known
}

// A grant is what an exclusiveWrite has committed, and what that has replaced.
type grant struct{ entry, replaced leasehold.Entry }

// run makes attempts until one is decided. If it gives up while the outcome of a
// transaction is unknown, the grant, should there be one, is undone in the
// background.
func (w *exclusiveWrite) run(ctx context.Context) (grant, error) {
	for {
		g, err := w.attempt(ctx)
		switch {
		case err == nil:
			return g, nil
		case isRefusal(err) && (len(w.unknown) == 0 || !errors.Is(err, errNoPath)):
			if len(w.unknown) > 0 {
				w.store.background.Go(func() {
					own, cancel := cleanUpContext(ctx)
					defer cancel()
					w.undoLogs(own, w.unknown)
				})
			}
			return grant{}, err
		case len(w.unknown) > 0 && (ctx.Err() != nil || isFinal(err)):
			w.undoInBackground(ctx)
			return grant{}, unknownOutcome(true, withCause(ctx, w.store.storeError(err, "write", w.full)))
		case ctx.Err() != nil && errors.Is(err, ctx.Err()):
			return grant{}, err
		case ctx.Err() != nil:
			return grant{}, fmt.Errorf("%w: %w", leasehold.ErrUnreachable, withCause(ctx, err))
		case errors.Is(err, errOvertaken):
		case isFinal(err):
			return grant{}, w.store.storeError(err, "write", w.full)
		default: // the connection was lost
			pause(ctx)
		}
	}
}

// isFinal reports whether another attempt can't change err. What decide says
// is final, and so is what the server refuses.
func isFinal(err error) bool {
	return isRefusal(err) || zk.IsRejected(err) || errors.Is(err, errClosed) ||
		errors.Is(err, leasehold.ErrPermission) || errors.Is(err, leasehold.ErrQueued) || errors.Is(err, leasehold.ErrUnusablePath)
}

// errNoPath comes with a refusal to grant on a path that does not exist, where a
// transaction may arrive yet. Any other refusal comes after all transactions
// have failed.
var errNoPath = errors.New("there is no such path")

// A refusal is an error of decide, or of a LogEdit.
type refusal struct{ error }

func (r *refusal) Unwrap() error { return r.error }

func isRefusal(err error) bool {
	var r *refusal
	return errors.As(err, &r)
}

// withoutRefusal gives the caller's own error back as it was, if it is the answer.
func withoutRefusal(err error) error {
	var r *refusal
	if errors.As(err, &r) && !errors.Is(err, leasehold.ErrOutcomeUnknown) {
		return r.error
	}
	return err
}

// propose calls decide on what was seen. If decide needs the run log, that is read
// first, unless the children are not known: list reads both together.
func (w *exclusiveWrite) propose(ctx context.Context, seen *readState) (leasehold.Proposal, error) {
	p, err := w.decide(seen.entry(w.path))
	if err == nil && p.Log != nil && seen.log == nil {
		err = leasehold.ErrNeedsLog // what is there would be overwritten unseen
	}
	if errors.Is(err, leasehold.ErrNeedsLog) && seen.log == nil && seen.below != nil {
		if seen.log, err = seen.session.log(ctx, w.full); err != nil {
			return p, w.store.logError(err, "read", w.path)
		}
		return w.propose(ctx, seen)
	}
	if err != nil {
		return p, &refusal{err}
	}
	w.queueTime = p.QueueTime
	if rec, err := kazoo.Parse(p.Data); err == nil {
		w.holder = rec.Holder
	}
	return p, nil
}

// attempt does everything once, in one session.
func (w *exclusiveWrite) attempt(ctx context.Context) (grant, error) {
	var none grant
	sess, err := w.store.session(ctx)
	if err != nil {
		return none, err
	}
	if len(w.unknown) > 0 {
		// What was sent may be committed, and this session not have seen it.
		if err := sess.sync(ctx, w.full); err != nil {
			return none, err
		}
	}
	seen := w.known
	w.known = readState{}
	if seen.session != sess { // a server may show this session what is older
		seen = readState{session: sess, log: seen.log}
		if seen.record, err = sess.record(ctx, w.full); err != nil {
			return none, err
		}
	}
	proposal, err := w.propose(ctx, &seen)
	if w.isAnswer(err, seen.record) {
		return none, err
	}
	latest := seen.below != nil
	current := latest && err == nil // proposal is for what is seen by now
	if !latest {
		needsLog := errors.Is(err, leasehold.ErrNeedsLog)
		seen, err = w.list(ctx, seen, needsLog)
		if errors.Is(err, zk.ErrNoNode) {
			return w.createPath(ctx, sess)
		}
		if err != nil {
			return none, err
		}
		latest = seen.below.isLatest(seen.record)
		if needsLog {
			if proposal, err = w.propose(ctx, &seen); w.isAnswer(err, seen.record) {
				return none, err
			}
			current = err == nil
		}
	}
	if name, ok := seen.below.withPrefix(w.prefixes()); ok {
		return w.recover(ctx, sess, name)
	}
	count, ok := seen.below.created()
	if !ok || len(seen.below.locks) > 0 || w.failures >= guardAttempts || w.store.url.GuardOff || len(w.unknown) > 0 {
		// To queue also counts as a child, which makes every guarded
		// transaction fail that is still on its way.
		return w.queue(ctx, sess, seen.log)
	}
	// The record counts only as of now or later: one that was read before the
	// children may have been replaced, under the same version, by a client of
	// kazoo that has left no other trace.
	if !latest {
		if seen.record, err = sess.record(ctx, w.full); err != nil {
			return none, err
		}
	}
	if !latest || !current {
		if proposal, err = w.propose(ctx, &seen); err != nil {
			return none, err
		}
	}
	t := w.newTransaction(seen, proposal)
	guard := w.below(sequenceName(t.prefix, count))
	t.ops = append(t.ops, w.createSequential(t.prefix, grantData()), &zk.Check{Path: guard, Version: 0})
	if w.ends {
		t.ops = append(t.ops, &zk.Delete{Path: guard, Version: zk.AnyVersion})
	}
	return w.commit(ctx, sess, w.replace(t))
}

// list adds to what was seen the nodes below the lease path. If the run log is
// needed it is asked for together with them, unless there may be no path.
func (w *exclusiveWrite) list(ctx context.Context, seen readState, needsLog bool) (readState, error) {
	var log *zk.Pending
	if needsLog && seen.record != nil {
		log = seen.session.Send(zk.GetData(w.full))
	}
	below, err := seen.session.children(ctx, w.full)
	if err != nil {
		return seen, err
	}
	seen = seen.withChildren(below)
	if log != nil {
		seen.log, err = newLog(log.Wait(ctx))
	}
	return seen, w.store.logError(err, "read", w.path)
}

// isAnswer reports whether err, of propose, ends the attempt. Where the log is
// needed it does not, nor while a refusal by the record n can't be told.
func (w *exclusiveWrite) isAnswer(err error, n *node) bool {
	return err != nil && !errors.Is(err, leasehold.ErrNeedsLog) && (!isRefusal(err) || w.isSettledBy(n))
}

// isSettledBy reports whether a refusal by the record n can be told: not while
// a transaction on that very record may still arrive.
func (w *exclusiveWrite) isSettledBy(n *node) bool {
	return !slices.ContainsFunc(w.unknown, func(t transaction) bool {
		return sameNode(t.old.record, n) || n != nil && bytes.Equal(t.Data, n.data)
	})
}

func sameNode(a, b *node) bool {
	return a == nil && b == nil || a != nil && b != nil && a.stat.Czxid == b.stat.Czxid
}

func (w *exclusiveWrite) below(name string) string { return w.full + "/" + name }
