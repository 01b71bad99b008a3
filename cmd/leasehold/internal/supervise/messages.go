package supervise

import (
	"errors"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"leasehold.example/leasehold/internal/clock"
)

// The supervisor and its watchdog talk in JSON over two pipes. Only the
// supervisor writes to the pipe of the instructions, so the pipe ends when the
// supervisor does.

// An instruction is what the watchdog is told. The first one has a Start or an
// Adopt.
type instruction struct {
	Start     *startInstruction `json:",omitempty"` // the command to start
	Adopt     int               `json:",omitempty"` // the pid of a command that runs already
	Parent    int               `json:",omitempty"` // with Adopt: the supervisor's pid
	Keep      []int             `json:",omitempty"` // the descriptors that the watchdog does not close
	KillAfter time.Duration     `json:",omitempty"`
	Deadline  *deadline         `json:",omitempty"` // again whenever it has moved
	Stopping  bool              `json:",omitempty"` // the supervisor stops the command itself, and has sent SIGTERM
	Quit      bool              `json:",omitempty"` // the watchdog is not needed any more
	KillRest  bool              `json:",omitempty"` // with Quit: but first, kill all that is left
}

// A startInstruction is in bytes, since arguments need not be UTF-8.
type startInstruction struct {
	Path       []byte
	Args       [][]byte
	Foreground bool // the command gets the controlling terminal from the start
}

// A report is what the watchdog tells the supervisor: one thing at a time.
type report struct {
	Started int           `json:",omitempty"` // the command's pid
	Failed  string        `json:",omitempty"` // why the command could not be started
	Errno   syscall.Errno `json:",omitempty"` // the same, if it has a number
	Stopped unix.Signal   `json:",omitempty"` // the command was stopped, as by SIGTSTP
	Late    bool          `json:",omitempty"` // the watchdog stops the command, or does not start it, since the deadline is near
	Ended   bool          `json:",omitempty"` // the command has ended, with this Status
	Status  uint32        `json:",omitempty"`
	Signal  unix.Signal   `json:",omitempty"` // the watchdog got it
}

// failureReport is the report of a command that could not be started.
func failureReport(err error) report {
	r := report{Failed: err.Error()}
	errors.As(err, &r.Errno)
	return r
}

// failure returns the error of a command that could not be started, nil if it
// was.
func (r report) failure() error {
	switch {
	case r.Errno == unix.EAGAIN, r.Errno == unix.ENOMEM: // fork's, and not the command's fault
		return errors.New("start the command: " + r.Errno.Error())
	case r.Errno != 0:
		return &ExecError{r.Errno}
	case r.Failed != "":
		return &ExecError{errors.New(r.Failed)}
	}
	return nil
}

// A deadline says how much time is left.
type deadline struct {
	Remaining time.Duration
	Read      time.Duration // when that was left, on clock.Shared
}

// readDeadline returns what is left now.
func readDeadline(remaining func() time.Duration) deadline {
	at := clock.Shared() // first: time that passes from here on is taken off
	return deadline{Remaining: remaining(), Read: at}
}

// at is on clock.Shared.
func (d deadline) at() time.Duration { return d.Read + d.Remaining }

// countdown returns a function that returns the time left until d. A wall clock
// that jumps doesn't change it, and time in suspend counts.
func (d deadline) countdown() func() time.Duration {
	now, shared := time.Now(), clock.Shared()
	left := d.Remaining - max(0, shared-d.Read)
	return func() time.Duration {
		return max(0, left-max(time.Since(now), clock.Shared()-shared))
	}
}

// inherited makes a file of the descriptor with the number s. The command does
// not inherit it.
func inherited(s string) (*os.File, error) {
	fd, err := strconv.Atoi(s)
	if err != nil || fd < 3 {
		return nil, errors.New("no descriptor: " + strconv.Quote(s))
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC); err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "pipe"), nil
}
