package leasehold

import (
	"context"
	"time"

	"leasehold.example/leasehold/runlog"
)

// A Follower is a [Store] that tells of each change, so that nobody has to look
// again and again. It is for those who show many leases. That of package zookeeper
// is one.
type Follower interface {
	Store

	// Follow reads every lease and run log at and below prefix, "/" for all, and then
	// what changes, until ctx ends. It calls tell with what it has learned, never twice at
	// once, and every second with an AsOf while it knows what is there. When it has
	// been unable to reach the store it reads everything anew.
	//
	// It returns nil when ctx has ended, and else an error that no other attempt
	// changes, such as ErrPermission.
	Follow(ctx context.Context, prefix string, tell func(News)) error
}

// News is what Follow tells.
type News struct {
	Leases []Sighting // that were read, or are gone

	// AsOf is set where nothing is missing: what was committed until then, as far as
	// the ensemble's leader knew, has been told by now.
	AsOf Instant

	// Err is why it is not known at the moment what changes; nil while it is.
	Err error
}

// A Sighting is what was seen at a path.
type Sighting struct {
	// Entry is the record. Its Log is nil if that was not read; Follow does not read
	// it again while it stays the same and there is a record.
	Entry

	Err    error // why the record can't be read
	LogErr error // why the run log can't be read
}

// IsGone reports whether there is neither a record nor a run log. Other data in the
// place of a run log is nothing of a lease's.
func (s Sighting) IsGone() bool { return s.Data == nil && s.Err == nil && !s.hasLog() }

// Status describes the lease as it is at the moment now if nothing has changed
// since it was seen. Its Slot is -1.
func (s Sighting) Status(now time.Time) Status { return describe(s, noSlot, now) }

// Runs returns the run log; it is empty where nothing was logged or it was not
// read. It returns a [*LogError] if what is there can't be read.
func (s Sighting) Runs() (runlog.Log, error) {
	if s.LogErr != nil || s.Log == nil {
		return runlog.Log{}, s.LogErr
	}
	return parseLog(s.Path, s.Log.Data)
}
