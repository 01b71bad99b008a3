package peer

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/zookeeper"
)

// Duration is that of every lease that is not about to be renewed.
const Duration = time.Hour

const openLimit = time.Minute

// A Leasehold is a client of Leasehold.
type Leasehold struct {
	store  *zookeeper.Store
	client leasehold.Client
}

// OpenLeasehold opens a session for holder.
func OpenLeasehold(ctx context.Context, addr, holder string) (*Leasehold, error) {
	ctx, cancel := context.WithTimeout(ctx, openLimit)
	defer cancel()
	store, err := zookeeper.Open(ctx, "zk://"+addr, &zookeeper.Options{SessionTimeout: 2 * time.Minute})
	if err != nil {
		return nil, err
	}
	return &Leasehold{store: store, client: leasehold.Client{Store: store, Holder: holder}}, nil
}

// Acquire times a grant.
func (l *Leasehold) Acquire(ctx context.Context, path string) (*leasehold.Lease, time.Duration, error) {
	begin := time.Now()
	lease, err := l.client.TryAcquire(ctx, path, Duration)
	return lease, time.Since(begin), err
}

// Denied times a denial.
func (l *Leasehold) Denied(ctx context.Context, path string) (time.Duration, error) {
	begin := time.Now()
	_, err := l.client.TryAcquire(ctx, path, Duration)
	return wantDenied(begin, path, err)
}

// DeniedSlots times a denial on n slots.
func (l *Leasehold) DeniedSlots(ctx context.Context, path string, n int) (time.Duration, error) {
	begin := time.Now()
	_, err := l.client.TryAcquireSlot(ctx, path, n, Duration)
	return wantDenied(begin, path, err)
}

func wantDenied(begin time.Time, path string, err error) (time.Duration, error) {
	took := time.Since(begin)
	if !errors.Is(err, leasehold.ErrHeld) {
		return 0, fmt.Errorf("acquire %s: got error %v, want that it is held", path, err)
	}
	return took, nil
}

// Close ends the session.
func (l *Leasehold) Close() error { return l.store.Close() }

// LeaseholdHerd is a Herd in this process.
type LeaseholdHerd struct {
	ctx     context.Context
	addr    string
	clients []*Leasehold
	winner  atomic.Int64 // of the last race
}

// NewLeaseholdHerd returns a herd of none.
func NewLeaseholdHerd(ctx context.Context, addr string) *LeaseholdHerd {
	return &LeaseholdHerd{ctx: ctx, addr: addr}
}

// Gather implements Herd.
func (h *LeaseholdHerd) Gather(n int) error {
	have := len(h.clients)
	more := make([]*Leasehold, max(0, n-have))
	err := each(len(more), 50, func(i int) (err error) {
		more[i], err = OpenLeasehold(h.ctx, h.addr, fmt.Sprintf("contender-%d", have+i))
		return err
	})
	h.clients = append(h.clients, more...)
	return err
}

// Race implements Herd.
func (h *LeaseholdHerd) Race(path string, start int64) (end int64, granted int, err error) {
	return race(len(h.clients), start, func(i int) (bool, error) {
		_, err := h.clients[i].client.TryAcquire(h.ctx, path, Duration)
		if errors.Is(err, leasehold.ErrHeld) {
			return false, nil
		}
		if err == nil {
			h.winner.Store(int64(i))
		}
		return err == nil, err
	})
}

// RaceLate lets all who lost the last race try once more. All must lose.
func (h *LeaseholdHerd) RaceLate(path string, start int64) error {
	_, granted, err := race(len(h.clients), start, func(i int) (bool, error) {
		if int64(i) == h.winner.Load() {
			return false, nil
		}
		_, err := h.clients[i].client.TryAcquire(h.ctx, path, Duration)
		if errors.Is(err, leasehold.ErrHeld) {
			return false, nil
		}
		return err == nil, err
	})
	if granted > 0 {
		return fmt.Errorf("%s was granted to %d more while it was held", path, granted)
	}
	return err
}

// Close ends their sessions.
func (h *LeaseholdHerd) Close() error {
	err := each(len(h.clients), 50, func(i int) error {
		if h.clients[i] == nil { // it could not be opened
			return nil
		}
		return h.clients[i].Close()
	})
	h.clients = nil
	return err
}
