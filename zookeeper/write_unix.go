//go:build unix

package zookeeper

import (
	"errors"
	"syscall"
)

// writeNow writes as much of b as there is room for, without waiting.
func writeNow(conn syscall.RawConn, b []byte) (n int, err error) {
	closed := conn.Write(func(fd uintptr) bool {
		n, err = syscall.Write(int(fd), b)
		return true
	})
	if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR) {
		err = nil
	}
	return max(n, 0), errors.Join(closed, err)
}
