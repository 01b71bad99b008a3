//go:build unix

package localdir_test

import (
	"os/signal"
	"syscall"
)

// limitFileSize makes writes fail beyond so many bytes, like those on a full
// disk.
func limitFileSize(bytes uint64) error {
	signal.Ignore(syscall.SIGXFSZ)
	var limit syscall.Rlimit
	set(&limit.Cur, bytes)
	set(&limit.Max, bytes)
	return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit)
}

// set is needed for FreeBSD, whose limits are signed.
func set[T int64 | uint64](to *T, bytes uint64) { *to = T(bytes) }
