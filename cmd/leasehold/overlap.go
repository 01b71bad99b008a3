package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// An overlapLock says that a COMMAND runs on this host, for one store, path and
// holder. It is a flock, as flock(1) has it: COMMAND and its children inherit
// the descriptor, so it lasts as long as one of them, whatever becomes of
// leasehold. A nil lock locks nothing.
type overlapLock struct{ file *os.File }

// An overlapError means that an earlier run goes on.
type overlapError struct {
	path, holder string
	pid          int // 0: not known
}

func (e *overlapError) Error() string {
	who := ""
	switch {
	case e.pid > 0 && errors.Is(unix.Kill(e.pid, 0), unix.ESRCH):
		who = fmt.Sprintf(": pid %d has ended and left processes behind", e.pid)
	case e.pid > 0:
		who = fmt.Sprintf(" (pid %d)", e.pid)
	}
	return fmt.Sprintf("an earlier run of %s by %q still runs on this host%s", escape(e.path), e.holder, who)
}

// lockOverlap returns an *overlapError if COMMAND of an earlier run still runs.
func lockOverlap(store, path, holder string) (*overlapLock, error) {
	const hint = "set " + runtimeVariable + " to a directory of this user alone, or do without the check: --allow-overlap"
	dir, err := runtimeDir()
	if err != nil {
		return nil, config(hint, "directory for the locks of running commands: %v", err)
	}
	sum := sha256.Sum256([]byte(store + "\x00" + path + "\x00" + holder))
	name := filepath.Join(dir, hex.EncodeToString(sum[:16])+".lock") // never removed: another may have it open
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, config(hint, "lock of running commands: %v", err)
	}
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		l := &overlapLock{file: file}
		l.name(os.Getpid())
		return l, nil
	}
	defer file.Close()
	if !errors.Is(err, unix.EWOULDBLOCK) {
		return nil, config(hint, "lock %s: %v", name, err)
	}
	text, _ := io.ReadAll(io.LimitReader(file, 32)) // it is for the message only
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return nil, &overlapError{path: path, holder: holder, pid: pid}
}

// name notes the pid that others are told.
func (l *overlapLock) name(pid int) {
	if l != nil {
		// Of a fixed length, so that it can be read at any moment.
		_, _ = l.file.WriteAt(fmt.Appendf(nil, "%-11d\n", pid), 0)
	}
}

// bequeath lets the next child inherit the lock, as the descriptor that it is:
// any other number might be of use to COMMAND.
func (l *overlapLock) bequeath() error {
	if l == nil {
		return nil
	}
	_, err := unix.FcntlInt(l.file.Fd(), unix.F_SETFD, 0)
	return err
}

// close leaves the lock to those who have inherited it.
func (l *overlapLock) close() {
	if l != nil {
		l.file.Close()
	}
}

// runtimeVariable names the directory for locks where the usual one won't do:
// a service with a /tmp of its own would not see what cron runs.
const runtimeVariable = "LEASEHOLD_RUNTIME_DIR"

// runtimeDir makes the directory for locks, if need be. It is the same for all
// that one user runs, so neither TMPDIR nor XDG_RUNTIME_DIR decide, which cron
// has not as a login has. It is this user's alone: another could lock, or
// redirect, what is in there.
func runtimeDir() (string, error) {
	uid := os.Geteuid()
	dir := "/tmp/leasehold-" + strconv.Itoa(uid)
	if uid == 0 {
		dir = "/run/leasehold"
	}
	if given := os.Getenv(runtimeVariable); given != "" {
		if dir = filepath.Clean(given); !filepath.IsAbs(dir) {
			return "", fmt.Errorf("%s is %q, want an absolute path", runtimeVariable, given)
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	fi, err := os.Lstat(dir)
	switch {
	case err != nil:
		return "", err
	case !fi.IsDir() || owner(dir) != uid:
		return "", fmt.Errorf("%s is not a directory of user %d", dir, uid)
	case fi.Mode()&0o022 != 0:
		return "", fmt.Errorf("%s can be written by others", dir)
	}
	return dir, nil
}

// owner returns the user that dir belongs to, -1 if that is not to be had.
func owner(dir string) int {
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return -1
	}
	return int(st.Uid)
}
