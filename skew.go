package leasehold

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// judge decides, by the stamp on the commit, whether a grant stands: the former
// holder's lease had ended by the store's clock, and this host's clock agrees
// with the store's within the limit. If not it returns a *ClockSkewError.
func (l *Lease) judge(ctx context.Context) error {
	if l.request.Now != nil {
		return nil
	}
	former, err := parseRecord(l.replaced)
	if err != nil {
		return err
	}
	lo, hi, ok := l.entry.Stamp.offset(ReadInstant())
	if former != nil && former.Holder != l.Holder() && l.entry.Stamp.At.Before(former.End) {
		early := &ClockSkewError{Path: l.path, Least: -hi, Most: -lo, Limit: l.request.skew}
		if !ok || lo <= l.request.skew && hi >= -l.request.skew {
			early.Until = former.End
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

// slowStore returns the error for a store whose replies do not tell whether the
// clocks agree, since each may have come from any moment of the time that it
// took.
func (l *Lease) slowStore(took time.Duration) error {
	return fmt.Errorf("lease %q not granted: %w: it takes %s to answer, too long to tell whether its clock agrees with this host's to within %s; use a longer duration",
		l.path, ErrUnreachable, took.Round(time.Millisecond), l.request.skew)
}
