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

// seesRuns: runningJobs finds what runs on this host.
const seesRuns = true

// jobFile is the name of the file in memory that a run keeps open while it has its
// lease, and by which others find it. It needs no directory that can be written, and
// is gone with the process, however that ends.
const jobFile = "leasehold-run"

// publish shows j to who drains this host, until the file is closed.
func (j job) publish() (*os.File, error) {
	text, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	fd, err := unix.MemfdCreate(jobFile, unix.MFD_CLOEXEC|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3
		fd, err = unix.MemfdCreate(jobFile, unix.MFD_CLOEXEC)
	}
	if err != nil {
		return nil, fmt.Errorf("make a file in memory: %w", err)
	}
	file := os.NewFile(uintptr(fd), jobFile)
	if _, err := file.Write(text); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// runningJobs returns the runs that have their leases: for root those of all users,
// else those of this one. Where LEASEHOLD_STATE_DIR names a host of its own they are
// those with the same.
func runningJobs() ([]job, error) {
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil || len(processes) == 0 {
		return nil, &failure{code: exitConfig, message: "can't see what runs on this host: /proc shows no process"}
	}
	var jobs []job
	self := processName("self")
	for _, process := range processes {
		pid, _ := strconv.Atoi(filepath.Base(process))
		if pid == os.Getpid() {
			continue
		}
		fds, err := os.ReadDir(process + "/fd")
		if errors.Is(err, fs.ErrPermission) && os.Geteuid() == 0 && processName(strconv.Itoa(pid)) == self {
			// Root without CAP_SYS_PTRACE, in a container: better one too many.
			jobs = append(jobs, job{Path: "?", PID: pid, file: process})
		}
		for _, fd := range fds {
			if j, ok := readJob(filepath.Join(process, "fd", fd.Name())); ok {
				j.PID = pid
				jobs = append(jobs, j)
			}
		}
	}
	jobs = slices.DeleteFunc(jobs, func(j job) bool {
		own := os.Getenv(stateVariable)
		return own != "" && j.StateDirs != nil && !slices.Contains(j.StateDirs, filepath.Clean(own))
	})
	for i := range jobs {
		j := &jobs[i]
		j.info, _ = os.Stat(j.file)
		j.User, j.StateDirs = ownerName(fmt.Sprintf("/proc/%d", j.PID)), nil
	}
	slices.SortFunc(jobs, func(a, b job) int { return a.Since.Compare(b.Since) })
	sameRun := func(a, b job) bool { return os.SameFile(a.info, b.info) } // between fork and exec
	return slices.CompactFunc(jobs, sameRun), nil
}

// readJob returns what a run has published as a descriptor in /proc. Any user can
// make such a file, of whatever it is.
func readJob(fd string) (job, bool) {
	if to, err := os.Readlink(fd); err != nil || !strings.HasPrefix(to, "/memfd:"+jobFile+" ") {
		return job{}, false
	}
	file, err := os.OpenFile(fd, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return job{}, false
	}
	defer file.Close()
	if fi, err := file.Stat(); err != nil || !fi.Mode().IsRegular() {
		return job{}, false
	}
	j := job{file: fd}
	err = json.NewDecoder(io.LimitReader(file, 1<<20)).Decode(&j)
	return j, err == nil && j.Path != "" && len(j.StateDirs) > 0 // else it is not written yet, and will see the drain
}

// goesOn reports whether the run still has its lease.
func (j job) goesOn() bool {
	now, err := os.Stat(j.file)
	return err == nil && j.info != nil && os.SameFile(now, j.info)
}

// ownerName returns the name of the user whose process it is.
func ownerName(process string) string {
	uid := strconv.Itoa(owner(process))
	if u, err := user.LookupId(uid); err == nil {
		return u.Username
	}
	return uid
}
