package main

import (
	"bytes"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// attributes put COMMAND in a process group of its own. Should leasehold be
// killed by SIGKILL, nobody would renew the lease: then COMMAND gets SIGTERM.
// The kernel sends that at the end of the thread that forked, so this has to be
// locked to its goroutine for as long as COMMAND runs.
func attributes() *unix.SysProcAttr {
	return &unix.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGTERM}
}

// groupLives reports whether a process of the group has not ended, in doubt
// true. An orphan that nobody has waited for yet has ended all the same; how
// long it stays depends on the system's init.
func groupLives(group int) bool {
	switch unix.Kill(-group, 0) {
	case unix.ESRCH:
		return false
	case unix.EPERM: // we may not be able to see them all
		return true
	}
	processes, err := os.ReadDir("/proc")
	if err != nil {
		return true
	}
	for _, p := range processes {
		if _, err := strconv.Atoi(p.Name()); err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + p.Name() + "/stat")
		if err != nil {
			continue // it is gone
		}
		// proc(5): the name, in brackets, may hold anything; then come the
		// state, the parent and the group.
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		if len(fields) < 3 {
			return true
		}
		if string(fields[2]) == strconv.Itoa(group) && !bytes.ContainsAny(fields[0], "ZX") {
			return true
		}
	}
	return false
}
