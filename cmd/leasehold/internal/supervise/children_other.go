//go:build !linux

package supervise

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Only Linux lets a process adopt orphans. Elsewhere only the command's process
// group is known.

func adoptOrphans() {}

const hasSubreapers = false

// duplicate makes the descriptor to the same as from.
func duplicate(from, to int) error { return unix.Dup2(from, to) }

// awaitChild returns when the child pid has ended.
func awaitChild(pid int, stopped func(by unix.Signal)) unix.WaitStatus {
	for {
		var status unix.WaitStatus
		_, err := unix.Wait4(pid, &status, unix.WUNTRACED, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil || !status.Stopped():
			return status
		default:
			stopped(status.StopSignal())
		}
	}
}

// childless has nothing to add to what is known of the group.
func childless() bool { return true }

type processID struct{ pid int }

func identify(pid int) processID { return processID{pid} }

func (p processID) signal(sig unix.Signal) { _ = unix.Kill(p.pid, sig) }

func (p processID) hasEnded() bool { return unix.Kill(p.pid, 0) == unix.ESRCH }

// scan reports whether there is a process in the group.
func (t *processTree) scan() (groupLives bool, outside []processID) {
	return unix.Kill(-t.leader.pid, 0) != unix.ESRCH, nil
}

func (t *processTree) killChildren() {}

func (t *processTree) pids() []int {
	if t.groupLives() {
		return []int{t.leader.pid}
	}
	return nil
}

func (t *processTree) hasNoRest() bool { return false }

// executable returns this program's own file.
func executable() (string, error) { return os.Executable() }

func nameSelf(string) {}

func children() map[processID]bool { return nil }

func killNewChildren(map[processID]bool) {}
