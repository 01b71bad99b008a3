package leasehold

import (
	"context"
	"errors"
	"fmt"
	"time"

	"leasehold.example/leasehold/kazoo"
)

// Acquire is TryAcquire, but waits until the lease can be had: for its release,
// which it learns of at once, for its end, and for a store that can't be
// reached. Those who wait are served in no particular order. When ctx ends first, the error matches ctx.Err(), and ErrHeld if
// another has the lease.
func (c *Client) Acquire(ctx context.Context, path string, d time.Duration) (*Lease, error) {
	return c.acquire(ctx, []string{path}, func() (*Lease, error) { return c.TryAcquire(ctx, path, d) })
}

// AcquireSlot is TryAcquireSlot, but waits as Acquire does.
func (c *Client) AcquireSlot(ctx context.Context, path string, n int, d time.Duration) (*Lease, error) {
	paths, err := c.slotPaths(path, n)
	if err != nil {
		return nil, err
	}
	return c.acquire(ctx, paths, func() (*Lease, error) { return c.TryAcquireSlot(ctx, path, n, d) })
}

// retryDelay is the pause between attempts on a store that refuses connections
// outright; one that is slow paces them itself.
const retryDelay = 200 * time.Millisecond

// acquire calls try until it is granted, whenever one of paths may have become
// free.
func (c *Client) acquire(ctx context.Context, paths []string, try func() (*Lease, error)) (*Lease, error) {
	var denial error
	var ahead time.Duration // by how much this host's clock was seen to run ahead
	for {
		l, err := try()
		var held *HeldError
		var skew *ClockSkewError
		switch {
		case err == nil:
			return l, nil
		case errors.As(err, &held):
			denial = err
		case errors.As(err, &skew) && !skew.Until.IsZero() && !errors.Is(err, ErrOutcomeUnknown):
			ahead = max(skew.Most, 0)
		case errors.Is(err, ErrUnreachable) && ctx.Err() == nil:
			sleep(ctx, retryDelay)
		case denial != nil && ctx.Err() != nil && !errors.Is(err, ErrOutcomeUnknown):
			return nil, fmt.Errorf("%w: %w", denial, ctx.Err())
		case ctx.Err() != nil && errors.Is(err, ErrUnreachable) && !errors.Is(err, ctx.Err()):
			return nil, fmt.Errorf("%w: %w", err, ctx.Err())
		default:
			return nil, err
		}
		if err := c.await(ctx, paths, ahead); errors.Is(err, ErrUnreachable) {
			sleep(ctx, retryDelay)
		} else if err != nil {
			return nil, err
		}
		if ctx.Err() != nil {
			if denial == nil {
				denial = err
			}
			return nil, fmt.Errorf("%w: %w", denial, ctx.Err())
		}
	}
}

// await returns when the lease at one of paths can be asked for with some
// hope, or when ctx ends. It waits for changes and for ends, by this host's
// clock less ahead.
func (c *Client) await(ctx context.Context, paths []string, ahead time.Duration) error {
	holder, err := c.holder()
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		watching, stop := context.WithCancel(ctx)
		changed := make(chan struct{}, 1)
		end, err := c.watchAll(watching, paths, changed, holder, ahead)
		if err == nil && !end.IsZero() {
			c.sleepUntil(ctx, end.Add(ahead), changed)
		}
		stop()
		if err != nil || end.IsZero() {
			return err
		}
	}
	return nil
}

// watchAll returns the earliest end of the leases at paths, or the zero time if
// one of them can be had now, and sees to it that changed receives when one of
// them changes.
func (c *Client) watchAll(ctx context.Context, paths []string, changed chan<- struct{}, holder string, ahead time.Duration) (time.Time, error) {
	var first time.Time
	var bad error
	for _, path := range paths {
		e, ch, err := c.Store.Watch(ctx, path)
		if err != nil {
			return time.Time{}, fmt.Errorf("watch lease %q: %w", path, err)
		}
		go func() {
			<-ch // closed when ctx ends at the latest
			select {
			case changed <- struct{}{}:
			default:
			}
		}()
		rec, err := parseRecord(e)
		if err != nil {
			bad = err
			continue
		}
		if kazoo.Decide(rec, holder, c.wallNow().Add(-ahead)) == kazoo.Grant {
			return time.Time{}, nil
		}
		if first.IsZero() || rec.End.Before(first) {
			first = rec.End
		}
	}
	if first.IsZero() {
		return first, bad // nothing that could be waited for
	}
	return first, nil
}

// wakeAtLeast bounds a sleep, since a wall clock can be set meanwhile, and a
// Now that is not the wall clock runs as it likes.
const wakeAtLeast = time.Second

// sleepUntil returns when this host's clock shows t, when something can be
// received from changed, or when ctx ends.
func (c *Client) sleepUntil(ctx context.Context, t time.Time, changed <-chan struct{}) {
	for {
		left := t.Sub(c.wallNow())
		if left <= 0 {
			return
		}
		timer := time.NewTimer(min(left, wakeAtLeast))
		select {
		case <-timer.C:
			continue
		case <-changed:
		case <-ctx.Done():
		}
		timer.Stop()
		return
	}
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
