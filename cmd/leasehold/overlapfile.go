package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// runtimeVariable names a directory for locks in files: containers of one host
// that share it see each other's runs.
const runtimeVariable = "LEASEHOLD_RUNTIME_DIR"

// lockFile locks a file in dir.
func lockFile(dir, name string) (*os.File, error) {
	if err := checkRuntimeDir(dir); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, name+".lock") // never removed: another process may have it open
	for {
		file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
		if err != nil {
			return nil, err
		}
		err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil && !isFile(file, path) {
			file.Close() // somebody removed it meanwhile, and another run may have made a new one
			continue
		}
		switch {
		case err == nil:
			notePid(file, os.Getpid())
			return file, nil
		case errors.Is(err, unix.EWOULDBLOCK):
			defer file.Close()
			return nil, whoLocked(file)
		}
		file.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
}

// isFile reports whether file is what has that path now.
func isFile(file *os.File, path string) bool {
	ours, err := file.Stat()
	if err != nil {
		return false
	}
	now, err := os.Lstat(path)
	return err == nil && os.SameFile(ours, now)
}

// notePid writes the pid for the message of an overlapError into a lock's file.
func notePid(file *os.File, pid int) {
	// A fixed length, so that no reader sees a part of another pid. A socket
	// refuses it.
	_, _ = file.WriteAt(fmt.Appendf(nil, "%-11d\n", pid), 0)
}

// checkRuntimeDir makes dir if it is missing. Only this user may write to it:
// others could lock or redirect the files.
func checkRuntimeDir(dir string) error {
	if !filepath.IsAbs(dir) {
		return fmt.Errorf("%s is %q, want an absolute path", runtimeVariable, dir)
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	fi, err := os.Lstat(dir)
	switch uid := os.Geteuid(); {
	case err != nil:
		return err
	case !fi.IsDir() || owner(dir) != uid:
		return fmt.Errorf("%s is not a directory of user %d", dir, uid)
	case fi.Mode()&0o022 != 0:
		return fmt.Errorf("%s can be written by others", dir)
	}
	return nil
}

// owner returns the user that dir belongs to, -1 if that can't be found out.
func owner(dir string) int {
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return -1
	}
	return int(st.Uid)
}
