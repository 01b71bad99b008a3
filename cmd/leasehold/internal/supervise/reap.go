package supervise

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// reap waits for the watchdog. If the watchdog is killed, the command is this
// process's child from then on, and so are the orphans. As PID 1, in a
// container, this process gets every orphan for a child, and waits for them all,
// also after the command's end, as long as there are any.
func (c *Child) reap() {
	child := c.watchdogs.current().pid
	if os.Getpid() == 1 {
		child = -1
	}
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(child, &status, unix.WUNTRACED, nil)
		w := c.watchdogs.find(pid)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil: // no child is left
			return
		case w != nil && status.Stopped(): // a watchdog must not stay stopped
			_ = unix.Kill(pid, unix.SIGCONT)
		case w != nil:
			c.watchdogs.noteExit(w, status)
			switch {
			case c.hasEnded():
			case hasSubreapers:
				child = -1
				go c.watchdogs.replace(c.pid)
			default: // nobody can report how the command ends
				c.tree.signalGroup(unix.SIGKILL)
				c.setEnded(unix.WaitStatus(unix.SIGKILL))
			}
			if child > 0 {
				return
			}
		case pid != c.pid: // an orphan
		case status.Stopped():
			c.noteStopped(status.StopSignal())
		default:
			c.setEnded(status)
		}
	}
}
