package zookeeper

import (
	"context"
	"errors"
	"slices"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/zookeeper/internal/zk"
)

// Read is one request.
func (s *Store) Read(ctx context.Context, path string) (leasehold.Entry, error) {
	seen, err := retry(ctx, s, func(sess *session) (readState, error) {
		n, err := sess.record(ctx, s.nodePath(path))
		return readState{session: sess, record: n}, err
	})
	if err != nil {
		return leasehold.Entry{}, s.storeError(err, "read", s.nodePath(path))
	}
	return seen.entry(path), nil
}

// record reads the record's node below path; nil if there is none.
func (sess *session) record(ctx context.Context, path string) (*node, error) {
	r, err := sess.do(ctx, zk.GetData(recordPath(path)))
	if errors.Is(err, zk.ErrNoNode) {
		return nil, nil
	}
	if err != nil {
		return nil, withOperation(err, "read", recordPath(path))
	}
	return newNode(r.Data, r.Stat), nil
}

func newNode(data []byte, stat *zk.Stat) *node {
	if data == nil {
		data = []byte{} // a record without data is a record, if not a good one
	}
	return &node{data, *stat}
}

// watched is a record and the event that will end the knowledge of it.
type watched struct {
	node  *node
	event <-chan struct{}
}

// watchRecord is record with a watch, at the cost of another request where
// there is none.
func (sess *session) watchRecord(ctx context.Context, path string) (watched, error) {
	for {
		r, err := sess.do(ctx, zk.GetDataW(recordPath(path)))
		if err == nil {
			return watched{newNode(r.Data, r.Stat), r.Watch}, nil
		}
		if errors.Is(err, zk.ErrNoNode) {
			r, err = sess.do(ctx, zk.ExistsW(recordPath(path)))
			if errors.Is(err, zk.ErrNoNode) {
				return watched{event: r.Watch}, nil
			}
		}
		if err != nil {
			return watched{}, withOperation(err, "read", recordPath(path))
		}
		// It was created in between.
	}
}

// Watch is two requests that are sent together, so that a Grant which begins
// with what they return needs no other before its transaction. Where there is
// no record it is a third.
func (s *Store) Watch(ctx context.Context, path string) (leasehold.Entry, <-chan struct{}, error) {
	full := s.nodePath(path)
	var seen readState
	w, err := retry(ctx, s, func(sess *session) (watched, error) {
		// The children are read first, as an attempt has to (see attempt): a
		// session's requests are answered in their order.
		listing := sess.Send(zk.GetChildren(full))
		w, err := sess.watchRecord(ctx, full)
		seen = readState{session: sess, record: w.node}
		if r, listErr := listing.Wait(ctx); listErr == nil {
			seen = seen.withChildren(newChildren(r.Children, r.Stat))
		}
		return w, err
	})
	if err != nil {
		return leasehold.Entry{}, nil, s.storeError(err, "read", full)
	}
	changed := make(chan struct{})
	go func() {
		defer close(changed)
		select {
		case <-w.event: // or the loss of the connection
		case <-ctx.Done():
		}
	}()
	return seen.entry(path), changed, nil
}

// HasChroot reports whether the URL's chroot exists, which is so without one. It
// is one request.
func (s *Store) HasChroot(ctx context.Context) (bool, error) {
	if s.url.Chroot == "" {
		return true, nil
	}
	_, err := retry(ctx, s, func(sess *session) (zk.Reply, error) {
		return sess.do(ctx, zk.Exists(s.url.Chroot))
	})
	switch {
	case errors.Is(err, zk.ErrNoNode):
		return false, nil
	case errors.Is(err, zk.ErrNoAuth): // it is there: see createPath
		return true, nil
	}
	return err == nil, s.storeError(err, "read", s.url.Chroot)
}

// MadeChroot reports whether this Store has made the URL's chroot, along with the
// first lease below it: it may be misspelt.
func (s *Store) MadeChroot() bool { return s.madeChroot.Load() }

// OpenToAll reports whether everybody whom the servers let in can create and
// delete nodes at the lease path, and so end its lease, whatever ACL its record
// has. It is false for a path that does not exist. It is one request.
func (s *Store) OpenToAll(ctx context.Context, path string) (bool, error) {
	full := s.nodePath(path)
	r, err := retry(ctx, s, func(sess *session) (zk.Reply, error) {
		return sess.do(ctx, zk.GetACL(full))
	})
	if errors.Is(err, zk.ErrNoNode) {
		return false, nil
	}
	open := slices.ContainsFunc(r.ACL, func(a zk.ACL) bool {
		return a.Scheme == "world" && a.Perms&(zk.PermCreate|zk.PermDelete|zk.PermAdmin) != 0
	})
	return open, s.storeError(err, "read the ACL of", full)
}

// children reads the nodes below a lease path.
func (sess *session) children(ctx context.Context, path string) (children, error) {
	r, err := sess.do(ctx, zk.GetChildren(path))
	if err != nil {
		return children{}, withOperation(err, "list", path)
	}
	return newChildren(r.Children, r.Stat), nil
}

// sync makes what this session reads next as new as the leader's knowledge.
func (sess *session) sync(ctx context.Context, path string) error {
	_, err := sess.do(ctx, zk.Sync(path))
	return err
}
