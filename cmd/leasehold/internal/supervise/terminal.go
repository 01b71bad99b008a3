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
	group int      // this process's group
	given bool     // the foreground group is the child's, and was made so here

	// wantedByChild is set where the child has the terminal from the start. Else
	// it gets the terminal when it is stopped for using it.
	wantedByChild bool
}

func openTerminal(stdin, stdout *os.File) *terminal {
	t := &terminal{group: unix.Getpgrp()}
	var err error
	if t.file, err = openTTY(); err != nil {
		return t
	}
	// In "leasehold run … | less" the terminal is for less.
	fi, err := stdout.Stat()
	isPipe := err == nil && fi.Mode()&fs.ModeNamedPipe != 0
	t.wantedByChild = t.isOurs() && isControlling(stdin) && !isPipe
	return t
}

func openTTY() (*os.File, error) { return os.OpenFile("/dev/tty", os.O_RDWR, 0) }

// isControlling reports whether f is the controlling terminal: the kernel tells
// the foreground group of no other.
func isControlling(f *os.File) bool {
	_, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCGPGRP)
	return err == nil
}

// isOurs reports whether this process's group is in the foreground.
func (t *terminal) isOurs() bool {
	if t.file == nil {
		return false
	}
	group, err := unix.IoctlGetInt(int(t.file.Fd()), unix.TIOCGPGRP)
	return err == nil && group == t.group
}

// give puts the child's group in the foreground.
func (t *terminal) give(group int) {
	t.setGiven()
	t.given = unix.IoctlSetPointerInt(int(t.file.Fd()), unix.TIOCSPGRP, group) == nil
}

// setGiven prepares for the child's group in the foreground, where this process
// or the watchdog puts it. From then on this process is in the background, and
// SIGTTOU would stop it for taking the terminal back and, at some terminals, for
// a message.
func (t *terminal) setGiven() {
	signal.Ignore(unix.SIGTTOU)
	t.given = true
}

// restore puts this process's group in the foreground if the child's was put
// there.
func (t *terminal) restore() {
	if t.given {
		_ = unix.IoctlSetPointerInt(int(t.file.Fd()), unix.TIOCSPGRP, t.group) // fails if the terminal is gone
		t.given = false
	}
}
