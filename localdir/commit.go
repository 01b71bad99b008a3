package localdir

import (
	"errors"
	"fmt"
	"time"

	"leasehold.example/leasehold"
)

// resolution is that of the stamps; finer than any measurement of offsets.
const resolution = time.Microsecond

// grant writes a new token and a new record. Both are on the disk before the
// first is renamed, so that a full disk leaves everything as it is.
func (s *Store) grant(l *lockedFolder, path string, p leasehold.Proposal) (leasehold.Entry, error) {
	if err := clearDebris(l.Root); err != nil {
		return leasehold.Entry{}, withPermission(err)
	}
	next := tokenFile{Token: l.state.Token + 1, Since: time.Now().UTC().Truncate(resolution)}
	if err := s.prepareBoth(l, next, p.Data); err != nil {
		return leasehold.Entry{}, errors.Join(withPermission(err), clearDebris(l.Root))
	}
	s.hooks.reached(stepPrepared)
	// Only once the token is sure to be counted may a record have it.
	err := l.Rename(newToken, tokenName)
	if err == nil {
		err = syncFolder(l.Root)
	}
	if err != nil {
		return leasehold.Entry{}, errors.Join(withPermission(err), clearDebris(l.Root))
	}
	s.hooks.reached(stepCounted)
	stamp, err := s.replaceRecord(l)
	if err != nil {
		return leasehold.Entry{}, errors.Join(withPermission(err), clearDebris(l.Root))
	}
	s.hooks.reached(stepRenamed)
	if err := syncFolder(l.Root); err != nil {
		if undoErr := s.release(l, p.Undo); undoErr != nil {
			return leasehold.Entry{}, fmt.Errorf("%w: %w: %w", leasehold.ErrOutcomeUnknown, withPermission(err), undoErr)
		}
		return leasehold.Entry{}, withPermission(err)
	}
	s.hooks.reached(stepDone)
	return s.committed(path, next, p.Data, stamp), nil
}

// renew writes a new record; the token stays.
func (s *Store) renew(l *lockedFolder, path string, data []byte) (leasehold.Entry, error) {
	if err := s.prepare(l.Root, newRecord, data); err != nil {
		return leasehold.Entry{}, withPermission(err)
	}
	stamp, err := s.replaceRecord(l)
	if err != nil {
		return leasehold.Entry{}, errors.Join(withPermission(err), clearDebris(l.Root))
	}
	if err := syncFolder(l.Root); err != nil {
		return leasehold.Entry{}, fmt.Errorf("%w: %w", leasehold.ErrOutcomeUnknown, withPermission(err))
	}
	return s.committed(path, l.state.tokenFile, data, stamp), nil
}

// release writes a new record, and then that the grant is over. If it is
// killed in between, the holder can renew as long as nobody else is granted.
func (s *Store) release(l *lockedFolder, data []byte) error {
	over := l.state.tokenFile
	over.Released = true
	if err := s.prepareBoth(l, over, data); err != nil {
		return errors.Join(withPermission(err), clearDebris(l.Root))
	}
	stamp, err := s.replaceRecord(l)
	if err != nil {
		return errors.Join(withPermission(err), clearDebris(l.Root))
	}
	if err := errors.Join(l.Rename(newToken, tokenName), syncFolder(l.Root)); err != nil {
		return fmt.Errorf("%w: %w", leasehold.ErrOutcomeUnknown, withPermission(err))
	}
	s.committed("", over, data, stamp)
	return nil
}

func (s *Store) prepareBoth(l *lockedFolder, t tokenFile, data []byte) error {
	token, err := t.marshal()
	if err != nil {
		return err
	}
	if err := s.prepare(l.Root, newRecord, data); err != nil {
		return err
	}
	return s.prepare(l.Root, newToken, token)
}

// replaceRecord is the moment of the commit. Its stamp is taken around the
// rename alone, so that a slow disk does not blur it.
func (s *Store) replaceRecord(l *lockedFolder) (leasehold.Stamp, error) {
	stamp := leasehold.Stamp{Resolution: resolution, Sent: leasehold.ReadInstant()}
	stamp.At = time.Now().UTC().Truncate(resolution)
	err := l.Rename(newRecord, recordName)
	stamp.Received = leasehold.ReadInstant()
	return stamp, err
}

func (s *Store) committed(path string, t tokenFile, data []byte, stamp leasehold.Stamp) leasehold.Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stamp = stamp
	return leasehold.Entry{Path: path, Data: data, Token: t.Token, Since: t.Since, Stamp: stamp, Private: granted{}}
}
