package main

import (
	"context"
	"errors"
	"time"

	"go.etcd.io/etcd/client/v3/concurrency"

	"leasehold.example/leasehold"
)

// untilWaiting is how long a waiter has to begin to wait, which takes etcd's
// over 20 ms. (Curator.java has the same.)
const untilWaiting = 100 * time.Millisecond

// A contender is a session that can acquire, waiting, and release.
type contender struct{ acquire, release func() error }

// A relay is a lock that goes to and fro between two contenders.
type relay struct {
	sides  [2]contender
	holder int
	held   bool
}

// next times one handover: from just before the release until the waiter's
// call has returned.
func (r *relay) next() (time.Duration, error) {
	if !r.held {
		if err := r.sides[r.holder].acquire(); err != nil {
			return 0, err
		}
		r.held = true
	}
	waiter := 1 - r.holder
	var granted time.Time
	ended := make(chan error, 1)
	go func() {
		err := r.sides[waiter].acquire()
		granted = time.Now()
		ended <- err
	}()
	time.Sleep(untilWaiting)
	begin := time.Now()
	if err := r.sides[r.holder].release(); err != nil {
		return 0, err
	}
	if err := <-ended; err != nil {
		return 0, err
	}
	if granted.Before(begin) {
		return 0, errors.New("granted before the release")
	}
	r.holder = waiter
	return granted.Sub(begin), nil
}

func leaseholdSide(ctx context.Context, c *leasehold.Client, path string) contender {
	var lease *leasehold.Lease
	return contender{
		acquire: func() (err error) {
			lease, err = c.Acquire(ctx, path, leaseDuration)
			return err
		},
		release: func() error { return lease.Release(ctx) },
	}
}

func etcdSide(ctx context.Context, s *concurrency.Session, name string) contender {
	m := concurrency.NewMutex(s, name)
	return contender{func() error { return m.Lock(ctx) }, func() error { return m.Unlock(ctx) }}
}
