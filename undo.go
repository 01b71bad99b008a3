package leasehold

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"leasehold.example/leasehold/kazoo"
)

// Undo takes the grant back: what it has replaced is put back, so that a holder
// who had the lease before still has it. Use it when the work can't begin after
// all; once it has begun, use Release. A nil error means that the grant is not
// there any more.
//
// Undo goes on for up to 5 s after ctx has ended, as Release does.
func (l *Lease) Undo(ctx context.Context) error {
	ctx, cancel := outlive(ctx, releaseTime)
	defer cancel()
	return l.undo(ctx)
}

// undoPromptly takes back a grant that does not stand. It returns
// ErrOutcomeUnknown if it can't.
func (l *Lease) undoPromptly(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTime)
	defer cancel()
	if err := l.undo(ctx); err != nil {
		return fmt.Errorf("%w: the grant was not undone: %w", ErrOutcomeUnknown, err)
	}
	return nil
}

func (l *Lease) undo(ctx context.Context) error {
	if err := l.lock(ctx); err != nil {
		return fmt.Errorf("undo the grant of lease %q: %w", l.path, err)
	}
	defer l.unlock()
	l.mu.Lock()
	entry, record, replaced := l.entry, l.record, l.replaced
	l.mu.Unlock()
	data, err := undoData(record, replaced)
	if err != nil {
		return fmt.Errorf("undo the grant of lease %q: %w", l.path, err)
	}
	l.setOver(errReleasing)
	err = l.request.Store.Release(ctx, entry, data, l.undoLog)
	switch {
	case isLogError(err): // nothing was written: the attempt counts
		err = l.request.Store.Release(ctx, entry, data, nil)
	case errors.Is(err, ErrLost) && l.undoLog != nil:
		err = l.request.Store.EditLog(ctx, l.path, l.undoLog)
	}
	if err != nil && !errors.Is(err, ErrLost) && !isLogError(err) {
		return fmt.Errorf("undo the grant of lease %q: %w", l.path, err)
	}
	l.setOver(errReleased)
	l.request.log().InfoContext(ctx, "grant undone", "path", l.path, "holder", l.Holder(), "token", entry.Token)
	return nil
}

// undoData returns what to write over granted to take it back: the data that it
// has replaced or, where there was no record, granted as a released lease. It
// is no removal: a client of kazoo that has just read the record would fail to
// delete it, and raise.
func undoData(granted kazoo.Record, replaced Entry) ([]byte, error) {
	if replaced.Data != nil {
		return replaced.Data, nil
	}
	return granted.Released().Marshal()
}

// undoLog returns the edit that takes out the attempt id, with which the log became
// entered. If it is still that, it becomes what it was before, but for kazoo's run:
// the record that is put back does not show that kazoo wrote it.
func undoLog(replaced Entry, entered []byte, id string) LogEdit {
	return func(data []byte) ([]byte, error) {
		log, err := parseLog(replaced.Path, data)
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(data, entered) || replaced.Log == nil {
			return log.Withdraw(id).Marshal()
		}
		if !replaced.ByKazoo {
			return replaced.Log.Data, nil
		}
		rec, err := parseRecord(replaced)
		if err != nil {
			return nil, err
		}
		if log, err = parseLog(replaced.Path, replaced.Log.Data); err != nil {
			return nil, err
		}
		return log.NoteKazoo(recordForTick(replaced, rec)).Marshal()
	}
}
