package main

import (
	"context"
	"errors"
	"time"

	"leasehold.example/leasehold"
)

// obtain acquires the lease at path, and waits for it as --wait and --timeout
// say. If ctx ends, nothing is held that was not held before. A denial is printed
// as JSON, if that was asked for.
func (f *leaseFlags) obtain(ctx context.Context, c *leasehold.Client, path string, start time.Time) (*leasehold.Lease, error) {
	f.store.logger().Info("lease asked for", "path", path, "holder", f.holder.name)
	l, err := f.acquire(ctx, c, path, start)
	err = f.explainTick(ctx, c, path, err)
	var held *leasehold.HeldError
	var tick *leasehold.TickError
	if f.store.json && interrupted(ctx) == nil {
		var printErr error
		switch {
		case errors.As(err, &tick):
			printErr = f.store.printStatus(ctx, c, []string{path}, 0)
		case errors.As(err, &held):
			printErr = writeStatuses(f.store.stdout, denied(held))
		}
		if printErr != nil {
			return nil, printErr
		}
	}
	if cause := interrupted(ctx); err != nil && cause != nil && !errors.Is(err, leasehold.ErrOutcomeUnknown) {
		return nil, cause // err is only its consequence
	}
	if err != nil {
		return nil, err
	}
	if err := interrupted(ctx); err != nil {
		f.undo(ctx, l)
		return nil, err
	}
	return l, nil
}

// refuseIfDrained takes the grant back if this host was drained meanwhile.
func (f *leaseFlags) refuseIfDrained(ctx context.Context, l *leasehold.Lease) error {
	err := checkDrained()
	if err != nil {
		f.undo(ctx, l)
	}
	return err
}

// undo takes the grant back: whoever had the lease before still has it.
func (f *leaseFlags) undo(ctx context.Context, l *leasehold.Lease) {
	if err := l.Undo(ctx); err != nil {
		f.store.warn("lease %q was obtained and not given back: %v", l.Path(), err)
	}
}

// acquire waits for the lease for as long as --wait says, and then tries once
// more: the end of the wait may have cut a request off, and a denial must be of
// now.
func (f *leaseFlags) acquire(ctx context.Context, c *leasehold.Client, path string, start time.Time) (*leasehold.Lease, error) {
	waitUntil, answerUntil := f.limits(start)
	if f.wait.forever || f.wait.d > 0 {
		waiting, cancel := until(ctx, waitUntil)
		defer cancel()
		stop := f.store.showProgress()
		l, err := f.waitFor(waiting, c, path)
		stop()
		if err == nil || waiting.Err() == nil || ctx.Err() != nil {
			return l, err
		}
	}
	if f.schedule != nil && !answerUntil.IsZero() {
		answerUntil = answerUntil.Add(f.maxSkew) // the next tick may be waited for as long
	}
	ctx, cancel := until(ctx, answerUntil)
	defer cancel()
	switch {
	case f.schedule != nil:
		return c.TryAcquireTick(ctx, path, *f.schedule, f.duration)
	case f.holder.slots > 0:
		return c.TryAcquireSlot(ctx, path, f.holder.slots, f.duration)
	}
	return c.TryAcquire(ctx, path, f.duration)
}

func (f *leaseFlags) waitFor(ctx context.Context, c *leasehold.Client, path string) (*leasehold.Lease, error) {
	switch {
	case f.schedule != nil:
		return c.AcquireTick(ctx, path, *f.schedule, f.duration)
	case f.holder.slots > 0:
		return c.AcquireSlot(ctx, path, f.holder.slots, f.duration)
	}
	return c.Acquire(ctx, path, f.duration)
}

// explainTick returns the denial of a tick in the words of the run log, where the
// record alone has denied it, and somebody is to read that.
func (f *leaseFlags) explainTick(ctx context.Context, c *leasehold.Client, path string, err error) error {
	var held *leasehold.HeldError
	if f.schedule == nil || !errors.As(err, &held) || f.store.quiet && !f.store.json || ctx.Err() != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, f.store.timeout)
	defer cancel()
	var denial *leasehold.TickError
	if errors.As(c.CheckTick(ctx, path, *f.schedule, f.duration), &denial) {
		return denial
	}
	return err
}
