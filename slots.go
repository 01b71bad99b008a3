package leasehold

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"time"
)

// TryAcquireSlot acquires one of n leases, at path/0 to path/(n-1), so that at
// most n holders have one at a time: the slot that the holder already has, or
// had last, else the lowest free one. n is from 1 to 10,000, and the same for
// all who share path.
//
// Where a client of kazoo keeps a slot locked, it goes on to the next free one
// after a moment. It is TryAcquire in all else. A [*HeldError] lists every slot. If none can be
// had and a slot's record can't be read, it returns that [*RecordError].
func (c *Client) TryAcquireSlot(ctx context.Context, path string, n int, d time.Duration) (l *Lease, err error) {
	defer c.observe(EventTry, path, &l, &err)()
	r, err := c.request(path, d)
	if err != nil {
		return nil, err
	}
	paths, err := c.slotPaths(path, n)
	if err != nil {
		return nil, err
	}
	var queued error // the newest one
	for {
		seen, err := seeAll(ctx, paths, c.Store.Read)
		if err != nil {
			return nil, waitError(ctx, queued, err)
		}
		l, err := r.grantSlot(ctx, path, seen)
		err = r.logDenial(ctx, err)
		if err == nil || !errors.Is(err, ErrQueued) || ctx.Err() != nil {
			return l, waitError(ctx, queued, err)
		}
		queued = err
	}
}

// The time in the queue of one slot grows, so that a queue that goes on gets to
// us.
const (
	minQueueTime = 200 * time.Millisecond
	maxQueueTime = 2 * time.Second
)

// grantSlot makes a grant on one of the slots of path, all of which have just
// been seen. It stays for a while in the queue of each that another program
// keeps locked. If none of them went on it returns ErrQueued, and is to be called
// again: other slots may be free by now.
func (r *request) grantSlot(ctx context.Context, path string, seen []Sighting) (*Lease, error) {
	statuses := r.describeSlots(seen)
	for _, s := range statuses {
		if r.Once && s.State == Held && s.Holder == r.name {
			return nil, heldError(s)
		}
	}
	if len(seen) > 1 {
		r.queueTime = min(max(2*r.queueTime, minQueueTime), maxQueueTime)
	}
	var bad, queued error
	for _, i := range r.candidates(statuses) {
		l, err := r.grant(ctx, seen[i].Entry, i)
		var held *HeldError
		var skew *ClockSkewError
		var record *RecordError
		switch {
		case err == nil:
			return l, nil
		case errors.As(err, &held): // somebody was quicker
			statuses[i].State, statuses[i].Holder, statuses[i].End = Held, held.Holder, held.End
			statuses[i].Remaining, statuses[i].Token = held.Remaining, held.Token
			statuses[i].Since = time.Time{} // a denial does not tell
		case errors.Is(err, ErrQueued) && !errors.Is(err, ErrOutcomeUnknown) && ctx.Err() == nil:
			queued = err
		case errors.As(err, &skew) && !skew.Until.IsZero() && !errors.Is(err, ErrOutcomeUnknown), errors.As(err, &record):
			bad = err
		default:
			return nil, waitError(ctx, queued, err)
		}
	}
	if queued != nil {
		return nil, queued
	}
	for _, s := range statuses {
		if bad == nil && (s.State == Unreadable || s.State == Newer) {
			bad = &RecordError{Path: s.Path, Newer: s.State == Newer, Err: errors.New(s.Reason)}
		}
	}
	if bad != nil {
		return nil, bad
	}
	return nil, slotsError(path, statuses)
}

// slotsError returns the denial of slots that are all held.
func slotsError(path string, statuses []Status) *HeldError {
	denial := heldError(slices.MinFunc(statuses, func(a, b Status) int { return a.End.Compare(b.End) }))
	denial.Path, denial.Slots = path, statuses
	return denial
}

// candidates returns the slots that may be granted, in the order to try: the
// holder's own first, one still held before one that has ended, then the
// lowest.
func (r *request) candidates(statuses []Status) []int {
	rank := func(i int) int {
		s := statuses[i]
		switch own := s.Holder == r.name; {
		case own && s.State == Held:
			return 0
		case own && s.State == Expired:
			return 1
		default:
			return 2
		}
	}
	var slots []int
	for i, s := range statuses {
		if s.State == Free || s.State == Expired || s.State == Held && s.Holder == r.name {
			slots = append(slots, i)
		}
	}
	slices.SortStableFunc(slots, func(a, b int) int { return cmp.Compare(rank(a), rank(b)) })
	return slots
}

// StatusSlots describes the slots of path, 0 to n-1, in order.
func (c *Client) StatusSlots(ctx context.Context, path string, n int) ([]Status, error) {
	paths, err := c.slotPaths(path, n)
	if err != nil {
		return nil, err
	}
	seen, err := seeAll(ctx, paths, c.Store.Read)
	if err != nil {
		return nil, err
	}
	return c.describeSlots(seen), nil
}

func (c *Client) describeSlots(seen []Sighting) []Status {
	statuses := make([]Status, len(seen))
	for i, s := range seen {
		statuses[i] = describe(s, i, c.wallNow())
	}
	return statuses
}

// ReleaseSlots gives up every slot of path, 0 to n-1, that the Client's holder
// has. It returns a [*HeldError] if it has none and others have them all.
func (c *Client) ReleaseSlots(ctx context.Context, path string, n int) error {
	if _, err := c.holder(); err != nil {
		return err
	}
	statuses, err := c.StatusSlots(ctx, path, n)
	if err != nil {
		return err
	}
	var errs []error
	denied := 0
	for _, s := range statuses {
		err := c.Release(ctx, s.Path)
		if errors.Is(err, ErrHeld) {
			denied++
		} else {
			errs = append(errs, err)
		}
	}
	if denied == n {
		return slotsError(path, statuses)
	}
	return errors.Join(errs...)
}

func (c *Client) slotPaths(path string, n int) ([]string, error) {
	if err := c.check(path); err != nil {
		return nil, err
	}
	if err := checkSlots(n); err != nil {
		return nil, err
	}
	paths := make([]string, n)
	for i := range paths {
		paths[i] = path + "/" + strconv.Itoa(i)
	}
	return paths, nil
}
