package supervise

import (
	"errors"
	"maps"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// adoptOrphans makes this process the parent of any descendant that loses its
// own parent. Before Linux 3.4 they go to PID 1.
func adoptOrphans() { _ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }

// hasSubreapers: when a process ends, its children become those of the nearest
// subreaper above it.
const hasSubreapers = true

// duplicate makes the descriptor to the same as from.
func duplicate(from, to int) error { return unix.Dup3(from, to, 0) }

// awaitChild returns when the child pid has ended, and reaps all others until
// then. It leaves the child itself a zombie: as long as it is one, its pid,
// which is its group's too, does not become another's.
func awaitChild(pid int, stopped func(by unix.Signal)) unix.WaitStatus {
	for {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WSTOPPED|unix.WNOWAIT, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil { // no child is left: it was not left to us
			return 0
		}
		who, status := childOf(&info)
		switch {
		case who != pid:
			var ignored unix.WaitStatus
			_, _ = unix.Wait4(who, &ignored, unix.WUNTRACED|unix.WNOHANG, nil)
		case status.Stopped():
			_ = unix.Waitid(unix.P_PID, pid, nil, unix.WSTOPPED|unix.WNOHANG, nil)
			stopped(status.StopSignal())
		default:
			return status
		}
	}
}

// childOf reads the fields of waitid(2) that the unix package does not export.
func childOf(info *unix.Siginfo) (pid int, status unix.WaitStatus) {
	child := (*struct {
		_      [3]int32 // as Siginfo has them
		fields struct {
			_      [0]uintptr // the union's alignment
			pid    int32
			_      uint32
			status int32
		}
	})(unsafe.Pointer(info))
	const ( // si_code in sigaction(2)
		exited  = 1
		dumped  = 3
		stopped = 5
	)
	code := child.fields.status
	switch info.Code {
	case exited:
		code = code << 8
	case dumped:
		code |= 0x80
	case stopped:
		code = code<<8 | 0x7f
	}
	return int(child.fields.pid), unix.WaitStatus(code)
}

// childless reaps the children that have ended, and reports whether there are
// none, and so no descendants either.
func childless() bool {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return true
		case pid == 0:
			return false
		}
	}
}

// executable returns this program's own file, also if another has its name by now.
func executable() (string, error) { return "/proc/self/exe", nil }

// nameSelf sets the name that ps and pkill show of this process. Without it that
// would be the name of the link, exe.
func nameSelf(name string) { _ = os.WriteFile("/proc/self/comm", []byte(name), 0) }

// children returns this process's children.
func children() map[processID]bool {
	all, self := map[processID]bool{}, os.Getpid()
	for _, f := range readProcesses() {
		if f.parent == self {
			all[f.processID] = true
		}
	}
	return all
}

// killNewChildren kills and reaps the children of this process, and what becomes its
// child by that, except those in before.
func killNewChildren(before map[processID]bool) {
	for begun := time.Now(); time.Since(begun) < killTime; time.Sleep(pollInterval) {
		left := children()
		maps.DeleteFunc(left, func(p processID, _ bool) bool { return before[p] })
		if len(left) == 0 {
			return
		}
		for p := range left {
			p.signal(unix.SIGKILL)
			_, _ = unix.Wait4(p.pid, nil, unix.WNOHANG, nil)
		}
	}
}
