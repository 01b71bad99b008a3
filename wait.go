package leasehold

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"
)

// Acquire is TryAcquire, but waits until the lease can be had: for its release,
// which it learns of at once, for its end, and for a store that can't be
// reached. Those who wait are served in no particular order. When ctx ends
// first, the error matches ctx.Err(), and ErrHeld if another has the lease.
func (c *Client) Acquire(ctx context.Context, path string, d time.Duration) (l *Lease, err error) {
	defer c.observe(EventWait, path, &l, &err)()
	r, err := c.request(path, d)
	if err != nil {
		return nil, err
	}
	return r.wait(ctx, []string{path}, func(seen []Sighting) (*Lease, error) {
		if seen[0].Err != nil {
			return nil, seen[0].Err
		}
		if _, err := r.propose(seen[0].Entry); err != nil && !errors.Is(err, ErrNeedsLog) {
			return nil, err
		}
		return r.grant(ctx, seen[0].Entry, noSlot)
	})
}

// AcquireSlot is TryAcquireSlot, but waits as Acquire does.
func (c *Client) AcquireSlot(ctx context.Context, path string, n int, d time.Duration) (l *Lease, err error) {
	defer c.observe(EventWait, path, &l, &err)()
	r, err := c.request(path, d)
	if err != nil {
		return nil, err
	}
	paths, err := c.slotPaths(path, n)
	if err != nil {
		return nil, err
	}
	return r.wait(ctx, paths, func(seen []Sighting) (*Lease, error) { return r.grantSlot(ctx, path, seen) })
}

// retryDelay is the pause between attempts on a store that refuses connections
// outright; one that is slow paces them itself.
const retryDelay = 200 * time.Millisecond

// wait watches the records at paths and calls try on what it has seen, again
// whenever one of them may have become free, until try is granted. try denies
// without a request what can be seen to be held.
func (r *request) wait(ctx context.Context, paths []string, try func(seen []Sighting) (*Lease, error)) (*Lease, error) {
	var denial error        // the newest one
	var ahead time.Duration // by how much this host's clock was seen to run ahead
	for {
		watching, stop := context.WithCancel(ctx)
		seen, changed, err := r.watchAll(watching, paths)
		if err == nil && (ahead == 0 || !r.wallNow().Before(r.firstEnd(seen).Add(ahead))) {
			var l *Lease
			if l, err = try(seen); err == nil {
				stop()
				return l, nil
			}
			err = r.logDenial(ctx, err)
		}
		var skew *ClockSkewError
		switch {
		case err == nil: // the store's clock has not reached the end
		case errors.Is(err, ErrHeld):
			denial = err
		case errors.As(err, &skew) && !skew.Until.IsZero() && !errors.Is(err, ErrOutcomeUnknown):
			denial, ahead = cmp.Or(denial, err), max(skew.Most, 0)
		case errors.Is(err, ErrQueued) && ctx.Err() == nil:
			denial = err
			stop()
			continue
		case errors.Is(err, ErrUnreachable) && ctx.Err() == nil:
			stop()
			sleep(ctx, retryDelay)
			continue
		default:
			stop()
			return nil, waitError(ctx, denial, err)
		}
		r.sleepUntil(ctx, r.firstEnd(seen).Add(ahead), changed)
		stop()
		if ctx.Err() != nil {
			return nil, waitError(ctx, denial, ctx.Err())
		}
	}
}

// waitError returns the error of a wait that err has ended. If it was ctx, a
// denial tells more than what came of the request that was under way.
func waitError(ctx context.Context, denial, err error) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	if denial != nil && !errors.Is(err, ErrOutcomeUnknown) {
		err = denial
	}
	if errors.Is(err, ctx.Err()) {
		return err
	}
	return fmt.Errorf("%w: %w", err, ctx.Err())
}

// SilentStore is the message of the warning that is logged when a store does not
// answer a call that waits, after silentTime.
const SilentStore = "the store does not answer; still waiting"

const silentTime = 10 * time.Second

// warnOfSilence logs SilentStore after silentTime, unless it is stopped.
func (c *Client) warnOfSilence(ctx context.Context, path string) (stop func() bool) {
	return time.AfterFunc(silentTime, func() { c.log().WarnContext(ctx, SilentStore, "path", path) }).Stop
}

// watchAll returns what is at paths, and a channel that receives once that may
// have changed.
func (r *request) watchAll(ctx context.Context, paths []string) ([]Sighting, <-chan struct{}, error) {
	defer r.warnOfSilence(ctx, paths[0])()
	changed := make(chan struct{}, 1)
	seen, err := seeAll(ctx, paths, func(ctx context.Context, path string) (Entry, error) {
		e, event, err := r.Store.Watch(ctx, path)
		if err != nil {
			return e, err
		}
		go func() {
			<-event // closed when ctx ends at the latest
			select {
			case changed <- struct{}{}:
			default:
			}
		}()
		return e, nil
	})
	return seen, changed, err
}

// firstEnd returns the earliest end of the leases that were seen, and the zero
// time if one of them can be had whatever the time is.
func (r *request) firstEnd(seen []Sighting) time.Time {
	for _, s := range seen {
		if rec, err := s.record(); err == nil && r.isOnceBy(rec) {
			return rec.End // whatever else is free
		}
	}
	var first time.Time
	for _, s := range seen {
		rec, err := s.record()
		if err != nil { // nothing to wait for
			continue
		}
		end := s.HeldUntil
		if rec != nil && rec.Holder != r.name && rec.End.After(end) {
			end = rec.End
		}
		if end.IsZero() {
			return end
		}
		if first.IsZero() || end.Before(first) {
			first = end
		}
	}
	return first
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
