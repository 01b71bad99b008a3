package supervise

import (
	"io/fs"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// A terminal is the controlling terminal, if there is one.
type terminal struct {
	file  *os.File // nil: there is none
	group int      // leasehold's process group
	given bool     // the foreground group is COMMAND's, by our doing

	// wantedByJob is set where COMMAND is to have the terminal from the start.
	// Else it gets it when it is stopped for the want of it.
	wantedByJob bool
}

func openTerminal(stdin, stdout *os.File) *terminal {
	t := &terminal{group: unix.Getpgrp()}
	var err error
	if t.file, err = openTTY(); err != nil {
		return t
	}
	// In "leasehold run … | less" it is less that has to have it.
	fi, err := stdout.Stat()
	isPipe := err == nil && fi.Mode()&fs.ModeNamedPipe != 0
	t.wantedByJob = t.isOurs() && isControlling(stdin) && !isPipe
	return t
}

func openTTY() (*os.File, error) { return os.OpenFile("/dev/tty", os.O_RDWR, 0) }

// isControlling reports whether f is the controlling terminal: of no other
// would the kernel tell the foreground group.
func isControlling(f *os.File) bool {
	_, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCGPGRP)
	return err == nil
}

// isOurs reports whether leasehold's group is in the foreground.
func (t *terminal) isOurs() bool {
	if t.file == nil {
		return false
	}
	group, err := unix.IoctlGetInt(int(t.file.Fd()), unix.TIOCGPGRP)
	return err == nil && group == t.group
}

// give puts COMMAND's group in the foreground.
func (t *terminal) give(group int) {
	t.giving()
	t.given = unix.IoctlSetPointerInt(int(t.file.Fd()), unix.TIOCSPGRP, group) == nil
}

// giving tells that COMMAND's group gets to the foreground, here or by the
// watchdog. From then on leasehold is in the background, where it would be
// stopped for taking the terminal back and, at some terminals, for a message.
func (t *terminal) giving() {
	signal.Ignore(unix.SIGTTOU)
	t.given = true
}

// takeBack puts leasehold's group in the foreground if COMMAND's was put there.
func (t *terminal) takeBack() {
	if t.given {
		_ = unix.IoctlSetPointerInt(int(t.file.Fd()), unix.TIOCSPGRP, t.group) // without a terminal by now, there is nothing to do
		t.given = false
	}
}
