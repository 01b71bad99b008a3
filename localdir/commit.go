package localdir

import (
	"errors"
	"fmt"
	"math"
	"time"

	"leasehold.example/leasehold"
)

// resolution is that of the stamps; finer than any measurement of offsets.
const resolution = time.Microsecond

// grant writes a new token, a new run log where there is one, and a new record.
// All are on the disk before the first is renamed, so that a full disk leaves
// everything as it is. If it is killed before the record is there, an attempt in
// the log counts as begun: nobody could tell it from one whose process was killed
// before it did anything.
func (s *Store) grant(l *lockedFolder, path string, p leasehold.Proposal) (_ leasehold.Entry, err error) {
	if l.state.Token == math.MaxInt64 {
		return leasehold.Entry{}, &leasehold.RecordError{Path: path, Err: fmt.Errorf(
			"token file %q has the greatest number there is, and a new grant needs a greater one; while nobody uses the lease, remove its folder, and empty the fences that know its tokens", l.path(tokenName))}
	}
	defer func() {
		if err != nil {
			err = errors.Join(withCause(err), clearDebris(l.folder))
		}
	}()
	if err := clearDebris(l.folder); err != nil {
		return leasehold.Entry{}, err
	}
	if l.state.Token == 0 {
		// Without these folders a power failure would take the token as well.
		if err := s.syncAbove(l.name); err != nil {
			return leasehold.Entry{}, err
		}
	}
	next := tokenFile{Token: l.state.Token + 1, Since: time.Now().UTC().Truncate(resolution)}
	if err := s.prepareAll(l, path, next, p.Data, p.Log); err != nil {
		return leasehold.Entry{}, err
	}
	var log *leasehold.Log
	if p.Log != nil {
		if log, err = readLog(path, l.folder, newLog); err != nil {
			return leasehold.Entry{}, err
		}
	}
	if err := l.rename(newToken, tokenName); err != nil {
		return leasehold.Entry{}, err
	}
	l.state.tokenFile = next
	logged, replaced := false, false
	if p.Log != nil {
		logged, err = l.replace(newLog, logName)
		err = logError(path, err)
	}
	// Only once token and log are sure to be kept may a record go with them.
	if err == nil {
		err = l.sync()
	}
	var stamp leasehold.Stamp
	if err == nil {
		stamp, replaced, err = s.replaceRecord(l)
	}
	if err == nil {
		err = l.sync()
	}
	var undoErr error
	switch {
	case err == nil:
		e := s.committed(path, next, p.Data, stamp)
		e.Log = log
		return e, nil
	case replaced:
		undoErr = s.release(l, path, p.Undo, p.UndoLog)
	case logged:
		undoErr = s.editLog(l, path, p.UndoLog)
	}
	if undoErr != nil {
		err = fmt.Errorf("%w: %w: %w", leasehold.ErrOutcomeUnknown, err, undoErr)
	}
	return leasehold.Entry{}, err
}

// renew writes a new record; the token stays.
func (s *Store) renew(l *lockedFolder, path string, data []byte) (leasehold.Entry, error) {
	if err := s.prepare(l.folder, newRecord, data); err != nil {
		return leasehold.Entry{}, withCause(err)
	}
	stamp, replaced, err := s.replaceRecord(l)
	if err == nil {
		err = l.sync()
	}
	if replaced && err != nil {
		err = fmt.Errorf("%w: %w", leasehold.ErrOutcomeUnknown, err)
	}
	if err != nil {
		return leasehold.Entry{}, errors.Join(withCause(err), clearDebris(l.folder))
	}
	return s.committed(path, l.state.tokenFile, data, stamp), nil
}

// release writes what edit makes of the run log, then a new record, and then that
// the grant is over. The record is never free before the log tells why. If it is
// killed in between, the holder can renew as long as nobody else is granted.
func (s *Store) release(l *lockedFolder, path string, data []byte, edit leasehold.LogEdit) error {
	log, err := l.editedLog(path, edit)
	if err != nil {
		return err
	}
	over := l.state.tokenFile
	over.Released = true
	if err := s.prepareAll(l, path, over, data, log); err != nil {
		return errors.Join(withCause(err), clearDebris(l.folder))
	}
	logged, replaced := false, false
	if log != nil {
		if logged, err = l.replace(newLog, logName); err == nil {
			err = l.sync()
		}
		err = logError(path, err)
	}
	var stamp leasehold.Stamp
	if err == nil {
		stamp, replaced, err = s.replaceRecord(l)
	}
	if err == nil {
		err = errors.Join(l.rename(newToken, tokenName), l.sync())
	}
	if (logged || replaced) && err != nil {
		err = fmt.Errorf("%w: %w", leasehold.ErrOutcomeUnknown, err)
	}
	if err != nil {
		return errors.Join(withCause(err), clearDebris(l.folder))
	}
	s.committed("", over, data, stamp)
	return nil
}

func (s *Store) prepareAll(l *lockedFolder, path string, t tokenFile, data, log []byte) error {
	token, err := t.marshal()
	if err != nil {
		return err
	}
	if err := s.prepare(l.folder, newRecord, data); err != nil {
		return err
	}
	if err := s.prepareLog(l, path, log); err != nil {
		return err
	}
	return s.prepare(l.folder, newToken, token)
}

// replaceRecord puts the new record in place of the old one. The stamp is taken
// around the rename alone, so that a slow disk does not blur it.
func (s *Store) replaceRecord(l *lockedFolder) (stamp leasehold.Stamp, replaced bool, err error) {
	stamp = leasehold.Stamp{Resolution: resolution, Sent: leasehold.ReadInstant()}
	stamp.At = time.Now().UTC().Truncate(resolution)
	replaced, err = l.replace(newRecord, recordName)
	stamp.Received = leasehold.ReadInstant()
	return stamp, replaced, err
}

// replace puts the file called prepared in the place of the one called name;
// replaced is false only if that is still there.
func (l *lockedFolder) replace(prepared, name string) (replaced bool, err error) {
	if err := l.rename(prepared, name); err != nil {
		_, statErr := l.lstat(prepared) // still there if it was not renamed
		return statErr != nil, err
	}
	return true, nil
}

func (s *Store) committed(path string, t tokenFile, data []byte, stamp leasehold.Stamp) leasehold.Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stamp = stamp
	return leasehold.Entry{Path: path, Data: data, Token: t.Token, Since: t.Since, Stamp: stamp, Private: granted{}}
}
