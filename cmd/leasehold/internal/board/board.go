// Package board has a live picture of every lease at and below a prefix, in memory.
package board

import (
	"context"
	"fmt"
	"sync"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/jobs"
)

// staleTime is for how long the picture counts as known after the store has said
// that nothing is missing. It says so every second.
const staleTime = 1800 * time.Millisecond

// A Board keeps the picture. New makes one, and Run keeps it up to date. It is safe
// for concurrent use.
type Board struct {
	store  leasehold.Store
	prefix string
	stale  *time.Timer // until asOf is too old

	mu      sync.Mutex
	current *Snapshot
	changed chan struct{}     // closed and replaced with current
	asOf    leasehold.Instant // until when nothing is missing
	err     error             // why it is not known what has changed since
}

// A Snapshot is the picture at one moment. All who ask share it: nothing in it
// changes, and nothing is to be changed.
type Snapshot struct {
	// Jobs are sorted by the bytes of their paths. A lease that can't be read is among
	// them, with its reason, and so is a node below which nothing can be seen. Each is
	// as it was read: Job.At tells what it is by now. What is needed to judge them by
	// jobs.DefaultGrace is at hand, and Job.Whole has all that was logged.
	Jobs []*jobs.Job

	// Known reports whether the picture is complete: it has all that was committed
	// until two seconds ago. If it is not, UnknownSince is until when it was, zero if
	// it never was, and Err is why, as far as that is known.
	Known        bool
	UnknownSince time.Time
	Err          error

	// Changed is when Jobs changed last, by this host's clock.
	Changed time.Time
}

// New returns the Board of all leases at and below prefix, "/" for all. It has none
// and does not know of any until Run has read them.
func New(store leasehold.Store, prefix string) *Board {
	b := &Board{store: store, prefix: prefix, current: &Snapshot{}, changed: make(chan struct{})}
	b.stale = time.AfterFunc(staleTime, func() { b.Snapshot() })
	b.stale.Stop()
	return b
}

// Run keeps the picture up to date until ctx ends. Then it returns nil, and else an
// error that no other attempt changes. It is to be called once.
func (b *Board) Run(ctx context.Context) error {
	defer b.stale.Stop()
	follow := func(ctx context.Context, prefix string, tell func(leasehold.News)) error {
		return poll(ctx, b.store, prefix, tell)
	}
	if f, ok := b.store.(leasehold.Follower); ok {
		follow = f.Follow
	}
	if err := follow(ctx, b.prefix, b.take); err != nil {
		return fmt.Errorf("follow the leases at and below %q: %w", b.prefix, err)
	}
	return nil
}

// Snapshot returns the picture, and a channel that is closed when there is another
// one: a job has changed, or whether the picture is known, or why not.
func (b *Board) Snapshot() (*Snapshot, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.settle(*b.current)
	return b.current, b.changed
}

// take takes what the store tells.
func (b *Board) take(news leasehold.News) {
	former, _ := b.Snapshot()
	all, changed := former.Jobs, former.Changed
	if len(news.Leases) > 0 {
		all, changed = merge(all, news.Leases), time.Now() // others may ask meanwhile
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err = news.Err; !news.AsOf.IsZero() {
		b.asOf = news.AsOf
		b.stale.Reset(staleTime - b.asOf.Elapsed() + time.Millisecond)
	}
	next := *b.current
	next.Jobs, next.Changed = all, changed
	b.settle(next)
}

// settle completes next by what is known now, and makes it the picture if it is
// another one. b.mu is locked.
func (b *Board) settle(next Snapshot) {
	next.Known = b.err == nil && !b.asOf.IsZero() && b.asOf.Elapsed() <= staleTime
	next.UnknownSince, next.Err = time.Time{}, b.err
	if !next.Known && !b.asOf.IsZero() {
		next.UnknownSince = b.asOf.Wall()
	}
	if next.same(b.current) {
		return
	}
	b.current = &next
	close(b.changed)
	b.changed = make(chan struct{})
}

func (s *Snapshot) same(other *Snapshot) bool {
	return s.Known == other.Known && s.UnknownSince.Equal(other.UnknownSince) && s.Changed.Equal(other.Changed) &&
		fmt.Sprint(s.Err) == fmt.Sprint(other.Err)
}
