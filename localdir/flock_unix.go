//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package localdir

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// openSafely keeps opening from waiting for the other end of a FIFO that
// stands where a file should.
const openSafely = unix.O_NONBLOCK

// platform returns an error where the store can't work.
func platform() error { return nil }

// tryFlock reports whether f could be locked against everybody else, this
// process's other open files included.
func tryFlock(f *os.File) (locked bool, err error) {
	err = flock(f, unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

// unflock is needed before f is closed: a child that is just being started has
// a copy of f until it executes its program, and would keep the lock so long.
func unflock(f *os.File) error { return flock(f, unix.LOCK_UN) }

func flock(f *os.File, how int) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var lockErr error
	err = conn.Control(func(fd uintptr) {
		for {
			if lockErr = unix.Flock(int(fd), how); !errors.Is(lockErr, unix.EINTR) {
				return
			}
		}
	})
	return errors.Join(err, lockErr)
}

// links returns how many names a file has.
func links(info fs.FileInfo) int {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 1
	}
	return int(st.Nlink)
}

// cannotSync tells the error of a file system that has no fsync for folders.
func cannotSync(err error) bool {
	return errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP)
}

// trusted reports whether fi belongs to this user or to root.
func trusted(fi fs.FileInfo) bool {
	st, ok := fi.Sys().(*syscall.Stat_t)
	return ok && (st.Uid == 0 || int(st.Uid) == os.Geteuid())
}
