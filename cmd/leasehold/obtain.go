package main

import (
	"context"
	"errors"
	"time"

	"leasehold.example/leasehold"
)

// obtain acquires the lease at path, waiting for it as --wait and --timeout
// say. If ctx ends, or check objects to the lease, nothing is held that was
// not held before. A denial is printed as JSON, if that was asked for.
func (a *acquiring) obtain(ctx context.Context, c *leasehold.Client, s leasehold.Store, path string, start time.Time, check func(*leasehold.Lease) error) (*leasehold.Lease, error) {
	c.Store = s
	l, err := a.ask(ctx, c, path, start)
	var held *leasehold.HeldError
	if errors.As(err, &held) && a.json && interrupted(ctx) == nil {
		if err := writeJSON(a.stdout, denied(held)); err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	if err = interrupted(ctx); err == nil {
		err = check(l)
	}
	if err != nil {
		a.giveBack(ctx, l)
		return nil, err
	}
	a.warnIfOpen(ctx, s, l.Path())
	return l, nil
}

// giveBack takes the grant back: whoever had the lease before still has it.
func (a *acquiring) giveBack(ctx context.Context, l *leasehold.Lease) {
	if err := l.Undo(ctx); err != nil {
		a.say("warning: lease %q was obtained and not given back: %v", l.Path(), err)
	}
}

// ask waits for the lease, and then asks for it one last time: what ended with
// --wait may be a request that was on its way, and a denial is to be of now.
func (a *acquiring) ask(ctx context.Context, c *leasehold.Client, path string, start time.Time) (*leasehold.Lease, error) {
	waitUntil, askUntil := a.limits(start)
	if a.wait.forever || a.wait.d > 0 {
		waiting, cancel := until(ctx, waitUntil)
		defer cancel()
		l, err := a.acquire(waiting, c, path)
		if err == nil || waiting.Err() == nil || ctx.Err() != nil {
			return l, err
		}
	}
	asking, cancel := until(ctx, askUntil)
	defer cancel()
	if a.slots > 0 {
		return c.TryAcquireSlot(asking, path, a.slots, a.duration)
	}
	return c.TryAcquire(asking, path, a.duration)
}

func (a *acquiring) acquire(ctx context.Context, c *leasehold.Client, path string) (*leasehold.Lease, error) {
	if a.slots > 0 {
		return c.AcquireSlot(ctx, path, a.slots, a.duration)
	}
	return c.Acquire(ctx, path, a.duration)
}
