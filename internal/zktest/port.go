package zktest

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"
)

// ReservePort returns a loopback address whose port is the test's own until it
// ends. Nobody listens on it yet, so that connections are refused.
func ReservePort(t testing.TB) string {
	t.Helper()
	addr, release, err := reservePort()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return addr
}

// reservePort binds a port without listening. A listener that allows the reuse
// of addresses, as those of Go and of Java's ZooKeeper do, may bind it as well,
// again and again. Nobody else gets it, since the kernel gives out only ports
// that are not bound.
func reservePort() (addr string, release func(), err error) {
	syscall.ForkLock.RLock()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return "", nil, os.NewSyscallError("socket", err)
	}
	release = func() { syscall.Close(fd) }
	err = errors.Join(
		os.NewSyscallError("setsockopt", syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)),
		os.NewSyscallError("bind", syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})),
	)
	bound, nameErr := syscall.Getsockname(fd)
	if err = errors.Join(err, os.NewSyscallError("getsockname", nameErr)); err != nil {
		release()
		return "", nil, fmt.Errorf("reserve a port: %w", err)
	}
	return fmt.Sprintf("127.0.0.1:%d", bound.(*syscall.SockaddrInet4).Port), release, nil
}
