package localdir

import (
	"context"
	"slices"
	"time"

	"leasehold.example/leasehold"
)

// watchInterval is how often a watch looks. A look takes some 50 µs.
const watchInterval = 50 * time.Millisecond

// Watch returns what Read does, and a channel that is closed within about
// 50 ms of a change, or when ctx ends or the Store is closed.
func (s *Store) Watch(ctx context.Context, path string) (leasehold.Entry, <-chan struct{}, error) {
	name, err := s.enter(ctx, path)
	if err != nil {
		return leasehold.Entry{}, nil, err
	}
	defer s.leave()
	first, err := s.awaitState(ctx, path, name)
	if err != nil {
		return leasehold.Entry{}, nil, err
	}
	changed := make(chan struct{})
	s.busy.Go(func() {
		defer close(changed)
		ticker := time.NewTicker(watchInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return
			case <-s.closing:
				return
			}
			// The contents are compared, not the times and inodes of files:
			// these can be the same again after two writes within a tick.
			if now, err := s.awaitState(ctx, path, name); err != nil || !now.equal(first) {
				return
			}
		}
	})
	return entry(path, first), changed, nil
}

func (st state) equal(other state) bool {
	return st.Token == other.Token && st.Released == other.Released &&
		(st.data == nil) == (other.data == nil) && slices.Equal(st.data, other.data)
}
