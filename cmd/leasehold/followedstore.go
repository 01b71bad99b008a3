package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/board"
	"leasehold.example/leasehold/cmd/leasehold/internal/text"
)

// A followedStore is a store that is opened as soon as it can be reached, and the
// picture of its leases.
type followedStore struct {
	flags  *storeFlags
	prefix string
	grace  time.Duration // with which jobs are judged
	first  chan struct{} // closed when there is a board

	mu    sync.Mutex
	store leasehold.Store // nil until it was reached
	board *board.Board    // likewise
	err   error           // why it was not
}

// run opens the store, follows it until ctx ends, and closes it. It returns an error
// that no other attempt changes.
func (s *followedStore) run(ctx context.Context) error {
	store, err := s.open(ctx)
	if store == nil {
		return err
	}
	defer s.flags.closeStore(store)
	b := board.New(store, s.prefix, s.grace)
	s.mu.Lock()
	s.store, s.board = store, b
	s.mu.Unlock()
	close(s.first)
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	wg.Go(func() { s.sayChanges(ctx, b) })
	return b.Run(ctx)
}

// sayChanges says when the picture is known, and when it is not any more.
func (s *followedStore) sayChanges(ctx context.Context, b *board.Board) {
	for known := false; ; {
		snapshot, changed := b.Snapshot()
		switch {
		case snapshot.Known && !known && !s.flags.quiet:
			s.flags.say("all leases are known: %d", len(snapshot.Jobs))
		case !snapshot.Known && known:
			why := errors.New("it does not answer")
			if snapshot.Err != nil {
				why = snapshot.Err
			}
			s.flags.warn("the state of the store is not known since %s: %v", text.Time(snapshot.UnknownSince), why)
		}
		known = snapshot.Known
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// open tries to open the store until ctx ends, and then returns nil.
func (s *followedStore) open(ctx context.Context) (leasehold.Store, error) {
	for {
		store, err := s.flags.open(ctx, time.Now().Add(s.flags.timeout))
		switch {
		case err == nil:
			return s.checked(ctx, store)
		case ctx.Err() != nil:
			return nil, nil
		case !errors.Is(err, leasehold.ErrUnreachable) && !errors.Is(err, context.DeadlineExceeded):
			return nil, err
		}
		s.mu.Lock()
		if s.err == nil {
			s.flags.warn("the store was not reached yet, and is tried again and again: %v", s.flags.wrap(err))
		}
		s.err = err
		s.mu.Unlock()
	}
}

// checked returns store, or an error if its chroot does not exist.
func (s *followedStore) checked(ctx context.Context, store leasehold.Store) (leasehold.Store, error) {
	ctx, cancel := context.WithTimeout(ctx, s.flags.timeout)
	defer cancel()
	err := s.flags.checkChroot(ctx, store)
	if f := (*failure)(nil); errors.As(err, &f) {
		s.flags.closeStore(store)
		return nil, err
	}
	return store, nil // the board tells all else
}

// Snapshot makes it a web.Source.
func (s *followedStore) Snapshot() (*board.Snapshot, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.board == nil {
		return &board.Snapshot{Err: s.err}, s.first
	}
	return s.board.Snapshot()
}

// client returns who changes leases, nil until the store was reached.
func (s *followedStore) client() *leasehold.Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.store == nil {
		return nil
	}
	return &leasehold.Client{Store: s.store, Logger: s.flags.logger()}
}
