package localdir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"leasehold.example/leasehold"
)

// Read returns the record at path. It waits for nobody.
func (s *Store) Read(ctx context.Context, path string) (leasehold.Entry, error) {
	name, err := s.enter(ctx, path)
	if err != nil {
		return leasehold.Entry{}, err
	}
	defer s.leave()
	st, err := s.awaitState(ctx, path, name)
	if err != nil {
		return leasehold.Entry{}, err
	}
	return entry(path, st), nil
}

// Grant makes a new grant. A denial needs no lock and writes nothing; decide is
// called again once the lock is held.
func (s *Store) Grant(ctx context.Context, known leasehold.Entry, decide func(leasehold.Entry) (leasehold.Proposal, error)) (granted, replaced leasehold.Entry, err error) {
	path := known.Path
	name, err := s.enter(ctx, path)
	if err != nil {
		return granted, replaced, err
	}
	defer s.leave()
	first, err := s.awaitState(ctx, path, name)
	if err != nil {
		return granted, replaced, err
	}
	if _, _, err := withLog(entry(path, first), decide, func() (*leasehold.Log, error) { return s.awaitLog(ctx, path, name) }); err != nil {
		return granted, replaced, err
	}
	l, err := s.awaitLock(ctx, path, name, true)
	if err != nil {
		return granted, replaced, err
	}
	old, p, err := l.propose(path, decide)
	if err != nil {
		return granted, replaced, err
	}
	if ctx.Err() != nil {
		l.unlock()
		return granted, replaced, s.interrupted(ctx, leasehold.ErrUnreachable)
	}
	p.Data, p.Undo, p.Log = slices.Clone(p.Data), slices.Clone(p.Undo), slices.Clone(p.Log) // this call may return before they are written
	granted, err = await(ctx, s, leasehold.ErrOutcomeUnknown, func() (leasehold.Entry, error) {
		defer l.unlock()
		return s.grant(l, path, p)
	}, func(e leasehold.Entry) {
		// Nobody is left to use the grant.
		if l, err := s.lock(s.undoing, path, name, false); err == nil && l != nil {
			defer l.unlock()
			if l.still(e) {
				_ = s.release(l, path, p.Undo, p.UndoLog)
			} else if p.Log != nil {
				_ = s.editLog(l, path, p.UndoLog)
			}
		}
	})
	return granted, old, err
}

// propose calls decide with the lock held, and leaves it held if there is a
// proposal.
func (l *lockedFolder) propose(path string, decide func(leasehold.Entry) (leasehold.Proposal, error)) (old leasehold.Entry, p leasehold.Proposal, err error) {
	proposed := false
	defer func() { // also when decide panics
		if !proposed {
			l.unlock()
		}
	}()
	old, p, err = withLog(entry(path, l.state), decide, func() (*leasehold.Log, error) { return readLog(path, l.folder, logName) })
	proposed = err == nil
	return old, p, err
}

// withLog calls decide on old, and again with the run log if it needs that. A log
// that is read without the lock is no older than old, since a log is written
// before the record.
func withLog(old leasehold.Entry, decide func(leasehold.Entry) (leasehold.Proposal, error), read func() (*leasehold.Log, error)) (leasehold.Entry, leasehold.Proposal, error) {
	p, err := decide(old)
	if errors.Is(err, leasehold.ErrNeedsLog) {
		if old.Log, err = read(); err == nil {
			p, err = decide(old)
		}
	}
	return old, p, err
}

// Renew replaces the data of the grant that held belongs to.
func (s *Store) Renew(ctx context.Context, held leasehold.Entry, data []byte) (leasehold.Entry, error) {
	data = slices.Clone(data) // this call may return before it is written
	return s.change(ctx, held, func(l *lockedFolder) (leasehold.Entry, error) {
		return s.renew(l, held.Path, data)
	})
}

// Release ends the grant that held belongs to and leaves data as the record.
func (s *Store) Release(ctx context.Context, held leasehold.Entry, data []byte, edit leasehold.LogEdit) error {
	data = slices.Clone(data)
	_, err := s.change(ctx, held, func(l *lockedFolder) (leasehold.Entry, error) {
		return leasehold.Entry{}, s.release(l, held.Path, data, edit)
	})
	return err
}

// change calls write with the lock held if the grant that held belongs to is
// still the newest.
func (s *Store) change(ctx context.Context, held leasehold.Entry, write func(*lockedFolder) (leasehold.Entry, error)) (leasehold.Entry, error) {
	name, err := s.enter(ctx, held.Path)
	if err != nil {
		return leasehold.Entry{}, err
	}
	defer s.leave()
	l, err := s.awaitLock(ctx, held.Path, name, false)
	if err != nil {
		return leasehold.Entry{}, err
	}
	if l == nil {
		return leasehold.Entry{}, fmt.Errorf("%w: its folder was removed", leasehold.ErrLost)
	}
	if !l.still(held) {
		l.unlock()
		return leasehold.Entry{}, fmt.Errorf("%w: its token is %d, the newest is %d", leasehold.ErrLost, held.Token, l.state.Token)
	}
	if ctx.Err() != nil {
		l.unlock()
		return leasehold.Entry{}, s.interrupted(ctx, leasehold.ErrUnreachable)
	}
	return await(ctx, s, leasehold.ErrOutcomeUnknown, func() (leasehold.Entry, error) {
		defer l.unlock()
		return write(l)
	}, nil)
}

// granted is the Private of entries that Grant and Renew returned.
type granted struct{}

// still reports whether held is what is there.
func (l *lockedFolder) still(held leasehold.Entry) bool {
	if l.state.data == nil || l.state.Token != held.Token {
		return false
	}
	if held.Private == (granted{}) {
		return !l.state.Released
	}
	// Read without the lock, it may have had a new token beside the record of
	// the grant before.
	return slices.Equal(l.state.data, held.Data)
}

// List returns the paths of all leases and run logs at and below prefix. Files and
// folders that are not of this store's making are passed over.
func (s *Store) List(ctx context.Context, prefix string) ([]string, error) {
	name, err := s.enter(ctx, prefix)
	if err != nil {
		return nil, err
	}
	defer s.leave()
	type result struct {
		paths []string
		err   error
	}
	r, err := await(ctx, s, leasehold.ErrUnreachable, func() (result, error) {
		paths, err := s.walk(ctx, prefix, name)
		return result{paths, err}, nil
	}, nil)
	return r.paths, errors.Join(r.err, err)
}

// walk lists what is below the folder called start, which is that of prefix.
func (s *Store) walk(ctx context.Context, prefix, start string) (paths []string, err error) {
	if err := s.usable(); err != nil {
		return nil, err
	}
	if start != "." {
		d, err := s.openFolder(prefix, start)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		d.close()
	}
	var unseen []error
	err = fs.WalkDir(s.root.root.FS(), start, func(name string, d fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return s.interrupted(ctx, leasehold.ErrUnreachable)
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			unseen = append(unseen, withCause(err))
			return nil
		case name == "." || !d.IsDir() && d.Type() != fs.ModeSymlink:
			return nil
		}
		path, ok := leasePath(name)
		if !d.IsDir() {
			if ok {
				paths = append(paths, path) // Read says what is wrong with it
			}
			return nil
		}
		if !ok {
			return fs.SkipDir
		}
		_, err = s.root.lstat(name + "/" + recordName)
		if errors.Is(err, fs.ErrNotExist) {
			_, err = s.root.lstat(name + "/" + logName)
		}
		switch {
		case err == nil:
			paths = append(paths, path)
		case !errors.Is(err, fs.ErrNotExist):
			unseen = append(unseen, withCause(err))
			return fs.SkipDir
		}
		return nil
	})
	slices.Sort(paths)
	return paths, errors.Join(append(unseen, err)...)
}

// entry is what st is to the users of the Store.
func entry(path string, st state) leasehold.Entry {
	e := leasehold.Entry{Path: path}
	if st.data != nil {
		e.Data, e.Token, e.Since = st.data, st.Token, st.Since
	}
	return e
}

// TimeMissing returns the zero Instant: there is no other clock to tell.
func (s *Store) TimeMissing() leasehold.Instant { return leasehold.Instant{} }

// Connection returns a context that never ends.
func (s *Store) Connection() context.Context { return context.Background() }

// LastStamp returns the stamp of the newest commit by this Store.
func (s *Store) LastStamp() leasehold.Stamp {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stamp
}

// usable returns an error if the directory is no longer the one that was
// opened: others would open the new one, and be granted what is held in this.
func (s *Store) usable() error {
	ours, err := s.root.lstat(".")
	if err != nil {
		return fmt.Errorf("lease directory %q: %w", s.dir, withCause(err))
	}
	var there fs.FileInfo
	err = s.hooks.call("stat", s.dir, func() (err error) { there, err = os.Stat(s.dir); return err })
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(ours, there) {
		return fmt.Errorf("lease directory %q was removed or replaced since it was opened: open it anew", s.dir)
	}
	if err != nil {
		return fmt.Errorf("lease directory: %w", withCause(err))
	}
	return nil
}
