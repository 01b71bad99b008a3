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
	return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: bytes, Max: bytes})
}
