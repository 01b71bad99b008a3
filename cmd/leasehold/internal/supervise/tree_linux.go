package supervise

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A processID names one process. Another may get the pid one day, but not with
// the same time of its start.
type processID struct {
	pid   int
	start string
}

// A processInfo is what /proc shows of a process.
type processInfo struct {
	processID
	parent, group int
	ended         bool
}

// readProcess returns the zero value if there is no such process.
func readProcess(pid string) processInfo {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return processInfo{}
	}
	// proc(5): the name, in brackets, may hold anything; then come the state,
	// the parent and the group, as the 18th the number of threads, and as the
	// 20th the start.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 20 {
		return processInfo{}
	}
	number := func(i int) int {
		n, _ := strconv.Atoi(string(fields[i]))
		return n
	}
	f := processInfo{parent: number(1), group: number(2)}
	f.pid, _ = strconv.Atoi(pid)
	f.start = string(fields[19])
	// An orphan that nobody has waited for yet has ended all the same; how long
	// it stays depends on the system's init. A zombie with more than one thread
	// is a process that lives on without its first.
	f.ended = bytes.ContainsAny(fields[0], "ZX") && number(17) <= 1
	return f
}

// readProcesses returns nil if they can't be read.
func readProcesses() (all []processInfo) {
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		if name := entry.Name(); name[0] >= '1' && name[0] <= '9' {
			if f := readProcess(name); f.pid != 0 {
				all = append(all, f)
			}
		}
	}
	return all
}

func identify(pid int) processID {
	p := readProcess(strconv.Itoa(pid)).processID
	p.pid = pid
	return p
}

// scan reports whether the group lives, in doubt true, and which processes of the
// command live outside of the group.
func (t *processTree) scan() (groupLives bool, outside []processID) {
	group := t.leader.pid
	err := unix.Kill(-group, 0)
	groupLives = err == unix.EPERM // some may be hidden from us
	all := readProcesses()
	if all == nil {
		return true, nil
	}
	ours := t.descendants(all)
	known := map[processID]bool{}
	for _, f := range all {
		switch {
		case f.pid == group && f.processID != t.leader && t.leader.start != "":
			return false, nil // all have ended: else this one could not have the pid
		case f.ended || t.ignore != nil && t.ignore(f.pid):
		case f.group == group:
			groupLives = true
			known[f.processID] = true
		case ours[f.pid]:
			outside = append(outside, f.processID)
			known[f.processID] = true
		}
	}
	t.known = known
	return groupLives, outside
}

// pids returns the processes in the group and outside of it.
func (t *processTree) pids() (pids []int) {
	t.scan()
	for p := range t.known {
		pids = append(pids, p.pid)
	}
	slices.Sort(pids)
	return pids
}

// hasNoRest reports whether all but the leader have certainly ended, which costs
// less than a scan: what is left would be a child of the root, by now or by one of
// its parents.
func (t *processTree) hasNoRest() bool {
	for _, root := range t.roots() {
		children := childrenOf(root)
		if len(children) == 0 { // the leader is one, unless it was waited for, or the kernel lists none
			return false
		}
		for _, pid := range children {
			if p := readProcess(pid); p.pid != t.leader.pid && p.pid != 0 && !p.ended {
				return false
			}
		}
	}
	return true
}

// descendants returns the pids of what descends from the roots, or from what
// did so before.
func (t *processTree) descendants(all []processInfo) map[int]bool {
	search := t.roots()
	found := map[int]bool{}
	children := map[int][]int{}
	for _, f := range all {
		children[f.parent] = append(children[f.parent], f.pid)
		if t.known[f.processID] {
			found[f.pid] = true
			search = append(search, f.pid)
		}
	}
	for len(search) > 0 {
		next := children[search[0]]
		search = search[1:]
		for _, pid := range next {
			if !found[pid] {
				found[pid] = true
				search = append(search, pid)
			}
		}
	}
	return found
}

// hasEnded reports whether p has, though it may be a zombie still.
func (p processID) hasEnded() bool {
	now := readProcess(strconv.Itoa(p.pid))
	return now.processID != p || now.ended
}

// signal sends sig to p, and never to another process that has its pid by now.
func (p processID) signal(sig unix.Signal) {
	fd, err := unix.PidfdOpen(p.pid, 0)
	if err == nil {
		defer unix.Close(fd)
	}
	if identify(p.pid) != p {
		return
	}
	if err != nil { // before Linux 5.3, or forbidden
		_ = unix.Kill(p.pid, sig)
		return
	}
	_ = unix.PidfdSendSignal(fd, sig, nil, 0)
}

// killChildren kills the children of the roots, each as soon as it is seen. A
// process that lives for less time than a scan takes, and has a child when it
// ends, is gone when the scan is over, and its child is not in it.
func (t *processTree) killChildren() {
	for range 10 { // a killed process takes a moment to end
		found := false
		for _, root := range t.roots() {
			for _, pid := range childrenOf(root) {
				if p := readProcess(pid); p.pid != 0 && !p.ended && (t.ignore == nil || !t.ignore(p.pid)) {
					p.signal(unix.SIGKILL)
					found = true
				}
			}
		}
		if !found {
			return
		}
	}
}

// childrenOf returns nil where the kernel does not list children.
func childrenOf(pid int) (pids []string) {
	lists, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/children")
	for _, list := range lists {
		text, _ := os.ReadFile(list)
		pids = append(pids, strings.Fields(string(text))...)
	}
	return pids
}
