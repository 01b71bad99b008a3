package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// An overlapLock is held while a COMMAND runs on this host for one lease and
// holder. It works as flock(1) does: COMMAND and its children inherit the
// descriptors, so the lock lasts as long as one of them, whatever becomes of
// leasehold; the watchdog keeps them too, since COMMAND may close its own. A nil
// lock locks nothing.
//
// On Linux a lock is a name of a Unix socket that is in no file system: it goes
// away with the last process that has the descriptor, nothing that cleans up can
// remove it, and it is the same for all users of the host (and of its network
// namespace). Elsewhere, and in the directory that LEASEHOLD_RUNTIME_DIR names, it
// is a file.
type overlapLock struct{ files []*os.File }

// lockOverlap returns an *overlapError if COMMAND of an earlier run still runs.
// allowed says what goes on all the same.
func lockOverlap(store *storeURL, path, holder, allowed string) (*overlapLock, error) {
	leases, err := store.lockedNames(path)
	if err != nil {
		return nil, err
	}
	l := &overlapLock{}
	for _, lease := range leases {
		sum := sha256.Sum256([]byte(lease + "\x00" + holder))
		file, err := lockName(hex.EncodeToString(sum[:16]))
		var overlap *overlapError
		switch {
		case errors.As(err, &overlap):
			overlap.path, overlap.holder, overlap.allowed = path, holder, allowed
			l.close()
			return nil, overlap
		case err != nil:
			l.close()
			return nil, config(lockHint+allowed, "check for an earlier run: %v", err)
		}
		l.files = append(l.files, file)
	}
	return l, nil
}

// setPid writes the pid for the message of an overlapError, where it is needed.
func (l *overlapLock) setPid(pid int) {
	if l != nil {
		for _, file := range l.files {
			notePid(file, pid)
		}
	}
}

// inherit lets the next child inherit the lock under the same descriptor numbers:
// others could be in use by COMMAND. It returns them.
func (l *overlapLock) inherit() (fds []int, err error) {
	if l == nil {
		return nil, nil
	}
	for _, file := range l.files {
		fd := file.Fd()
		if _, err := unix.FcntlInt(fd, unix.F_SETFD, 0); err != nil {
			return nil, err
		}
		fds = append(fds, int(fd))
	}
	return fds, nil
}

// close leaves the lock to the processes that have inherited it.
func (l *overlapLock) close() {
	if l != nil {
		for _, file := range l.files {
			file.Close()
		}
	}
}
