package localdir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"time"
)

// The pauses between attempts at a lock that another has. A commit takes a
// millisecond or a few; a process that was stopped may take for ever.
const (
	firstPause = time.Millisecond
	lastPause  = 25 * time.Millisecond
)

// A lock is a flock on a folder.
type lock struct{ folder *os.File }

// flock waits for the lock on a folder, until ctx ends.
func (s *Store) flock(ctx context.Context, folder *os.Root) (*lock, error) {
	f, err := folder.Open(".")
	if err != nil {
		return nil, err
	}
	pause := firstPause
	for {
		locked, err := tryFlock(f)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("lock %q: %w", f.Name(), err), f.Close())
		}
		if locked {
			return &lock{f}, nil
		}
		select {
		case <-time.After(rand.N(pause) + pause/2):
			pause = min(2*pause, lastPause)
		case <-ctx.Done():
			return nil, errors.Join(s.interrupted(ctx, errLocked), f.Close())
		}
	}
}

func (l *lock) unlock() {
	_ = unflock(l.folder)
	_ = l.folder.Close()
}

// A lockedFolder is the folder of a lease that nobody else can write to.
type lockedFolder struct {
	*os.Root
	lock  *lock
	state state // when it was locked
}

func (l *lockedFolder) unlock() {
	l.lock.unlock()
	_ = l.Close()
}

// lock locks the folder called name, which is that of path, and reads it. If
// create is false and there is no folder it returns nil.
func (s *Store) lock(ctx context.Context, path, name string, create bool) (*lockedFolder, error) {
	for {
		l, err := s.lockOnce(ctx, path, name, create)
		if errors.Is(err, errReplaced) {
			continue
		}
		if l == nil || err != nil {
			return nil, err
		}
		s.hooks.reached(stepLocked)
		if l.state, err = s.readFolder(ctx, path, l.Root); err != nil {
			l.unlock()
			return nil, err
		}
		return l, nil
	}
}

var errReplaced = errors.New("folder was replaced")

// lockOnce returns errReplaced if somebody has removed the folder by hand, or
// put another in its place, while this process was waiting for its lock.
func (s *Store) lockOnce(ctx context.Context, path, name string, create bool) (*lockedFolder, error) {
	if err := s.usable(); err != nil {
		return nil, err
	}
	var folder *os.Root
	var err error
	if create {
		folder, err = s.ensureFolder(ctx, path, name)
	} else if folder, err = s.openFolder(path, name); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	held, err := s.flock(ctx, folder)
	if err != nil {
		return nil, errors.Join(withPermission(err), folder.Close())
	}
	l := &lockedFolder{Root: folder, lock: held}
	if err := s.inspect(held.folder, name); err != nil {
		l.unlock()
		return nil, err
	}
	return l, nil
}

func (s *Store) inspect(f *os.File, name string) error {
	ours, err := f.Stat()
	if err != nil {
		return withPermission(err)
	}
	there, err := s.root.Stat(name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(ours, there) {
		return errReplaced
	}
	if err != nil {
		return withPermission(err)
	}
	return s.checkFileSystem(f) // another may be mounted below the directory
}
