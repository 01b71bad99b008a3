package zookeeper

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/go-zookeeper/zk"

	"leasehold.example/leasehold"
)

// Read is one request.
func (s *Store) Read(ctx context.Context, path string) (leasehold.Entry, error) {
	n, err := retry(ctx, s, func(sess *session) (*node, error) { return sess.record(ctx, s.chroot+path) })
	if err != nil {
		return leasehold.Entry{}, explain(err, "read", s.chroot+path)
	}
	return s.entry(path, n), nil
}

// record reads the record's node below path; nil if there is none.
func (sess *session) record(ctx context.Context, path string) (*node, error) {
	n, err := call(ctx, sess, func(c *zk.Conn) (*node, error) {
		data, stat, err := c.Get(recordPath(path))
		if err != nil {
			return nil, err
		}
		return newNode(data, stat), nil
	})
	if errors.Is(err, zk.ErrNoNode) {
		return nil, nil
	}
	return n, err
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
	event <-chan zk.Event
}

// watchRecord is record with a watch, at the cost of another request where
// there is none.
func (sess *session) watchRecord(ctx context.Context, path string) (watched, error) {
	for {
		w, err := call(ctx, sess, func(c *zk.Conn) (watched, error) {
			data, stat, event, err := c.GetW(recordPath(path))
			if err != nil {
				return watched{}, err
			}
			return watched{newNode(data, stat), event}, nil
		})
		if !errors.Is(err, zk.ErrNoNode) {
			return w, err
		}
		w, err = call(ctx, sess, func(c *zk.Conn) (watched, error) {
			exists, _, event, err := c.ExistsW(recordPath(path))
			if err == nil && exists {
				err = errAgain // created in between
			}
			return watched{event: event}, err
		})
		if !errors.Is(err, errAgain) {
			return w, err
		}
	}
}

// Watch is one request, two where there is no record.
func (s *Store) Watch(ctx context.Context, path string) (leasehold.Entry, <-chan struct{}, error) {
	w, err := retry(ctx, s, func(sess *session) (watched, error) { return sess.watchRecord(ctx, s.chroot+path) })
	if err != nil {
		return leasehold.Entry{}, nil, explain(err, "read", s.chroot+path)
	}
	changed := make(chan struct{})
	go func() {
		defer close(changed)
		select {
		case <-w.event: // or the loss of the session
		case <-ctx.Done():
		}
	}()
	return s.entry(path, w.node), changed, nil
}

// children reads the nodes below a lease path.
func (sess *session) children(ctx context.Context, path string) (children, error) {
	return call(ctx, sess, func(c *zk.Conn) (children, error) {
		names, stat, err := c.Children(path)
		if err != nil {
			return children{}, err
		}
		return sortChildren(names, stat), nil
	})
}

// sync makes what this session reads next as new as the leader's knowledge.
func (sess *session) sync(ctx context.Context, path string) error {
	_, err := call(ctx, sess, func(c *zk.Conn) (string, error) { return c.Sync(path) })
	return err
}

// listWidth bounds the requests that List has under way.
const listWidth = 16

// List is one request for each node at and below prefix.
func (s *Store) List(ctx context.Context, prefix string) ([]string, error) {
	l := lister{store: s, tickets: make(chan struct{}, listWidth)}
	l.visit(ctx, strings.TrimSuffix(prefix, "/"))
	l.pending.Wait()
	slices.Sort(l.paths)
	return l.paths, errors.Join(l.errs...)
}

type lister struct {
	store   *Store
	tickets chan struct{}
	pending sync.WaitGroup

	mu    sync.Mutex
	paths []string
	errs  []error
}

// visit looks at path, "" for the root, and at what is below it.
func (l *lister) visit(ctx context.Context, path string) {
	l.pending.Go(func() {
		l.tickets <- struct{}{}
		names, err := l.store.names(ctx, path)
		<-l.tickets
		if err != nil {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.errs = append(l.errs, err)
			return
		}
		found := sortChildren(names, nil)
		if found.record && path != "" {
			l.mu.Lock()
			l.paths = append(l.paths, path)
			l.mu.Unlock()
		}
		for _, name := range names {
			if below := path + "/" + name; leasehold.CheckPath(below) == nil {
				l.visit(ctx, below)
			}
		}
	})
}

// names returns the names of the nodes below path, none if it does not exist.
func (s *Store) names(ctx context.Context, path string) ([]string, error) {
	full := s.chroot + path
	if full == "" {
		full = "/"
	}
	names, err := retry(ctx, s, func(sess *session) ([]string, error) {
		return call(ctx, sess, func(c *zk.Conn) ([]string, error) {
			names, _, err := c.Children(full)
			return names, err
		})
	})
	if errors.Is(err, zk.ErrNoNode) {
		return nil, nil
	}
	return names, explain(err, "list", full)
}
