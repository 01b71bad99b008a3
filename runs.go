package leasehold

import (
	"context"
	"errors"
	"fmt"
	"time"

	"leasehold.example/leasehold/kazoo"
	"leasehold.example/leasehold/runlog"
)

// Runs returns the run log of path; it is empty where nothing was logged. It
// returns a [*LogError] if what is there can't be read.
func (c *Client) Runs(ctx context.Context, path string) (runlog.Log, error) {
	if err := c.check(path); err != nil {
		return runlog.Log{}, err
	}
	e, err := c.Store.ReadLog(ctx, Entry{Path: path})
	if err != nil {
		return runlog.Log{}, wrapUntyped(err, "read the run log of %q", path)
	}
	return parseLog(path, e.Log.Data)
}

// Pause makes the rule refuse every tick at path until Resume. by is the name of
// who asks. A run that goes on is not disturbed.
func (c *Client) Pause(ctx context.Context, path, by, reason string) error {
	return c.editLog(ctx, path, func(l runlog.Log, id string) (runlog.Log, error) {
		return l.Pause(c.note(by, reason), id), nil
	})
}

// Resume ends a pause; without one it does nothing.
func (c *Client) Resume(ctx context.Context, path, by, reason string) error {
	return c.editLog(ctx, path, func(l runlog.Log, id string) (runlog.Log, error) {
		if l.Head.Paused == nil {
			return l, nil
		}
		return l.Resume(c.note(by, reason), id), nil
	})
}

func (c *Client) note(by, reason string) runlog.Note {
	return runlog.Note{By: by, Since: c.wallNow(), Reason: reason}
}

// editLog changes the run log of path, unless that has the entry of this very
// change already.
func (c *Client) editLog(ctx context.Context, path string, change func(l runlog.Log, id string) (runlog.Log, error)) error {
	if err := c.check(path); err != nil {
		return err
	}
	return wrapUntyped(c.Store.EditLog(ctx, path, editOnce(path, newID(), change)), "write the run log of %q", path)
}

func editOnce(path, id string, change func(l runlog.Log, id string) (runlog.Log, error)) LogEdit {
	return func(data []byte) ([]byte, error) {
		l, err := parseLog(path, data)
		if err != nil {
			return nil, err
		}
		if l.Has(id) {
			return data, nil
		}
		if l, err = change(l, id); err != nil {
			return nil, err
		}
		return l.Marshal()
	}
}

// parseLog returns the run log in data, or a *LogError.
func parseLog(path string, data []byte) (runlog.Log, error) {
	log, err := runlog.Parse(data)
	if err != nil {
		var newer *runlog.VersionError
		return log, &LogError{Path: path, Newer: errors.As(err, &newer), Err: err}
	}
	return log, nil
}

// ErrNoTick means that no tick was begun yet.
var ErrNoTick = errors.New("no tick was begun yet")

// errRunning means that the log shows a run behind the record.
var errRunning = errors.New("a run goes on")

// Reopen allows one more attempt of the newest tick at path that was begun,
// whether or not it succeeded; what kazoo has run no longer counts. If nothing
// runs any more, but the lease is kept until the next tick, it is released. It
// returns ErrNoTick if there was none, and ErrOutcomeUnknown also where the tick is open
// again, and whether the lease is kept is not known.
func (c *Client) Reopen(ctx context.Context, path, by, reason string) (err error) {
	var record *runlog.Record
	reopen := func(l runlog.Log, id string) (runlog.Log, error) {
		l, ok := l.NoteKazoo(record).Reopen(c.note(by, reason), id)
		if !ok {
			return l, fmt.Errorf("%w at %q", ErrNoTick, path)
		}
		return l, nil
	}
	if err := c.check(path); err != nil {
		return err
	}
	edit := editOnce(path, newID(), reopen)
	edited := false
	defer func() {
		if err != nil && edited {
			err = fmt.Errorf("%w: the tick is open again, but its lease may be kept: %w", ErrOutcomeUnknown, err)
		}
	}()
	for {
		e, err := c.Store.Read(ctx, path)
		if err != nil {
			return fmt.Errorf("read lease %q: %w", path, err)
		}
		rec, err := parseRecord(e)
		if err != nil {
			return err
		}
		record = recordForTick(e, rec)
		if rec == nil || !c.wallNow().Before(rec.End) {
			return wrapUntyped(c.Store.EditLog(ctx, path, edit), "write the run log of %q", path)
		}
		err = c.releaseFinished(ctx, e, *rec, edit)
		switch {
		case errors.Is(err, errRunning) && edited:
			return nil
		case errors.Is(err, errRunning):
			if err := c.Store.EditLog(ctx, path, edit); err != nil {
				return wrapUntyped(err, "write the run log of %q", path)
			}
			edited = true // what was running may have ended before, and have kept the lease
		case errors.Is(err, ErrLost) && ctx.Err() == nil: // the record changed in between
		default:
			return wrapUntyped(err, "release lease %q", path)
		}
	}
}

// releaseFinished releases the lease that e shows, and edits its run log, if that
// is what the newest attempt has left when it was finished. Else it returns
// errRunning.
func (c *Client) releaseFinished(ctx context.Context, e Entry, rec kazoo.Record, edit LogEdit) error {
	data, err := rec.Released().Marshal()
	if err != nil {
		return &RecordError{Path: e.Path, Err: err}
	}
	return c.Store.Release(ctx, e, data, func(log []byte) ([]byte, error) {
		l, err := parseLog(e.Path, log)
		if err != nil {
			return nil, err
		}
		if !l.Head.Until.Equal(rec.End) || !l.Head.Granted.Equal(e.Since) {
			return nil, errRunning
		}
		return edit(log)
	})
}

// An Outcome is how a run ended.
type Outcome struct {
	Result runlog.Result // Success, Failure or Lost
	Exit   *int          // exit code; nil where there is none
	Signal string        // that ended it
}

// finishTime is how long after the lease's end Finish goes on.
const finishTime = 5 * time.Minute

// Finish enters in the run log how the run of this lease ended; it does nothing
// if that was entered already. It is for a lease from TryAcquireTick or
// AcquireTick, and for those of a Client with RunLog; for others it returns an
// [*ArgumentError].
//
// For a tick it also ends the lease, in one transaction. If the tick needs no
// other attempt, or has none left, the record's end becomes that of the next tick
// less MaxClockSkew, so that clients of kazoo and those without a schedule stay
// away until then; else the lease is released. If the lease was lost, its run is
// entered all the same.
//
// It tries to reach the store until 5 minutes after End, and for up to 5 s after
// ctx has ended.
func (l *Lease) Finish(ctx context.Context, o Outcome) error {
	a := l.request.attempt
	if a == nil {
		return &ArgumentError{Name: "lease", Value: l.path, Want: "must be that of a tick, or the Client have its RunLog set, to be finished"}
	}
	l.finishing.Store(true)
	defer l.request.warnOfSilence(ctx, l.path)()
	ctx, cancel := outlive(ctx, releaseTime)
	defer cancel()
	ctx, cancel = context.WithTimeout(ctx, max(0, l.counted())+finishTime)
	defer cancel()
	if err := l.lock(ctx); err != nil {
		return fmt.Errorf("finish the run of lease %q: %w", l.path, err)
	}
	defer l.unlock()
	if l.finished {
		return nil
	}
	end := runlog.End{ID: a.run.ID, Result: o.Result, At: l.request.wallNow(), Exit: o.Exit, Signal: o.Signal}
	err := l.finish(ctx, end)
	for errors.Is(err, ErrUnreachable) && ctx.Err() == nil {
		sleep(ctx, retryDelay)
		err = l.finish(ctx, end)
	}
	if err != nil {
		return wrapUntyped(err, "finish the run of lease %q", l.path)
	}
	l.finished = true
	l.logFinish(ctx, o.Result)
	return nil
}

// NoteDrain notes in the run log, for people, that this host takes no new lease, or does
// so again. It does nothing where the run has no entry, or has ended.
func (l *Lease) NoteDrain(ctx context.Context, drained bool) error {
	a := l.request.attempt
	if a == nil {
		return nil
	}
	return wrapUntyped(l.request.Store.EditLog(ctx, l.path, func(data []byte) ([]byte, error) {
		log, err := parseLog(l.path, data)
		if err != nil {
			return nil, err
		}
		return log.NoteDrain(a.run.ID, drained).Marshal()
	}), "note in the run log of %q that this host is drained", l.path)
}

// finish is one attempt of Finish's.
func (l *Lease) finish(ctx context.Context, end runlog.End) error {
	a := l.request.attempt
	l.mu.Lock()
	entry, record, over, left := l.entry, l.record, l.over, l.remaining()
	l.mu.Unlock()
	if a.schedule == nil || errors.Is(over, ErrLost) && !errors.Is(over, errReleasing) {
		return l.request.Store.EditLog(ctx, l.path, finishEdit(l.path, end, 0))
	}
	lasts := over == nil && left > 0
	next := record.Released()
	number := l.Attempt()
	if end.Result == runlog.Success || number >= a.schedule.Attempts {
		until := a.next.Add(-l.request.skew).Truncate(time.Second)
		if l.storeNow(entry).Before(until) {
			next.End, end.Until, end.Granted = until, until, entry.Since
		}
	} else {
		end.RetryAt = l.storeNow(entry).Add(a.schedule.pause(number))
	}
	data, err := next.Marshal()
	if err != nil {
		return err
	}
	l.setOver(errReleasing) // another may have it before the reply comes
	err = l.request.Store.Release(ctx, entry, data, finishEdit(l.path, end, number))
	if errors.Is(err, errReopened) { // by hand, while it ran
		end.Until, end.Granted, end.RetryAt = time.Time{}, time.Time{}, time.Time{}
		if data, err = record.Released().Marshal(); err == nil {
			err = l.request.Store.Release(ctx, entry, data, finishEdit(l.path, end, number))
		}
	}
	switch {
	case errors.Is(err, ErrLost) && l.request.Adopt && lasts && !end.Until.IsZero() && errors.Is(l.lossReason(ctx), errSuperseded):
		// As Hold would have done with the next renewal: else others could have the
		// lease before the next tick.
		if err = l.adopt(ctx); err == nil || errors.Is(err, ErrLost) {
			end.Until, end.Granted = time.Time{}, time.Time{}
			err = l.finish(ctx, end)
		}
	case errors.Is(err, ErrLost):
		end.Until, end.Granted, end.RetryAt = time.Time{}, time.Time{}, time.Time{}
		err = l.request.Store.EditLog(ctx, l.path, finishEdit(l.path, end, number))
	case isLogError(err): // nothing was written
		err = errors.Join(err, l.request.Store.Release(ctx, entry, data, nil))
	}
	if err == nil {
		l.setOver(errReleased)
	}
	return err
}

// errReopened means that a tick that had no attempt left has one.
var errReopened = errors.New("the tick was reopened")

// finishEdit returns the edit that enters how a run ended. number is that of the
// attempt.
func finishEdit(path string, end runlog.End, number int) LogEdit {
	return func(data []byte) ([]byte, error) {
		l, err := parseLog(path, data)
		if err != nil {
			return nil, err
		}
		if !end.Until.IsZero() && end.Result != runlog.Success && l.Head.ID == end.ID && l.Head.Limit > number {
			return nil, errReopened
		}
		finished, ok := l.Finish(end)
		if !ok {
			return nil, &LogError{Path: path, Err: fmt.Errorf("it no longer has the run %s", end.ID)}
		}
		return finished.Marshal()
	}
}

func isLogError(err error) bool {
	var bad *LogError
	return errors.As(err, &bad)
}
