package localdir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"strings"
	"time"
)

// The pauses between attempts at a lock that another has. A commit takes a
// millisecond or a few; a process that was stopped may take for ever.
const (
	firstPause = time.Millisecond
	lastPause  = 25 * time.Millisecond
)

// A lockedFolder is the folder of a lease that nobody else can write to.
type lockedFolder struct {
	*folder
	name  string // relative to the store's directory
	lock  *file
	state state // of its files
}

func (l *lockedFolder) unlock() {
	l.lock.unlock()
	_ = l.close()
}

// lock locks the folder called name, which is that of path, and reads it. If
// create is false and there is no folder it returns nil.
func (s *Store) lock(ctx context.Context, path, name string, create bool) (*lockedFolder, error) {
	for ctx.Err() == nil {
		l, err := s.lockOnce(ctx, path, name, create)
		if errors.Is(err, errReplaced) {
			continue
		}
		if l == nil || err != nil {
			return nil, recordError(path, err)
		}
		if l.state, err = s.readFolder(ctx, path, l.folder); err != nil {
			l.unlock()
			return nil, err
		}
		return l, nil
	}
	return nil, s.interrupted(ctx, errLocked)
}

var errReplaced = errors.New("folder was replaced")

// lockOnce returns errReplaced if somebody has removed the folder by hand, or
// put another in its place, while this process was waiting for its lock.
func (s *Store) lockOnce(ctx context.Context, path, name string, create bool) (*lockedFolder, error) {
	if err := s.usable(); err != nil {
		return nil, err
	}
	var d *folder
	var err error
	if create {
		d, err = s.ensureFolder(ctx, path, name)
	} else if d, err = s.openFolder(path, name); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := s.checkFileSystem(d); err != nil { // another may be mounted below the directory
		return nil, errors.Join(err, d.close())
	}
	lock, err := s.flock(ctx, d)
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	l := &lockedFolder{folder: d, name: name, lock: lock}
	if err := s.checkPlace(l); err != nil {
		l.unlock()
		return nil, err
	}
	return l, nil
}

// checkPlace returns errReplaced if l is not in its place any more.
func (s *Store) checkPlace(l *lockedFolder) error {
	ours, err := l.lstat(".")
	if err != nil {
		return err
	}
	there, err := s.root.lstat(l.name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(ours, there) {
		return errReplaced
	}
	return err
}

// flock waits for the lock on d, until ctx ends. It returns errReplaced if the
// lock file was removed by hand meanwhile.
func (s *Store) flock(ctx context.Context, d *folder) (*file, error) {
	f, err := s.openLock(d)
	if err != nil {
		return nil, err
	}
	pause := firstPause
	for {
		locked, err := f.tryLock()
		if err != nil {
			f.unlock()
			return nil, fmt.Errorf("lock %q: %w", f.path, err)
		}
		if locked {
			break
		}
		select {
		case <-time.After(rand.N(pause) + pause/2):
			pause = min(2*pause, lastPause)
		case <-ctx.Done():
			return nil, errors.Join(s.interrupted(ctx, errLocked), f.close())
		}
	}
	if err := checkLock(d, f); err != nil {
		f.unlock()
		return nil, err
	}
	return f, nil
}

// checkLock returns errReplaced if f is not d's lock file any more. If it was
// just made, it removes what its maker has left.
func checkLock(d *folder, f *file) error {
	ours, err := f.stat()
	if err != nil {
		return err
	}
	there, err := d.lstat(lockName)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(ours, there) {
		return errReplaced
	}
	if err != nil || links(ours) == 1 {
		return err
	}
	names, err := d.names()
	for _, name := range names {
		if strings.HasPrefix(name, newLockPrefix) && strings.HasSuffix(name, newSuffix) {
			err = errors.Join(err, d.remove(name))
		}
	}
	return err
}

// openLock opens d's lock file, and makes it if it is missing.
func (s *Store) openLock(d *folder) (*file, error) {
	for {
		f, _, err := openRegular(d, lockName, os.O_RDWR)
		if !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
		if err := s.makeLock(d); errors.Is(err, fs.ErrNotExist) {
			return nil, errReplaced
		} else if err != nil {
			return nil, err
		}
	}
}

// makeLock makes d's lock file with the right mode from the first moment on: a
// link to a file that is complete. No lock is held yet, so that file has a name
// of its own. Whoever locks the file first removes that name, since it may be
// another process that does, after this one was killed.
func (s *Store) makeLock(d *folder) (err error) {
	name := fmt.Sprintf("%s%016x%s", newLockPrefix, rand.Uint64(), newSuffix)
	defer func() {
		if err != nil {
			err = errors.Join(err, d.remove(name))
		}
	}()
	f, err := d.openFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	// Whoever can open the file can lock it: those who may only read must not.
	writers := s.fileMode & 0o222
	if err := errors.Join(f.chmod(writers|writers<<1), f.close()); err != nil {
		return err
	}
	err = d.link(name, lockName)
	if errors.Is(err, fs.ErrExist) {
		return d.remove(name) // another was faster
	}
	return err
}
