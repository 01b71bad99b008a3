package localdir

import (
	"os"

	"golang.org/x/sys/unix"
)

// fileSystem returns the name of the network file system that f is on, "" if
// it is on none that is known.
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
	return networkFileSystem(uint32(st.Type)), statErr // signed or not, and 32 or 64 bits, as the CPU has it
}
