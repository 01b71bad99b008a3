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
	kind := uint32(st.Type) // signed or not, and 32 or 64 bits, as the CPU has it
	return volume{
		readOnly: st.Flags&unix.ST_RDONLY != 0,
		inMemory: kind == unix.TMPFS_MAGIC || kind == unix.RAMFS_MAGIC,
	}
}
