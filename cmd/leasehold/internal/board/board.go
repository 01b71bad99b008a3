// Package board has a live picture of every lease at and below a prefix, in memory.
package board

import (
	"compress/flate"
	"context"
	"fmt"
	"sync"
	"time"

	"leasehold.example/leasehold"
)

// staleTime is for how long the picture counts as known after the store has said
// that nothing is missing. It says so every second.
const staleTime = 1800 * time.Millisecond

// A Board keeps the picture. New makes one, and Run keeps it up to date. It is safe
// for concurrent use.
type Board struct {
	store  leasehold.Store
	prefix string
	grace  time.Duration
	packer *flate.Writer // of take
	stale  *time.Timer   // until asOf is too old

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
	// as it was read: Job.At tells what it is by now.
	Jobs []*Job

	// Known reports whether the picture is complete: it has all that was committed
	// until two seconds ago, as far as the ensemble's leader knew. If it is not,
	// UnknownSince is until when it was, zero if it never was, and Err is why, as far
	// as that is known.
	Known        bool
	UnknownSince time.Time
	Err          error

	// Changed is when Jobs changed last, by this host's clock.
	Changed time.Time
}

// Job returns the job at path, nil if there is none.
func (s *Snapshot) Job(path string) *Job {
	i, found := find(s.Jobs, path)
	if !found {
		return nil
	}
	return s.Jobs[i]
}

// New returns the Board of all leases at and below prefix, "/" for all, that are to
// be judged with at most that grace. It has none and does not know of any until Run
// has read them.
func New(store leasehold.Store, prefix string, grace time.Duration) *Board {
	packer, err := flate.NewWriter(nil, flate.BestSpeed)
	if err != nil {
		panic(err) // there is that level
	}
	b := &Board{store: store, prefix: prefix, grace: grace, packer: packer, current: &Snapshot{}, changed: make(chan struct{})}
	b.stale = time.AfterFunc(staleTime, b.expire)
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
	jobs, changed := former.Jobs, former.Changed
	if len(news.Leases) > 0 {
		jobs, changed = b.merge(jobs, news.Leases), time.Now() // others may ask meanwhile
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err = news.Err; !news.AsOf.IsZero() {
		b.asOf = news.AsOf
		b.awaitStale()
	}
	next := *b.current
	next.Jobs, next.Changed = jobs, changed
	b.settle(next)
}

// awaitStale has expire called once asOf is too old. b.mu is locked.
func (b *Board) awaitStale() { b.stale.Reset(staleTime - b.asOf.Elapsed() + time.Millisecond) }

// expire tells that the picture is not known any more.
func (b *Board) expire() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.settle(*b.current); b.current.Known { // asOf goes by another clock than timers do
		b.awaitStale()
	}
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
