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

const (
	listWidth = 16       // requests of List that are sent together
	maxListed = 64 << 20 // bytes of the paths that it reads; those of a million leases
	longLog   = 64 << 10 // bytes that a run log never has: such data is another program's
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
	ahead   []string  // nodes to be read, "" for the root
	busy    int       // workers that may add to it
	seen    int       // bytes that were ever added
	paths   []string
	errs    []error
}

// work reads nodes until there are no more.
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
		below, err := l.store.below(ctx, path)
		l.mu.Lock()
		l.busy--
		if err != nil {
			l.errs = append(l.errs, err)
		}
		if ctx.Err() != nil {
			l.ahead = nil // each would only say so again
		}
		l.add(path, below)
		l.changed.Broadcast()
	}
}

// add takes note of path, if it has a record or what may be a run log, and of what
// is below it.
func (l *lister) add(path string, node zk.Reply) {
	hasRecord := slices.Contains(node.Children, kazoo.RecordName)
	mayHaveLog := node.Stat != nil && node.Stat.DataLength > 0 && node.Stat.DataLength < longLog
	if path != "" && (hasRecord || mayHaveLog) {
		l.paths = append(l.paths, path)
	}
	for _, name := range node.Children {
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

// below returns what is below path and path's own Stat, nothing if it does not exist.
func (s *Store) below(ctx context.Context, path string) (zk.Reply, error) {
	full := s.nodePath(path)
	if full == "" {
		full = "/"
	}
	r, err := retry(ctx, s, func(sess *session) (zk.Reply, error) {
		return sess.do(ctx, zk.GetChildren(full))
	})
	if errors.Is(err, zk.ErrNoNode) {
		return zk.Reply{}, nil
	}
	return r, s.storeError(err, "list", full)
}
