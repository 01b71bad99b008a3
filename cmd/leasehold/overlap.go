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

// An overlapLock is held while a COMMAND runs on this host for one store, path and
// holder. It works as flock(1) does: COMMAND and its children inherit the
// descriptor, so the lock lasts as long as one of them, whatever becomes of
// leasehold. A nil lock locks nothing.
type overlapLock struct{ file *os.File }

// lockOverlap returns an *overlapError if COMMAND of an earlier run still runs.
func lockOverlap(store, path, holder string) (*overlapLock, error) {
	const hint = "set " + runtimeVariable + " to a directory of this user alone, or skip the check with --allow-overlap"
	dir, err := runtimeDir()
	if err != nil {
		return nil, config(hint, "directory for the locks of running commands: %v", err)
	}
	sum := sha256.Sum256([]byte(store + "\x00" + path + "\x00" + holder))
	name := filepath.Join(dir, hex.EncodeToString(sum[:16])+".lock") // never removed: another process may have it open
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, config(hint, "lock of running commands: %v", err)
	}
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		l := &overlapLock{file: file}
		l.setPid(os.Getpid())
		return l, nil
	}
	defer file.Close()
	if !errors.Is(err, unix.EWOULDBLOCK) {
		return nil, config(hint, "lock %s: %v", name, err)
	}
	text, _ := io.ReadAll(io.LimitReader(file, 32)) // only for the message
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return nil, &overlapError{path: path, holder: holder, pid: pid}
}

// setPid writes the pid for the message of an overlapError.
func (l *overlapLock) setPid(pid int) {
	if l != nil {
		// A fixed length, so that no reader sees a part of another pid.
		_, _ = l.file.WriteAt(fmt.Appendf(nil, "%-11d\n", pid), 0)
	}
}

// inherit lets the next child inherit the lock under the same descriptor number:
// another number could be one that COMMAND uses.
func (l *overlapLock) inherit() error {
	if l == nil {
		return nil
	}
	_, err := unix.FcntlInt(l.file.Fd(), unix.F_SETFD, 0)
	return err
}

// close leaves the lock to the processes that have inherited it.
func (l *overlapLock) close() {
	if l != nil {
		l.file.Close()
	}
}

// runtimeVariable names another directory for locks: a service with a /tmp of
// its own does not see the locks of cron's jobs.
const runtimeVariable = "LEASEHOLD_RUNTIME_DIR"

// runtimeDir returns the directory for locks, and makes it if it is missing. It is
// the same for all processes of one user, so it does not depend on TMPDIR and
// XDG_RUNTIME_DIR, which differ between cron and a login. Only this user may write
// to it: others could lock or redirect the files.
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

// owner returns the user that dir belongs to, -1 if that can't be found out.
func owner(dir string) int {
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return -1
	}
	return int(st.Uid)
}
