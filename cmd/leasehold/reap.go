package main

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// reap waits for COMMAND. As PID 1, in a container, leasehold gets every
// orphan for a child, and waits for them all, also after COMMAND's end, as long
// as there are any.
func (j *job) reap() {
	child := j.pid
	if os.Getpid() == 1 {
		child = -1
	}
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(child, &status, unix.WUNTRACED, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil: // no child is left
			return
		case pid != j.pid: // an orphan
		case status.Stopped():
			select {
			case j.stopped <- status.StopSignal():
			default: // one is enough
			}
		default:
			j.status = status
			close(j.ended)
			if child == j.pid {
				return
			}
		}
	}
}
