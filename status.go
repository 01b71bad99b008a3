package leasehold

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"leasehold.example/leasehold/kazoo"
)

// A State says whether a lease can be had.
type State int

const (
	Free       State = iota // there is no record, or it was released
	Held                    // somebody has it
	Expired                 // its last holder's time is over
	Unreadable              // what is there is not a record; nobody is granted
	Newer                   // a newer program wrote the record; nobody is granted
)

var stateNames = [...]string{"free", "held", "expired", "unreadable", "newer"}

func (s State) String() string {
	if s < 0 || int(s) >= len(stateNames) {
		return fmt.Sprintf("State(%d)", int(s))
	}
	return stateNames[s]
}

// A Status describes a lease at the moment when its record was read.
type Status struct {
	Path      string // of the slot, where there are slots
	Slot      int    // -1 without slots
	State     State
	Holder    string        // if Held or Expired
	End       time.Time     // if Held or Expired
	Remaining time.Duration // until End, by this host's clock; 0 unless Held
	Since     time.Time     // if Held or Expired: when the grant was made, by the store's clock
	Token     int64         // if Held or Expired: its fencing token
	ByKazoo   bool          // if Held or Expired: kazoo made the grant. A Store may not know
	Reason    string        // if Unreadable or Newer: what is wrong
}

// describe tells what e says at the moment now.
func describe(e Sighting, slot int, now time.Time) Status {
	s := Status{Path: e.Path, Slot: slot}
	rec, err := e.record()
	var bad *RecordError
	switch {
	case errors.As(err, &bad):
		s.State, s.Reason = Unreadable, bad.Err.Error()
		if bad.Newer {
			s.State = Newer
		}
	case err != nil:
		s.State, s.Reason = Unreadable, err.Error()
	case rec == nil || rec.IsReleased():
		s.State = Free
	default:
		s.State, s.Holder, s.End = Expired, rec.Holder, rec.End
		s.Since, s.Token, s.ByKazoo = e.Since, e.Token, e.ByKazoo
	}
	return s.At(now)
}

// At returns s as it is at the moment now if the record has stayed the same: a
// lease that was held may have expired.
func (s Status) At(now time.Time) Status {
	if s.State == Held || s.State == Expired {
		s.State, s.Remaining = Expired, 0
		if now.Before(s.End) {
			s.State, s.Remaining = Held, s.End.Sub(now)
		}
	}
	return s
}

// parseRecord returns the record in e, nil for none, or a *RecordError.
func parseRecord(e Entry) (*kazoo.Record, error) {
	if e.Data == nil {
		return nil, nil
	}
	rec, err := kazoo.Parse(e.Data)
	if err != nil {
		var newer *kazoo.VersionError
		return nil, &RecordError{Path: e.Path, Newer: errors.As(err, &newer), Err: err}
	}
	return &rec, nil
}

// heldError returns the denial that s stands for.
func heldError(s Status) *HeldError {
	return &HeldError{Path: s.Path, Holder: s.Holder, End: s.End, Remaining: s.Remaining, Token: s.Token}
}

func (s Sighting) record() (*kazoo.Record, error) {
	if s.Err != nil {
		return nil, s.Err
	}
	return parseRecord(s.Entry)
}

// see calls read. A record that the store can't read is no error of see's.
func see(ctx context.Context, path string, read func(context.Context, string) (Entry, error)) (Sighting, error) {
	e, err := read(ctx, path)
	var bad *RecordError
	if errors.As(err, &bad) {
		return Sighting{Entry: Entry{Path: path}, Err: bad}, nil
	}
	if err != nil {
		return Sighting{}, fmt.Errorf("read lease %q: %w", path, err)
	}
	return Sighting{Entry: e}, nil
}

// seeAll calls see for all paths at once. With an error it returns what could be
// read.
func seeAll(ctx context.Context, paths []string, read func(context.Context, string) (Entry, error)) ([]Sighting, error) {
	all := make([]Sighting, len(paths))
	errs := make([]error, len(paths))
	var wg sync.WaitGroup
	for i, path := range paths {
		wg.Go(func() { all[i], errs[i] = see(ctx, path, read) })
	}
	wg.Wait()
	seen := all[:0]
	for i, s := range all {
		if errs[i] == nil {
			seen = append(seen, s)
		}
	}
	return seen, errors.Join(errs...)
}
