package localdir

import (
	"os"

	"golang.org/x/sys/unix"
)

// fileSystem returns the name of the network file system that f is on, "" if
// it is on a local one.
func fileSystem(f *os.File) (string, error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return "", err
	}
	var st unix.Statfs_t
	var statErr error
	if err := conn.Control(func(fd uintptr) { statErr = unix.Fstatfs(int(fd), &st) }); err != nil {
		return "", err
	}
	if statErr != nil || st.Flags&unix.MNT_LOCAL != 0 {
		return "", statErr
	}
	return unix.ByteSliceToString(st.Fstypename[:]), nil
}
