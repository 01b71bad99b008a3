package leasehold

import "time"

// An Event is something that a Client or one of its leases has done.
type Event struct {
	Kind  EventKind
	Path  string        // of the lease; above the slots if no slot was granted
	Lease *Lease        // nil if none was granted
	Took  time.Duration // of the call; 0 for EventLoss
	Err   error         // what the call returned, or why the lease was lost
}

// An EventKind tells what an Event is about.
type EventKind int

const (
	// EventTry is the end of a TryAcquire, TryAcquireSlot or TryAcquireTick.
	EventTry EventKind = iota

	// EventWait is the end of an Acquire, AcquireSlot or AcquireTick. It took as
	// long as that has waited.
	EventWait

	// EventRenewal is the end of a Renew, or of a renewal by Hold or KeepAlive, of
	// a lease that was not released.
	EventRenewal

	// EventLoss comes once for a Lease that was not released, and turned out to be
	// over: when the context of Hold, KeepAlive or Context ends for that reason, or
	// a renewal or a release finds it. A lease that nobody uses ends without one.
	EventLoss
)

// observe begins a call. What it returns tells Observe, when that has ended, what it
// has returned.
func (c *Client) observe(kind EventKind, path string, l **Lease, err *error) func() {
	if c.Observe == nil {
		return func() {}
	}
	began := ReadInstant()
	return func() {
		if isRelease(*err) { // a renewal that came after it, and asked nobody
			return
		}
		e := Event{Kind: kind, Path: path, Lease: *l, Took: began.Elapsed(), Err: *err}
		if e.Lease != nil {
			e.Path = e.Lease.path
		}
		c.Observe(e)
	}
}
