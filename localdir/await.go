package localdir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/background"
)

// await returns what f does. If ctx ends first, since even a local disk can
// hang, it returns an error that matches ctx's and cause, and leaves f to
// finish; if f succeeds then, unclaimed gets its result, unless it is nil. It is
// called between enter and leave.
func await[T any](ctx context.Context, s *Store, cause error, f func() (T, error), unclaimed func(T)) (T, error) {
	v, err := background.Run(ctx, &s.busy, 0, f, unclaimed)
	if err != nil && err == ctx.Err() {
		err = s.interrupted(ctx, cause)
	}
	return v, err
}

// awaitState is read, with an eye on ctx.
func (s *Store) awaitState(ctx context.Context, path, name string) (state, error) {
	return await(ctx, s, leasehold.ErrUnreachable, func() (state, error) { return s.read(ctx, path, name) }, nil)
}

// awaitLock is lock, with an eye on ctx.
func (s *Store) awaitLock(ctx context.Context, path, name string, create bool) (*lockedFolder, error) {
	return await(ctx, s, errLocked, func() (*lockedFolder, error) { return s.lock(ctx, path, name, create) }, func(l *lockedFolder) {
		if l != nil {
			l.unlock()
		}
	})
}

// errLocked is the ErrUnreachable of a process that waited for a lock.
var errLocked = fmt.Errorf("%w: another process kept it locked", leasehold.ErrUnreachable)

func (s *Store) interrupted(ctx context.Context, cause error) error {
	return fmt.Errorf("lease directory %q: %w: %w", s.dir, cause, ctx.Err())
}

// enter begins a call on the lease at path, and returns its folder. Unless it
// fails, leave ends the call.
func (s *Store) enter(ctx context.Context, path string) (name string, err error) {
	if path == "/" {
		name = "."
	} else if name, err = folderName(path); err != nil {
		return "", err
	}
	if ctx.Err() != nil {
		return "", s.interrupted(ctx, leasehold.ErrUnreachable)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return "", fmt.Errorf("lease directory %q: %w", s.dir, fs.ErrClosed)
	}
	s.busy.Add(1)
	return name, nil
}

func (s *Store) leave() { s.busy.Add(-1) }

// closeTime is what Close has for calls and undoings under way.
const closeTime = 3 * time.Second

// Close ends all watches and waits up to 3 s for what is under way. Grants
// stay.
func (s *Store) Close() error {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	if closed {
		return nil
	}
	close(s.closing)
	var late error
	timer := time.NewTimer(closeTime)
	defer timer.Stop()
	select {
	case <-s.busy.Idle():
	case <-timer.C:
		late = fmt.Errorf("lease directory %q: something is still under way after %s", s.dir, closeTime)
	}
	s.giveUp()
	return errors.Join(late, s.root.close())
}
