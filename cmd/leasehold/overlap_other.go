//go:build !linux

package main

import (
	"errors"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const lockHint = "set " + runtimeVariable + " to a directory of this user alone, or skip the check: "

// lockName locks a file. Runs of other users are not seen.
func lockName(name string) (*os.File, error) {
	dir, err := runtimeDir()
	if err != nil {
		return nil, err
	}
	return lockFile(dir, name)
}

// runtimeDir returns the directory for locks. It is the same for all processes of
// one user, whatever cron and a login have in their environments; others can't
// make it first, and nothing cleans up there, which would free the locks.
func runtimeDir() (string, error) {
	if dir := os.Getenv(runtimeVariable); dir != "" {
		return filepath.Clean(dir), nil
	}
	uid := os.Geteuid()
	if uid == 0 {
		return "/var/run/leasehold", nil
	}
	u, err := user.LookupId(strconv.Itoa(uid))
	if err != nil {
		return "", err
	}
	return filepath.Join(u.HomeDir, ".leasehold"), nil
}

func whoLocked(file *os.File) *overlapError {
	pid := notedPid(file)
	if pid > 0 && errors.Is(unix.Kill(pid, 0), unix.ESRCH) {
		return &overlapError{left: []int{}}
	}
	return &overlapError{pid: pid}
}

// notedPid returns the pid that notePid wrote, 0 if none.
func notedPid(file *os.File) int {
	text, _ := io.ReadAll(io.LimitReader(file, 32))
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return pid
}
