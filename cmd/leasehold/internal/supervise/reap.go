package supervise

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// reap waits for the watchdog. Should that be killed, COMMAND is leasehold's
// child from then on, and so are the orphans. As PID 1, in a container,
// leasehold gets every orphan for a child, and waits for them all, also after
// COMMAND's end, as long as there are any.
func (j *job) reap() {
	child := j.guards.current().pid
	if os.Getpid() == 1 {
		child = -1
	}
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(child, &status, unix.WUNTRACED, nil)
		guard := j.guards.find(pid)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil: // no child is left
			return
		case guard != nil && status.Stopped(): // it is to be awake when leasehold is stopped
			_ = unix.Kill(pid, unix.SIGCONT)
		case guard != nil:
			j.guards.lost(guard, status)
			switch {
			case j.hasEnded():
			case passesOn:
				child = -1
				go j.guards.replace(j.pid, j.hear)
			default: // nobody will tell how COMMAND ends
				j.signal(unix.SIGKILL)
				j.end(unix.WaitStatus(unix.SIGKILL))
			}
			if child > 0 {
				return
			}
		case pid != j.pid: // an orphan
		case status.Stopped():
			j.tell(status.StopSignal())
		default:
			j.end(status)
		}
	}
}
