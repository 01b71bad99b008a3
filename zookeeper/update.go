package zookeeper

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-zookeeper/zk"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/nodename"
)

// guardAttempts is how often the guarded transaction may fail before an update
// queues.
const guardAttempts = 2

// An update is one read-decide-write at a lease path, in as many attempts as
// it takes.
type update struct {
	store  *Store
	path   string // the lease path
	full   string // with the chroot
	holder string
	decide func(old leasehold.Entry) (leasehold.Proposal, error)

	// ends is set where the present grant is to end, rather than a new one to
	// be made.
	ends bool

	known    *node    // the record, read already; nil to read it
	failures int      // of the guard
	unknown  []commit // sent, outcome not known
}

// A commit is a transaction that makes or ends a grant.
type commit struct {
	leasehold.Proposal
	prefix string // of the grant node
	ops    []any  // the last one sets the record
	old    *node  // the record that it replaces
	sent   leasehold.Instant
}

// run makes attempts until one is decided. If it gives up while the outcome of a
// commit is unknown, the grant, should there be one, is undone in the
// background.
func (u *update) run(ctx context.Context) (leasehold.Entry, error) {
	for {
		e, err := u.attempt(ctx)
		switch {
		case err == nil:
			return e, nil
		case u.isRefusal(err) && (len(u.unknown) == 0 || !errors.Is(err, errNoPath)):
			return leasehold.Entry{}, err
		case len(u.unknown) > 0 && (ctx.Err() != nil || u.isFinal(err)):
			u.abandon(ctx)
			return leasehold.Entry{}, fmt.Errorf("%w: %w", leasehold.ErrOutcomeUnknown, withCause(ctx, u.store.explain(err, "write", u.full)))
		case ctx.Err() != nil && errors.Is(err, ctx.Err()):
			return leasehold.Entry{}, err
		case ctx.Err() != nil:
			return leasehold.Entry{}, fmt.Errorf("%w: %w", leasehold.ErrUnreachable, withCause(ctx, err))
		case errors.Is(err, errAgain):
		case u.isFinal(err):
			return leasehold.Entry{}, u.store.explain(err, "write", u.full)
		default: // the connection was lost
			if !pause(ctx) {
				continue
			}
		}
	}
}

// isFinal reports whether another attempt can't change err. What decide says
// is final, and so is what the server refuses.
func (u *update) isFinal(err error) bool {
	var refused *refusal
	return errors.As(err, &refused) || isDefinite(err) || errors.Is(err, errClosed) || errors.Is(err, leasehold.ErrPermission)
}

// errNoPath comes with a refusal to grant on a path that does not exist, where a
// commit may arrive yet. Any other refusal comes after all commits have failed.
var errNoPath = errors.New("there is no such path")

// A refusal carries an error of decide past the handling of our own.
type refusal struct{ error }

func (r *refusal) Unwrap() error { return r.error }

// ask calls decide on the record n.
func (u *update) ask(n *node) (leasehold.Proposal, error) {
	p, err := u.decide(u.store.entry(u.path, n))
	if err != nil {
		return p, &refusal{err}
	}
	return p, nil
}

// attempt does everything once, in one session.
func (u *update) attempt(ctx context.Context) (leasehold.Entry, error) {
	var none leasehold.Entry
	sess, err := u.store.session(ctx)
	if err != nil {
		return none, err
	}
	if len(u.unknown) > 0 {
		// What was sent may be committed, and this session not have seen it.
		if err := sess.sync(ctx, u.full); err != nil {
			return none, err
		}
	}
	old := u.known
	if u.known = nil; old == nil {
		if old, err = sess.record(ctx, u.full); err != nil {
			return none, err
		}
	}
	if _, err := u.ask(old); err != nil && u.isSettledBy(old) {
		return none, err
	}
	below, err := sess.children(ctx, u.full)
	if errors.Is(err, zk.ErrNoNode) {
		return u.createPath(ctx, sess)
	}
	if err != nil {
		return none, err
	}
	if name, ok := below.withPrefix(u.prefixes()); ok {
		return u.recover(ctx, sess, name)
	}
	count, ok := below.created()
	if !ok || len(below.locks) > 0 || u.failures >= guardAttempts || u.store.guardOff || len(u.unknown) > 0 {
		// To queue also counts as a child, which makes every guarded
		// transaction fail that is still on its way.
		return u.queue(ctx, sess)
	}
	// The record counts only as of now or later: one that was read before the
	// children may have been replaced, under the same version, by a client of
	// kazoo that has left no other trace.
	if !below.isLatest(old) {
		if old, err = sess.record(ctx, u.full); err != nil {
			return none, err
		}
	}
	proposal, err := u.ask(old)
	if err != nil {
		return none, err
	}
	c := newCommit(old, proposal)
	guard := u.below(sequenceName(c.prefix, count))
	c.ops = append(c.ops,
		u.create(c.prefix, grantData(), zk.FlagSequence),
		&zk.CheckVersionRequest{Path: guard, Version: 0},
	)
	if u.ends {
		c.ops = append(c.ops, &zk.DeleteRequest{Path: guard, Version: -1})
	}
	return u.commit(ctx, sess, u.replace(c, below))
}

// isSettledBy reports whether a refusal by the record n can be told: not while
// a commit on that very record may still arrive.
func (u *update) isSettledBy(n *node) bool {
	return !slices.ContainsFunc(u.unknown, func(c commit) bool {
		return sameNode(c.old, n) || n != nil && bytes.Equal(c.Data, n.data)
	})
}

func sameNode(a, b *node) bool {
	return a == nil && b == nil || a != nil && b != nil && a.stat.Czxid == b.stat.Czxid
}

func newCommit(old *node, p leasehold.Proposal) commit {
	return commit{Proposal: p, prefix: newGrantPrefix(), old: old}
}

func (u *update) prefixes() []string {
	var p []string
	for _, c := range u.unknown {
		p = append(p, c.prefix)
	}
	return p
}

func (u *update) below(name string) string { return u.full + "/" + name }

func (u *update) create(name string, data []byte, flags int32) *zk.CreateRequest {
	return &zk.CreateRequest{Path: u.below(name), Data: data, Acl: u.store.options.ACL, Flags: flags}
}

// replace adds to c that the older grant nodes go and that the record becomes
// c.Data: in a new node for a new grant, else in the same.
func (u *update) replace(c commit, below children) commit {
	for _, name := range below.grants {
		c.ops = append(c.ops, &zk.DeleteRequest{Path: u.below(name), Version: -1})
	}
	record := recordPath(u.full)
	if u.ends {
		c.ops = append(c.ops, &zk.SetDataRequest{Path: record, Data: c.Data, Version: c.old.stat.Version})
		return c
	}
	if c.old != nil {
		c.ops = append(c.ops, &zk.DeleteRequest{Path: record, Version: c.old.stat.Version})
	}
	// Setting it once more makes its version 1, which tells it from a record
	// of kazoo's, and returns its Stat.
	c.ops = append(c.ops,
		&zk.CreateRequest{Path: record, Data: c.Data, Acl: u.store.options.ACL},
		&zk.SetDataRequest{Path: record, Data: c.Data, Version: 0},
	)
	return c
}

// createPath grants on a path that does not exist, where there can be no lock
// of kazoo's, by creating it along with its missing parents.
func (u *update) createPath(ctx context.Context, sess *session) (leasehold.Entry, error) {
	var none leasehold.Entry
	proposal, err := u.ask(nil)
	if err != nil {
		return none, fmt.Errorf("%w: %w", errNoPath, err)
	}
	missing := []string{u.full}
	for parent := up(u.full); parent != "" && !u.isKnown(parent); parent = up(parent) {
		_, err := sess.ask(ctx, request{operation: opExists, path: parent})
		// From ZooKeeper 3.8.4 and 3.9.3 on, exists needs the READ permission on
		// a node that is there.
		if err == nil || errors.Is(err, zk.ErrNoAuth) {
			break
		}
		if !errors.Is(err, zk.ErrNoNode) {
			return none, err
		}
		missing = append(missing, parent)
	}
	c := newCommit(nil, proposal)
	for _, path := range slices.Backward(missing) {
		c.ops = append(c.ops, &zk.CreateRequest{Path: path, Data: []byte{}, Acl: u.store.options.ACL})
	}
	c.ops = append(c.ops, u.create(c.prefix, grantData(), zk.FlagSequence))
	e, err := u.commit(ctx, sess, u.replace(c, children{}))
	if err == nil {
		parent := up(u.full)
		u.store.parent.Store(&parent)
	}
	return e, err
}

// isKnown reports whether path was there when a lease was last granted below
// it. If it is not any more the commit fails, and the next attempt looks.
func (u *update) isKnown(path string) bool {
	known := u.store.parent.Load()
	return known != nil && *known == path && u.failures == 0
}

// up returns the path above path, "" for the root.
func up(path string) string { return path[:strings.LastIndexByte(path, '/')] }

// commit sends c. An error that leaves its outcome open is noted.
func (u *update) commit(ctx context.Context, sess *session, c commit) (leasehold.Entry, error) {
	if hook := u.store.beforeCommit; hook != nil {
		hook()
	}
	c.sent = leasehold.ReadInstant()
	r, err := sess.ask(ctx, transaction(c.ops...))
	received := leasehold.ReadInstant()
	switch {
	case err == nil:
		stat, err := lastStat(r.results, len(c.ops))
		if err != nil {
			u.unknown = append(u.unknown, c)
			return leasehold.Entry{}, err
		}
		return u.store.committed(u.path, mark{grantOf(r.results), node{c.Data, *stat}, &tried{}}, c.sent, received), nil
	case isOvertaken(err):
		u.failures++
		return leasehold.Entry{}, fmt.Errorf("%w: %w", errAgain, err)
	case !isDefinite(err):
		u.unknown = append(u.unknown, c)
	}
	return leasehold.Entry{}, askedAll(err, c.ops, r.results)
}

// lastStat returns the Stat that the last operation of a transaction returned.
func lastStat(results []zk.MultiResponse, operations int) (*zk.Stat, error) {
	if len(results) != operations || results[operations-1].Stat == nil {
		return nil, fmt.Errorf("the server answered a transaction of %d operations with %d results", operations, len(results))
	}
	return results[operations-1].Stat, nil
}

// grantOf returns the name of the grant node that a transaction created.
func grantOf(results []zk.MultiResponse) string {
	for _, r := range results {
		if name := r.String[strings.LastIndexByte(r.String, '/')+1:]; nodename.IsGrant(name) {
			return name
		}
	}
	return ""
}

// recover finds out what became of a commit whose reply was lost, now that its
// grant node has been seen.
func (u *update) recover(ctx context.Context, sess *session, grant string) (leasehold.Entry, error) {
	var none leasehold.Entry
	i := u.sentAs(grant)
	c := u.unknown[i]
	born, err := sess.czxid(ctx, u.below(grant))
	if err != nil {
		return none, err
	}
	n, err := sess.record(ctx, u.full)
	if err != nil {
		return none, err
	}
	if n == nil || n.stat.Czxid != born {
		// It was committed and another has taken the lease over since: decide
		// by what is there now.
		u.unknown = slices.Delete(u.unknown, i, i+1)
		return none, errAgain
	}
	return u.store.committed(u.path, mark{grant, *n, &tried{}}, c.sent, leasehold.ReadInstant()), nil
}

// sentAs returns the index of the unknown commit that grant belongs to.
func (u *update) sentAs(grant string) int {
	return slices.IndexFunc(u.unknown, func(c commit) bool { return strings.HasPrefix(grant, c.prefix) })
}

func (sess *session) czxid(ctx context.Context, path string) (int64, error) {
	r, err := sess.ask(ctx, request{operation: opExists, path: path})
	if errors.Is(err, zk.ErrNoNode) {
		return 0, errAgain
	}
	if err != nil {
		return 0, err
	}
	return r.stat.Czxid, nil
}

// abandon undoes, in the background, whatever becomes of the commits whose
// outcome nobody waits for any more.
func (u *update) abandon(ctx context.Context) {
	u.store.tidying.Go(func() {
		own, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyTime)
		defer cancel()
		_, _ = retry(own, u.store, func(sess *session) (struct{}, error) { return struct{}{}, u.settle(own, sess) })
	})
}

// settle makes sure that no commit of unknown outcome arrives any more, and
// undoes the one that did.
func (u *update) settle(ctx context.Context, sess *session) error {
	if u.ends {
		return nil // what was to end may as well
	}
	if err := u.fence(ctx, sess); err != nil {
		return err
	}
	below, err := sess.children(ctx, u.full)
	if errors.Is(err, zk.ErrNoNode) {
		return nil
	}
	if err != nil {
		return err
	}
	name, ok := below.withPrefix(u.prefixes())
	if !ok {
		return nil
	}
	undo := u.unknown[u.sentAs(name)].Undo
	e, err := u.recover(ctx, sess, name)
	if errors.Is(err, errAgain) {
		return nil
	}
	if err != nil {
		return err
	}
	return u.store.Release(ctx, e, undo)
}

// fence changes the count of children, which makes guarded transactions fail
// that are still on their way.
func (u *update) fence(ctx context.Context, sess *session) error {
	name := newGrantPrefix()
	path := u.below(strings.TrimSuffix(name, "-"))
	_, err := sess.ask(ctx, transaction(
		&zk.CreateRequest{Path: path, Data: []byte{}, Acl: u.store.options.ACL},
		&zk.DeleteRequest{Path: path, Version: -1},
	))
	if errors.Is(err, zk.ErrNoNode) {
		return nil
	}
	return err
}

func (u *update) isRefusal(err error) bool {
	var refused *refusal
	return errors.As(err, &refused)
}
