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

// grant writes a new token and a new record. Both are on the disk before the
// first is renamed, so that a full disk leaves everything as it is.
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
	if err := s.prepareBoth(l, next, p.Data); err != nil {
		return leasehold.Entry{}, err
	}
	// Only once the token is sure to be counted may a record have it.
	if err := errors.Join(l.rename(newToken, tokenName), l.sync()); err != nil {
		return leasehold.Entry{}, err
	}
	l.state.tokenFile = next
	stamp, replaced, err := s.replaceRecord(l)
	if err == nil {
		err = l.sync()
	}
	if replaced && err != nil {
		if undoErr := s.release(l, p.Undo); undoErr != nil {
			err = fmt.Errorf("%w: %w: %w", leasehold.ErrOutcomeUnknown, err, undoErr)
		}
	}
	if err != nil {
		return leasehold.Entry{}, err
	}
	return s.committed(path, next, p.Data, stamp), nil
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

// release writes a new record, and then that the grant is over. If it is
// killed in between, the holder can renew as long as nobody else is granted.
func (s *Store) release(l *lockedFolder, data []byte) error {
	over := l.state.tokenFile
	over.Released = true
	if err := s.prepareBoth(l, over, data); err != nil {
		return errors.Join(withCause(err), clearDebris(l.folder))
	}
	stamp, replaced, err := s.replaceRecord(l)
	if err == nil {
		err = errors.Join(l.rename(newToken, tokenName), l.sync())
	}
	if replaced && err != nil {
		err = fmt.Errorf("%w: %w", leasehold.ErrOutcomeUnknown, err)
	}
	if err != nil {
		return errors.Join(withCause(err), clearDebris(l.folder))
	}
	s.committed("", over, data, stamp)
	return nil
}

func (s *Store) prepareBoth(l *lockedFolder, t tokenFile, data []byte) error {
	token, err := t.marshal()
	if err != nil {
		return err
	}
	if err := s.prepare(l.folder, newRecord, data); err != nil {
		return err
	}
	return s.prepare(l.folder, newToken, token)
}

// replaceRecord puts the new record in place of the old one; replaced is false
// only if the old one is still there. The stamp is taken around the rename
// alone, so that a slow disk does not blur it.
func (s *Store) replaceRecord(l *lockedFolder) (stamp leasehold.Stamp, replaced bool, err error) {
	stamp = leasehold.Stamp{Resolution: resolution, Sent: leasehold.ReadInstant()}
	stamp.At = time.Now().UTC().Truncate(resolution)
	err = l.rename(newRecord, recordName)
	stamp.Received = leasehold.ReadInstant()
	if err != nil {
		_, statErr := l.lstat(newRecord) // still there if it was not renamed
		return stamp, statErr != nil, err
	}
	return stamp, true, nil
}

func (s *Store) committed(path string, t tokenFile, data []byte, stamp leasehold.Stamp) leasehold.Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stamp = stamp
	return leasehold.Entry{Path: path, Data: data, Token: t.Token, Since: t.Since, Stamp: stamp, Private: granted{}}
}
