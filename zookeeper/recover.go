package zookeeper

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/zookeeper/internal/zk"
)

// prefixes returns those of the grant nodes of all transactions whose outcome
// is unknown.
func (w *exclusiveWrite) prefixes() []string {
	var p []string
	for _, t := range w.unknown {
		p = append(p, t.prefix)
	}
	return p
}

// sentAs returns the index of the unknown transaction that a grant node belongs
// to.
func (w *exclusiveWrite) sentAs(grantNode string) int {
	return slices.IndexFunc(w.unknown, func(t transaction) bool { return strings.HasPrefix(grantNode, t.prefix) })
}

// recover finds out what became of a transaction whose reply was lost, now that
// its grant node has been seen.
func (w *exclusiveWrite) recover(ctx context.Context, sess *session, grantNode string) (grant, error) {
	var none grant
	i := w.sentAs(grantNode)
	t := w.unknown[i]
	r, err := sess.do(ctx, zk.Exists(w.below(grantNode)))
	if errors.Is(err, zk.ErrNoNode) {
		return none, errOvertaken
	}
	if err != nil {
		return none, err
	}
	n, err := sess.record(ctx, w.full)
	if err != nil {
		return none, err
	}
	if n == nil || n.stat.Czxid != r.Stat.Czxid || !bytes.Equal(n.data, t.Data) {
		// It was committed and another has taken the lease over since, or the
		// rightful holder has gone on in its record's node (see reclaim): decide
		// by what is there now.
		if w.undoLogs(ctx, []transaction{t}); ctx.Err() != nil {
			return none, ctx.Err()
		}
		w.unknown = slices.Delete(w.unknown, i, i+1)
		return none, errOvertaken
	}
	return w.granted(t, grantNode, *n, leasehold.ReadInstant()), nil
}

// undoInBackground undoes whatever becomes of the transactions whose outcome
// nobody waits for any more.
func (w *exclusiveWrite) undoInBackground(ctx context.Context) {
	w.store.background.Go(func() {
		own, cancel := cleanUpContext(ctx)
		defer cancel()
		_, _ = retry(own, w.store, func(sess *session) (struct{}, error) { return struct{}{}, w.undo(own, sess) })
	})
}

// undo makes sure that no transaction of unknown outcome arrives any more, and
// undoes the one that did.
func (w *exclusiveWrite) undo(ctx context.Context, sess *session) error {
	if w.ends {
		return nil // what was to end may as well
	}
	if err := w.fence(ctx, sess); err != nil {
		return err
	}
	if err := w.takeBack(ctx, sess); err != nil {
		return err
	}
	w.undoLogs(ctx, w.unknown)
	return nil
}

// takeBack ends the grant of a transaction of unknown outcome, if there is one.
func (w *exclusiveWrite) takeBack(ctx context.Context, sess *session) error {
	below, err := sess.children(ctx, w.full)
	if errors.Is(err, zk.ErrNoNode) {
		return nil
	}
	if err != nil {
		return err
	}
	name, ok := below.withPrefix(w.prefixes())
	if !ok {
		return nil
	}
	t := w.unknown[w.sentAs(name)]
	g, err := w.recover(ctx, sess, name)
	if errors.Is(err, errOvertaken) {
		return nil
	}
	if err != nil {
		return err
	}
	err = w.store.Release(ctx, g.entry, t.Undo, t.UndoLog)
	if bad := (*leasehold.LogError)(nil); errors.As(err, &bad) {
		err = w.store.Release(ctx, g.entry, t.Undo, nil)
	}
	return err
}

// undoLogs undoes in the run log what transactions have done there that count for
// nothing: they may have been committed, and others have granted the lease since.
// Where that fails, what is in the log counts.
func (w *exclusiveWrite) undoLogs(ctx context.Context, ts []transaction) {
	for _, t := range ts {
		if t.UndoLog != nil {
			_ = w.store.EditLog(ctx, w.path, t.UndoLog)
		}
	}
}

// fence changes the count of children, which makes guarded transactions fail
// that are still on their way.
func (w *exclusiveWrite) fence(ctx context.Context, sess *session) error {
	path := w.below(strings.TrimSuffix(newGrantPrefix(time.Time{}), "-"))
	_, err := sess.do(ctx, zk.Multi(w.store.create(path, []byte{}), &zk.Delete{Path: path, Version: zk.AnyVersion}))
	if errors.Is(err, zk.ErrNoNode) {
		return nil
	}
	return err
}
