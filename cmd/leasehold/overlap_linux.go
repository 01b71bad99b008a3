package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"leasehold.example/leasehold/cmd/leasehold/internal/supervise"
)

const lockHint = "let the service have Unix sockets (RestrictAddressFamilies=AF_UNIX), or set " + runtimeVariable + " to a directory of this user alone, or skip the check: "

// lockName locks the name for this host.
func lockName(name string) (*os.File, error) {
	if dir := os.Getenv(runtimeVariable); dir != "" {
		return lockFile(filepath.Clean(dir), name)
	}
	// Of the kinds of sockets this one needs nobody to listen, and nobody can make
	// it hold more than a few datagrams.
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make a Unix socket: %w", err)
	}
	socket := os.NewFile(uintptr(fd), "lock")
	name = "@leasehold/" + name // "@" is how Linux shows the zero byte of a name that is in no file system
	for last := false; ; last = true {
		err = unix.Bind(fd, &unix.SockaddrUnix{Name: name})
		if err == nil {
			_ = unix.Shutdown(fd, unix.SHUT_RD) // nobody can send it anything
			return socket, nil
		}
		if !errors.Is(err, unix.EADDRINUSE) {
			socket.Close()
			return nil, fmt.Errorf("name a Unix socket: %w", err)
		}
		// Where nobody is seen it may be somebody who has just ended.
		if who := whoHas("socket:[" + socketInode(name) + "]"); last || who.pid > 0 || who.left != nil {
			socket.Close()
			return nil, who
		}
	}
}

// socketInode returns the inode number of the socket with that name, "" if it
// can't be found out.
func socketInode(name string) string {
	all, _ := os.ReadFile("/proc/net/unix")
	for line := range strings.Lines(string(all)) {
		// Num RefCount Protocol Flags Type St Inode Path
		if fields := strings.Fields(line); len(fields) == 8 && fields[7] == name {
			return fields[6]
		}
	}
	return ""
}

func whoLocked(file *os.File) *overlapError {
	return whoHas(file.Name())
}

// whoHas returns an error that names the processes that have open what /proc shows
// as link. Those of other users, and in other containers, can't be seen.
func whoHas(link string) *overlapError {
	type process struct{ pid, parent int }
	var rest []process
	runs := map[int]bool{} // leasehold and its watchdog
	outside := false       // a parent is in a pid namespace that can't be seen
	self := processName("self")
	stats, _ := filepath.Glob("/proc/[0-9]*/fd")
	for _, fds := range stats {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(fds)))
		if pid == os.Getpid() || !hasOpen(fds, link) {
			continue
		}
		switch processName(strconv.Itoa(pid)) {
		case supervise.WatchdogName, self:
			runs[pid] = true
		default:
			parent := parentOf(pid)
			rest = append(rest, process{pid, parent})
			outside = outside || parent == 0
			if processName(strconv.Itoa(parent)) == supervise.WatchdogName { // of another user
				runs[parent] = true
			}
		}
	}
	e := &overlapError{}
	for pid := range runs {
		if e.pid == 0 || pid < e.pid {
			e.pid = pid
		}
	}
	if i := slices.IndexFunc(rest, func(p process) bool { return runs[p.parent] }); i >= 0 { // COMMAND
		e.pid = rest[i].pid
	}
	if len(runs) == 0 && !outside {
		for _, p := range rest {
			e.left = append(e.left, p.pid)
		}
	}
	return e
}

func hasOpen(fds, link string) bool {
	entries, _ := os.ReadDir(fds)
	return slices.ContainsFunc(entries, func(fd os.DirEntry) bool {
		to, err := os.Readlink(filepath.Join(fds, fd.Name()))
		return err == nil && to == link
	})
}

func processName(pid string) string {
	name, _ := os.ReadFile("/proc/" + pid + "/comm")
	return strings.TrimSpace(string(name))
}

func parentOf(pid int) int {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:]); len(fields) > 1 { // the state, the parent
		parent, _ := strconv.Atoi(string(fields[1]))
		return parent
	}
	return 0
}
