package localdir

import (
	"os"
	"strings"

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
	if statErr != nil {
		return "", statErr
	}
	name := unix.ByteSliceToString(st.Fstypename[:])
	if strings.Contains(name, "fuse") { // which may call itself local
		return "FUSE, which may be one", nil
	}
	if st.Flags&unix.MNT_LOCAL != 0 {
		return "", nil
	}
	return name, nil
}
