package leasehold

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// stampTime is for how long a measured offset is enough to refuse by. A clock
// that is being slewed back leaves no jump to void it, and a refusal measures
// nothing, so that without a bound it would be for ever.
const stampTime = time.Minute

// checkClock returns a *ClockSkewError if the newest commit has shown that this
// host's clock is off: then nothing needs to be written to see it.
func (r *request) checkClock(path string) error {
	if r.Now != nil {
		return nil
	}
	last, now := r.Store.LastStamp(), ReadInstant()
	lo, hi, ok := last.offset(now)
	if ok && now.Since(last.Sent) < stampTime && (hi < -r.skew || lo > r.skew) {
		return &ClockSkewError{Path: path, Least: -hi, Most: -lo, Limit: r.skew}
	}
	return nil
}

// judge decides, by the stamp on the commit, whether a grant stands: the former
// holder's lease had ended by the store's clock, and this host's clock agrees
// with the store's within the limit. If not it returns a *ClockSkewError.
func (l *Lease) judge(ctx context.Context) error {
	if l.request.Now != nil {
		return nil
	}
	formerEnd, err := formerEnd(l.replaced, l.Holder())
	if err != nil {
		return err
	}
	lo, hi, ok := l.entry.Stamp.offset(ReadInstant())
	if l.entry.Stamp.At.Before(formerEnd) {
		early := &ClockSkewError{Path: l.path, Least: -hi, Most: -lo, Limit: l.request.skew}
		if !ok || lo <= l.request.skew && hi >= -l.request.skew {
			early.Until = formerEnd
		}
		return early
	}
	for measured := 1; ; measured++ {
		switch {
		case ok && lo >= -l.request.skew && hi <= l.request.skew:
			return nil
		case ok && (lo > l.request.skew || hi < -l.request.skew):
			return &ClockSkewError{Path: l.path, Least: -hi, Most: -lo, Limit: l.request.skew}
		case measured == 3:
			return l.slowStore(hi - lo)
		}
		// The reply took too long to tell: measure again, by a write that
		// changes nothing.
		data, err := l.record.Marshal()
		if err != nil {
			return err
		}
		again, err := l.request.Store.Renew(ctx, l.entry, data)
		if err != nil {
			return errors.Join(l.slowStore(hi-lo), err)
		}
		l.entry = again
		newLo, newHi, newOK := again.Stamp.offset(ReadInstant())
		if ok && newOK {
			lo, hi = max(lo, newLo), min(hi, newHi)
		} else {
			lo, hi, ok = newLo, newHi, newOK
		}
	}
}

// formerEnd returns until when another than holder had the lease before a grant
// that has replaced old; the zero time if nobody had.
func formerEnd(old Entry, holder string) (time.Time, error) {
	rec, err := parseRecord(old)
	if err != nil || rec == nil || rec.Holder == holder || rec.End.Before(old.HeldUntil) {
		return old.HeldUntil, err
	}
	return rec.End, nil
}

// slowStore returns the error for a store whose replies do not tell whether the
// clocks agree, since each may have come from any moment of the time that it
// took.
func (l *Lease) slowStore(took time.Duration) error {
	return fmt.Errorf("lease %q not granted: %w: it takes %s to answer, too long to tell whether its clock agrees with this host's to within %s; use a longer duration",
		l.path, ErrUnreachable, took.Round(time.Millisecond), l.request.skew)
}
