package leasehold

import (
	"cmp"
	"context"
	"errors"
	"time"

	"leasehold.example/leasehold/runlog"
)

// AcquireTick is TryAcquireTick, but waits while the newest tick can still be
// run: for another's attempt to end, and for the time of the next attempt. It
// never waits for the next tick. When ctx ends first, the error matches
// ctx.Err().
func (c *Client) AcquireTick(ctx context.Context, path string, s Schedule, d time.Duration) (l *Lease, err error) {
	defer c.observe(EventWait, path, &l, &err)()
	r, err := c.tickRequest(path, s, d)
	if err != nil {
		return nil, err
	}
	var denial error // the newest one
	for {
		watching, stop := context.WithCancel(ctx)
		e, changed, err := r.watchLog(watching, path)
		var l *Lease
		if err == nil {
			l, err = r.grantTick(ctx, e, s)
			err = r.logDenial(ctx, err)
		}
		next, until := r.nextDue(err), mayBegin(err)
		var skew *ClockSkewError
		switch {
		case err == nil:
			stop()
			return l, nil
		case errors.Is(err, ErrOutcomeUnknown) || ctx.Err() != nil:
			stop()
			return nil, waitError(ctx, denial, err)
		case !next.IsZero(): // our own grant, taken back, has changed the record
			denial = err
			r.sleepUntil(ctx, next, nil)
		case errors.As(err, &skew) && !skew.Until.IsZero(): // so here
			denial = cmp.Or(denial, err)
			r.sleepUntil(ctx, skew.Until.Add(max(skew.Most, 0)), nil)
		case errors.Is(err, ErrUnreachable):
			sleep(ctx, retryDelay)
		case !until.IsZero():
			denial = err
			r.sleepUntil(ctx, until, changed)
		default:
			stop()
			return nil, err
		}
		stop()
		if ctx.Err() != nil {
			return nil, waitError(ctx, denial, ctx.Err())
		}
	}
}

// watchLog watches the record at path, and returns it, if there is one, with the
// run log: whether a run goes on behind a record that has not ended, only the log
// tells.
func (r *request) watchLog(ctx context.Context, path string) (Entry, <-chan struct{}, error) {
	defer r.warnOfSilence(ctx, path)()
	e, changed, err := r.Store.Watch(ctx, path)
	if err == nil && e.Data != nil && e.Log == nil {
		e, err = r.Store.ReadLog(ctx, e)
	}
	return e, changed, wrapUntyped(err, "read lease %q", path)
}

// nextDue returns when to ask for the next tick, if err is the denial of one that is
// not the newest any more, or soon will not be; else the zero time. It goes by this
// host's clock, also where the store's has reached the next tick.
func (r *request) nextDue(err error) time.Time {
	var denial *TickError
	if !errors.As(err, &denial) || errors.Is(err, ErrOutcomeUnknown) {
		return time.Time{}
	}
	if !r.wallNow().Before(denial.Next) { // the tick has come while it was decided
		return denial.Next
	}
	switch denial.Verdict {
	case runlog.IsNextSoon, runlog.IsOverdue:
		return denial.At
	}
	return time.Time{}
}

// mayBegin returns when a tick may be granted that was refused with err, unless
// the record changes before; the zero time if it will not be.
func mayBegin(err error) time.Time {
	var denial *TickError
	var held *HeldError
	switch {
	case errors.As(err, &denial):
		switch denial.Verdict {
		case runlog.IsRunning, runlog.IsHeld, runlog.IsWaiting:
			return denial.At
		}
	case errors.As(err, &held):
		return held.End
	}
	return time.Time{}
}
