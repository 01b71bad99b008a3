package localdir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"leasehold.example/leasehold"
)

// ReadLog returns known with the run log of its path. It waits for nobody.
func (s *Store) ReadLog(ctx context.Context, known leasehold.Entry) (leasehold.Entry, error) {
	name, err := s.enter(ctx, known.Path)
	if err != nil {
		return known, err
	}
	defer s.leave()
	log, err := s.awaitLog(ctx, known.Path, name)
	if err == nil {
		known.Log = log
	}
	return known, err
}

// EditLog replaces the run log of path by what edit makes of it. If that is an
// error or the same, it needs no lock and writes nothing; else edit is called
// again once the lock is held.
func (s *Store) EditLog(ctx context.Context, path string, edit leasehold.LogEdit) error {
	name, err := s.enter(ctx, path)
	if err != nil {
		return err
	}
	defer s.leave()
	log, err := s.awaitLog(ctx, path, name)
	if err != nil {
		return err
	}
	if data, err := edited(log, edit); data == nil || err != nil {
		return err
	}
	l, err := s.awaitLock(ctx, path, name, true)
	if err != nil {
		return logError(path, err)
	}
	_, err = await(ctx, s, leasehold.ErrOutcomeUnknown, func() (struct{}, error) {
		defer l.unlock()
		return struct{}{}, s.editLog(l, path, edit)
	}, nil)
	return err
}

// awaitLog reads the log of the lease at path, with an eye on ctx. It needs no
// lock.
func (s *Store) awaitLog(ctx context.Context, path, name string) (*leasehold.Log, error) {
	return await(ctx, s, leasehold.ErrUnreachable, func() (*leasehold.Log, error) {
		if err := s.usable(); err != nil {
			return nil, err
		}
		d, err := s.openFolder(path, name)
		if errors.Is(err, fs.ErrNotExist) {
			return &leasehold.Log{}, nil
		}
		if err != nil {
			return nil, err
		}
		defer d.close()
		return readLog(path, d, logName)
	}, nil)
}

// readLog returns the run log in the file called name, in the folder of the lease
// at path. Where there is none it is empty.
func readLog(path string, d *folder, name string) (*leasehold.Log, error) {
	data, written, err := readFile(d, name, maxLog)
	if err != nil {
		return nil, logError(path, err)
	}
	if len(data) == 0 {
		written = time.Time{}
	}
	return &leasehold.Log{Data: data, Written: written}, nil
}

// edited returns what edit makes of log, nil if that is the same.
func edited(log *leasehold.Log, edit leasehold.LogEdit) ([]byte, error) {
	data, err := edit(slices.Clone(log.Data))
	if err != nil || bytes.Equal(data, log.Data) {
		return nil, err
	}
	return append([]byte{}, data...), nil
}

// editedLog returns what edit makes of l's run log, nil if that is the same.
func (l *lockedFolder) editedLog(path string, edit leasehold.LogEdit) ([]byte, error) {
	if edit == nil {
		return nil, nil
	}
	log, err := readLog(path, l.folder, logName)
	if err != nil {
		return nil, err
	}
	return edited(log, edit)
}

// editLog writes what edit makes of l's run log.
func (s *Store) editLog(l *lockedFolder, path string, edit leasehold.LogEdit) error {
	log, err := l.editedLog(path, edit)
	if log == nil || err != nil {
		return err
	}
	err = clearDebris(l.folder)
	if err == nil && l.state.Token == 0 {
		err = s.syncAbove(l.name)
	}
	if err == nil {
		err = s.prepareLog(l, path, log)
	}
	replaced := false
	if err == nil {
		replaced, err = l.replace(newLog, logName)
	}
	if err == nil {
		err = l.sync()
	}
	if err == nil {
		return nil
	}
	if replaced {
		err = fmt.Errorf("%w: %w", leasehold.ErrOutcomeUnknown, err)
	}
	return errors.Join(logError(path, err), clearDebris(l.folder))
}

// prepareLog prepares a new run log, unless it is nil.
func (s *Store) prepareLog(l *lockedFolder, path string, log []byte) error {
	if len(log) > maxLog {
		return &leasehold.LogError{Path: path, Err: fmt.Errorf("it would have %d bytes, and may have %d", len(log), maxLog)}
	}
	if log == nil {
		return nil
	}
	return s.prepare(l.folder, newLog, log)
}

// logError makes a [*leasehold.LogError] of an [*unfitError], and of what a user
// may not do, unless it is about the record.
func logError(path string, err error) error {
	if record := (*leasehold.RecordError)(nil); errors.As(err, &record) {
		return err
	}
	err = withCause(err)
	if unfit := (*unfitError)(nil); errors.As(err, &unfit) || errors.Is(err, leasehold.ErrPermission) {
		return &leasehold.LogError{Path: path, Err: err}
	}
	return err
}
