package leasehold

import (
	"context"
	"errors"
	"time"
)

// A takeover is the end of another holder's lease that a grant replaces; its
// zero value means that there is none.
type takeover struct {
	holder string
	end    time.Time
}

// judge decides, by the stamp on the commit, whether a grant stands: the former
// holder's lease had ended by the store's clock, and this host's clock agrees
// with the store's within the limit. If not it returns a *ClockSkewError.
func (l *Lease) judge(ctx context.Context, former takeover) error {
	if l.asked.Now != nil {
		return nil
	}
	lo, hi, ok := l.entry.Stamp.offset(ReadInstant())
	if l.entry.Stamp.At.Before(former.end) {
		early := &ClockSkewError{Path: l.path, Least: -hi, Most: -lo, Limit: l.asked.skew}
		if !ok || lo <= l.asked.skew && hi >= -l.asked.skew {
			early.Until = former.end
		}
		return early
	}
	for range 2 {
		if ok && lo >= -l.asked.skew && hi <= l.asked.skew {
			return nil
		}
		if ok && (lo > l.asked.skew || hi < -l.asked.skew) {
			break
		}
		// The reply took too long to tell: measure again, by a write that
		// changes nothing.
		data, err := l.record.Marshal()
		if err != nil {
			return err
		}
		again, err := l.asked.Store.Renew(ctx, l.entry, data, l.remaining())
		if err != nil {
			return errors.Join(&ClockSkewError{Path: l.path, Least: -hi, Most: -lo, Limit: l.asked.skew}, err)
		}
		l.entry = again
		newLo, newHi, newOK := again.Stamp.offset(ReadInstant())
		if ok && newOK {
			lo, hi = max(lo, newLo), min(hi, newHi)
		} else {
			lo, hi, ok = newLo, newHi, newOK
		}
	}
	if ok && lo >= -l.asked.skew && hi <= l.asked.skew {
		return nil
	}
	return &ClockSkewError{Path: l.path, Least: -hi, Most: -lo, Limit: l.asked.skew}
}

// undoTime bounds undo, which the caller waits for.
const undoTime = time.Second

// undo takes back a grant that does not stand, leaving what was there before.
// A nil error means that it is not there any more.
func (l *Lease) undo(ctx context.Context, former []byte) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTime)
	defer cancel()
	err := l.asked.Store.Release(ctx, l.entry, former)
	if err == nil || errors.Is(err, ErrLost) {
		return nil
	}
	l.asked.log().ErrorContext(ctx, "grant not undone", "path", l.path, "holder", l.asked.name, "reason", err)
	return err
}
