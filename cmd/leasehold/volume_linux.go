package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// volumeOf returns where file is. It is an ordinary disk if that is not known.
func volumeOf(file *os.File) volume {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(file.Fd()), &st); err != nil {
		return volume{}
	}
	return volume{
		readOnly: st.Flags&unix.ST_RDONLY != 0,
		inMemory: st.Type == unix.TMPFS_MAGIC || st.Type == unix.RAMFS_MAGIC,
	}
}
