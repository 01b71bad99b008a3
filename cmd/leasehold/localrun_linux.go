package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// seesRuns: localRuns finds what runs on this host.
const seesRuns = true

// runFile is the name of the file in memory that a run keeps open while it has its
// lease, and by which others find it. It needs no directory that can be written, and
// is gone with the process, however that ends.
const runFile = "leasehold-run"

// publish shows r to who drains this host, until the file is closed.
func (r localRun) publish() (*os.File, error) {
	content, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	fd, err := unix.MemfdCreate(runFile, unix.MFD_CLOEXEC|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3
		fd, err = unix.MemfdCreate(runFile, unix.MFD_CLOEXEC)
	}
	if err != nil {
		return nil, fmt.Errorf("make a file in memory: %w", err)
	}
	file := os.NewFile(uintptr(fd), runFile)
	if _, err := file.Write(content); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// localRuns returns the runs that have their leases: for root those of all users,
// else those of this one. Where LEASEHOLD_STATE_DIR names a host of its own they are
// those with the same.
func localRuns() ([]localRun, error) {
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err == nil && dumpable == 0 && os.Geteuid() != 0 { // so are the runs, and the kernel hides what they have open
		return nil, config("chmod a+r its file", "can't see what runs on this host: this user may execute leasehold and not read it")
	}
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil || len(processes) == 0 {
		return nil, config("", "can't see what runs on this host: /proc shows no process")
	}
	var runs []localRun
	self := processName("self")
	for _, process := range processes {
		pid, _ := strconv.Atoi(filepath.Base(process))
		if pid == os.Getpid() {
			continue
		}
		fds, err := os.ReadDir(process + "/fd")
		refused := errors.Is(err, fs.ErrPermission)
		for _, entry := range fds {
			fd := filepath.Join(process, "fd", entry.Name())
			to, err := os.Readlink(fd)
			refused = refused || errors.Is(err, fs.ErrPermission)
			if !strings.HasPrefix(to, "/memfd:"+runFile+" ") {
				continue
			}
			if r, ok := readRun(fd); ok {
				r.PID = pid
				runs = append(runs, r)
			}
		}
		if refused && os.Geteuid() == 0 && processName(strconv.Itoa(pid)) == self {
			// Root without CAP_SYS_PTRACE, as in a container: better one too many.
			runs = append(runs, localRun{Path: "?", PID: pid, file: process})
		}
	}
	for i := range runs {
		r := &runs[i]
		r.info, _ = os.Stat(r.file)
		r.User = ownerName(fmt.Sprintf("/proc/%d", r.PID))
	}
	runs = slices.DeleteFunc(runs, func(r localRun) bool { return r.info == nil }) // ended meanwhile
	slices.SortFunc(runs, func(a, b localRun) int { return a.Since.Compare(b.Since) })
	sameRun := func(a, b localRun) bool { return os.SameFile(a.info, b.info) } // a child before its exec
	return slices.CompactFunc(runs, sameRun), nil
}

// readRun returns what a run of this host has published as a descriptor in /proc. Any
// user can make such a file, of whatever it is.
func readRun(fd string) (localRun, bool) {
	file, err := os.OpenFile(fd, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return localRun{}, false
	}
	defer file.Close()
	if fi, err := file.Stat(); err != nil || !fi.Mode().IsRegular() {
		return localRun{}, false
	}
	r := localRun{file: fd}
	err = json.NewDecoder(io.LimitReader(file, 1<<20)).Decode(&r)
	if err != nil || r.Path == "" { // it is not written yet, and will see the drain
		return localRun{}, false
	}
	own := os.Getenv(stateVariable)
	isHere := own == "" || slices.ContainsFunc(r.StateDirs, func(dir string) bool { return isSameDir(dir, own) })
	r.StateDirs = nil
	return r, isHere
}

// isSameDir goes by the directory, not by its name: /var/run may be /run.
func isSameDir(a, b string) bool {
	if filepath.Clean(a) == filepath.Clean(b) { // it need not be there
		return true
	}
	one, err := os.Stat(a)
	other, otherErr := os.Stat(b)
	return err == nil && otherErr == nil && os.SameFile(one, other)
}

// goesOn reports whether the run still has its lease.
func (r localRun) goesOn() bool {
	now, err := os.Stat(r.file)
	return err == nil && os.SameFile(now, r.info)
}

// ownerName returns the name of the user whose process it is.
func ownerName(process string) string {
	uid := strconv.Itoa(owner(process))
	if u, err := user.LookupId(uid); err == nil {
		return u.Username
	}
	return uid
}
