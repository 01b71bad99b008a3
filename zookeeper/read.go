package zookeeper

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/kazoo"
	"leasehold.example/leasehold/zookeeper/internal/zk"
)

// Read is one request.
func (s *Store) Read(ctx context.Context, path string) (leasehold.Entry, error) {
	n, err := retry(ctx, s, func(sess *session) (*node, error) { return sess.record(ctx, s.chroot+path) })
	if err != nil {
		return leasehold.Entry{}, s.explain(err, "read", s.chroot+path)
	}
	return entry(path, n), nil
}

// record reads the record's node below path; nil if there is none.
func (sess *session) record(ctx context.Context, path string) (*node, error) {
	r, err := sess.do(ctx, zk.GetData(recordPath(path)))
	if errors.Is(err, zk.ErrNoNode) {
		return nil, nil
	}
	if err != nil {
		return nil, asked(err, "read", recordPath(path))
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
			return watched{}, asked(err, "read", recordPath(path))
		}
		// It was created in between.
	}
}

// Watch is one request, two where there is no record.
func (s *Store) Watch(ctx context.Context, path string) (leasehold.Entry, <-chan struct{}, error) {
	w, err := retry(ctx, s, func(sess *session) (watched, error) { return sess.watchRecord(ctx, s.chroot+path) })
	if err != nil {
		return leasehold.Entry{}, nil, s.explain(err, "read", s.chroot+path)
	}
	changed := make(chan struct{})
	go func() {
		defer close(changed)
		select {
		case <-w.event: // or the loss of the connection
		case <-ctx.Done():
		}
	}()
	return entry(path, w.node), changed, nil
}

// OpenToAll reports whether everybody whom the servers let in can create and
// delete nodes at the lease path, and so end its lease, whatever ACL its record
// has. It is false for a path that does not exist. It is one request.
func (s *Store) OpenToAll(ctx context.Context, path string) (bool, error) {
	full := s.chroot + path
	r, err := retry(ctx, s, func(sess *session) (zk.Reply, error) {
		return sess.do(ctx, zk.GetACL(full))
	})
	if errors.Is(err, zk.ErrNoNode) {
		return false, nil
	}
	open := slices.ContainsFunc(r.ACL, func(a zk.ACL) bool {
		return a.Scheme == "world" && a.Perms&(zk.PermCreate|zk.PermDelete|zk.PermAdmin) != 0
	})
	return open, s.explain(err, "read the ACL of", full)
}

// children reads the nodes below a lease path.
func (sess *session) children(ctx context.Context, path string) (children, error) {
	r, err := sess.do(ctx, zk.GetChildren(path))
	if err != nil {
		return children{}, asked(err, "list", path)
	}
	return sortChildren(r.Children, r.Stat), nil
}

// sync makes what this session reads next as new as the leader's knowledge.
func (sess *session) sync(ctx context.Context, path string) error {
	_, err := sess.do(ctx, zk.Sync(path))
	return err
}

const (
	listWidth = 16       // requests that List has under way
	maxListed = 64 << 20 // bytes of paths that it looks at; those of a million leases
)

// List is one request for each node at and below prefix.
func (s *Store) List(ctx context.Context, prefix string) ([]string, error) {
	l := lister{store: s, ahead: []string{strings.TrimSuffix(prefix, "/")}}
	l.changed.L = &l.mu
	var workers sync.WaitGroup
	for range listWidth {
		workers.Go(func() { l.work(ctx) })
	}
	workers.Wait()
	slices.Sort(l.paths)
	return l.paths, errors.Join(l.errs...)
}

type lister struct {
	store *Store

	mu      sync.Mutex
	changed sync.Cond // broadcast when ahead or busy changes
	ahead   []string  // nodes to look at, "" for the root
	busy    int       // workers that may add to it
	seen    int       // bytes that were ever added
	paths   []string
	errs    []error
}

// work looks at nodes until there are no more.
func (l *lister) work(ctx context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		for len(l.ahead) == 0 && l.busy > 0 {
			l.changed.Wait()
		}
		if len(l.ahead) == 0 {
			return
		}
		path := l.ahead[len(l.ahead)-1]
		l.ahead = l.ahead[:len(l.ahead)-1]
		l.busy++
		l.mu.Unlock()
		names, err := l.store.names(ctx, path)
		l.mu.Lock()
		l.busy--
		if err != nil {
			l.errs = append(l.errs, err)
		}
		if ctx.Err() != nil {
			l.ahead = nil // each would only say so again
		}
		l.add(path, names)
		l.changed.Broadcast()
	}
}

// add takes note of the names below path.
func (l *lister) add(path string, names []string) {
	for _, name := range names {
		if name == kazoo.RecordName && path != "" {
			l.paths = append(l.paths, path)
		}
		below := path + "/" + name
		if leasehold.CheckPath(below) != nil {
			continue
		}
		if l.seen += len(below); l.seen > maxListed {
			l.ahead = nil
			l.errs = append(l.errs, fmt.Errorf("list: too many nodes, the paths of those at and above %q have more than %d MB", path, maxListed>>20))
			return
		}
		l.ahead = append(l.ahead, below)
	}
}

// names returns the names of the nodes below path, none if it does not exist.
func (s *Store) names(ctx context.Context, path string) ([]string, error) {
	full := s.chroot + path
	if full == "" {
		full = "/"
	}
	r, err := retry(ctx, s, func(sess *session) (zk.Reply, error) {
		return sess.do(ctx, zk.GetChildren(full))
	})
	if errors.Is(err, zk.ErrNoNode) {
		return nil, nil
	}
	return r.Children, s.explain(err, "list", full)
}
