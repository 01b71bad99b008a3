package main

import (
	"context"
	"sync"
	"time"

	"leasehold.example/leasehold"
)

// A returnable store remembers its last grant, so that it can be taken back as
// if it had never been made: a holder who had the lease before still has it
// then. It is for one attempt at a time.
type returnable struct {
	leasehold.Store

	mu      sync.Mutex // guards what is below
	granted leasehold.Entry
	undo    []byte
}

// Grant remembers what to do to undo it.
func (r *returnable) Grant(ctx context.Context, path, holder string, decide func(leasehold.Entry) (leasehold.Proposal, error)) (leasehold.Entry, error) {
	var proposed leasehold.Proposal
	e, err := r.Store.Grant(ctx, path, holder, func(old leasehold.Entry) (leasehold.Proposal, error) {
		p, err := decide(old)
		proposed = p
		return p, err
	})
	if err == nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.granted, r.undo = e, proposed.Undo
	}
	return e, err
}

// Renew keeps the remembered grant up to date.
func (r *returnable) Renew(ctx context.Context, held leasehold.Entry, data []byte, left time.Duration) (leasehold.Entry, error) {
	e, err := r.Store.Renew(ctx, held, data, left)
	if err == nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.granted = e
	}
	return e, err
}

// giveBackTime bounds giveBack, which comes when its caller's context may have
// ended.
const giveBackTime = 5 * time.Second

// giveBack undoes the last grant.
func (r *returnable) giveBack(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBackTime)
	defer cancel()
	r.mu.Lock()
	held, undo := r.granted, r.undo
	r.mu.Unlock()
	return r.Store.Release(ctx, held, undo)
}

// since is when the last grant was made.
func (r *returnable) since() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.granted.Since
}
