package main

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// Where Go's runtime gets no memory or no thread, it ends the program with a text
// of its own and code 2, which nothing can catch. So what it may still need is tried
// first, where a limit is set.
const (
	spareMemory    = 192 << 20 // address space: Go reserves 64 MB at a time, and a thread has a stack
	spareProcesses = 20        // threads of this process and of the watchdog, and COMMAND
	manyProcesses  = 4096      // a limit from which on it is not tried
)

// checkLimits returns a failure if ulimit -v or -u leaves too little.
func checkLimits() error {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_AS, &limit) == nil && limit.Cur != unix.RLIM_INFINITY {
		// Nothing is read or written there, so it takes no memory.
		p, err := unix.MmapPtr(-1, 0, nil, spareMemory, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
		if err != nil {
			return tooLow("address space", "-v", limit.Cur>>10, fmt.Sprintf("%d MB more", spareMemory>>20))
		}
		_ = unix.MunmapPtr(p, spareMemory)
	}
	if unix.Getrlimit(unix.RLIMIT_NPROC, &limit) == nil && limit.Cur < manyProcesses && !canFork(spareProcesses) {
		return tooLow("processes and threads of this user", "-u", limit.Cur, fmt.Sprintf("%d more", spareProcesses))
	}
	return nil
}

func tooLow(what, option string, limit uint64, needs string) error {
	return &failure{
		code:    exitInternal,
		message: fmt.Sprintf("the limit on the %s is too low: ulimit %s is %d, and leasehold needs %s", what, option, limit, needs),
		hint:    "raise it (ulimit, limits.conf, or LimitAS and LimitNPROC of the unit), or set it for COMMAND alone: -- sh -c 'ulimit … && exec …'",
	}
}

// canFork reports whether n processes can be made. Those that have ended count
// until they are waited for, so they need do nothing.
func canFork(n int) bool {
	pids := make([]int, 0, n)
	for range n {
		pid := forkAndExit()
		if pid < 0 {
			break
		}
		pids = append(pids, pid)
	}
	for _, pid := range pids {
		for {
			if _, err := unix.Wait4(pid, nil, 0, nil); err != unix.EINTR {
				break
			}
		}
	}
	return len(pids) == n
}

// forkAndExit makes a process that ends at once, and returns its pid, -1 for none.
// The new process has one thread, so it must not enter Go's runtime.
//
//go:norace
//go:nosplit
func forkAndExit() int {
	pid, _, err := syscall.RawSyscall6(syscall.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
	if err != 0 {
		return -1
	}
	if pid == 0 {
		for {
			syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 0, 0, 0)
		}
	}
	return int(pid)
}
