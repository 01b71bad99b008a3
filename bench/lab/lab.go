// Package lab runs what is measured: servers of ZooKeeper and etcd as they run
// by default, with every commit synced to a disk, and clients that need a
// process of their own. None outlives the program that started it.
package lab

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"leasehold.example/leasehold/internal/zktest/child"
)

// startLimit bounds the time until a server serves.
const startLimit = time.Minute

// freeAddrs returns n free loopback addresses, with ports below those that the
// kernel gives to outgoing connections.
func freeAddrs(n int) ([]string, error) {
	var addrs []string
	for range 1000 {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(20_000+rand.IntN(12_000)))
		l, err := net.Listen("tcp", addr)
		if err != nil {
			continue
		}
		defer l.Close() // only once all are found, so that they differ
		if addrs = append(addrs, addr); len(addrs) == n {
			return addrs, nil
		}
	}
	return nil, errors.New("no free port from 20000 to 31999")
}

// A server is one process of an ensemble.
type server struct {
	*child.Process
	log string
}

// start starts a server in the folder dir, which has its log too.
func start(dir string, cmd *exec.Cmd) (server, error) {
	s := server{log: filepath.Join(dir, "log")}
	log, err := os.Create(s.log)
	if err != nil {
		return s, err
	}
	defer log.Close()
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
	s.Process, err = child.Start(cmd)
	return s, err
}

// await returns when ready does not fail any more.
func (s server) await(ready func() error) error {
	for deadline := time.Now().Add(startLimit); ; {
		err := ready()
		if err == nil {
			return nil
		}
		select {
		case <-s.Done():
			err = fmt.Errorf("it ended: %w", s.Err())
		case <-time.After(20 * time.Millisecond):
			if time.Now().Before(deadline) {
				continue
			}
		}
		text, _ := os.ReadFile(s.log)
		return fmt.Errorf("a server does not serve: %w; its log:\n%s", err, text)
	}
}

// Monotonic returns the time of the monotonic clock, in nanoseconds, which is
// the same in all processes of a machine.
func Monotonic() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err) // there is always one
	}
	return t.Nano()
}

// CPU returns the processor time that this process has used.
func CPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // it can't fail for oneself
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// Each calls f for 0 to n-1, at most so many at once, and returns one of their
// errors.
func Each(n, atOnce int, f func(i int) error) error {
	var wait sync.WaitGroup
	failed := make(chan error, n)
	slots := make(chan struct{}, atOnce)
	for i := range n {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			if err := f(i); err != nil {
				failed <- err
			}
		})
	}
	wait.Wait()
	close(failed)
	return <-failed
}
