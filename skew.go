package leasehold

import (
	"context"
	"errors"
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
	for range 2 {
		if ok && lo >= -l.request.skew && hi <= l.request.skew {
			return nil
		}
		if ok && (lo > l.request.skew || hi < -l.request.skew) {
			break
		}
		// The reply took too long to tell: measure again, by a write that
		// changes nothing.
		data, err := l.record.Marshal()
		if err != nil {
			return err
		}
		again, err := l.request.Store.Renew(ctx, l.entry, data)
		if err != nil {
			return errors.Join(&ClockSkewError{Path: l.path, Least: -hi, Most: -lo, Limit: l.request.skew}, err)
		}
		l.entry = again
		newLo, newHi, newOK := again.Stamp.offset(ReadInstant())
		if ok && newOK {
			lo, hi = max(lo, newLo), min(hi, newHi)
		} else {
			lo, hi, ok = newLo, newHi, newOK
		}
	}
	if ok && lo >= -l.request.skew && hi <= l.request.skew {
		return nil
	}
	return &ClockSkewError{Path: l.path, Least: -hi, Most: -lo, Limit: l.request.skew}
}
