package supervise

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/clock"
)

// Leasehold and its watchdog talk in JSON over two pipes. That of the orders
// has no other writer than leasehold, so its end is leasehold's.

// An order is what leasehold tells the watchdog. The first one has a Command
// or a Guard.
type order struct {
	Command   *command      `json:",omitempty"` // to start
	Guard     int           `json:",omitempty"` // the pid of a COMMAND that runs already
	Leasehold int           `json:",omitempty"` // with Guard: leasehold's pid
	KillAfter time.Duration `json:",omitempty"`
	Term      *term         `json:",omitempty"` // anew whenever it has changed
	Stopping  bool          `json:",omitempty"` // leasehold stops COMMAND itself, and has sent SIGTERM
	Farewell  bool          `json:",omitempty"` // the watchdog is not needed any more
	Sweep     bool          `json:",omitempty"` // with Farewell: but first, kill all that is left
}

// A command is in bytes, since arguments need not be UTF-8.
type command struct {
	Executable []byte
	Args       [][]byte
	Foreground bool // it is to have the controlling terminal from the start
}

// A notice is what the watchdog tells leasehold: one thing at a time.
type notice struct {
	Started int           `json:",omitempty"` // COMMAND's pid
	Failed  string        `json:",omitempty"` // why it could not be started
	Errno   syscall.Errno `json:",omitempty"` // the same, if it has a number
	Stopped unix.Signal   `json:",omitempty"` // COMMAND was stopped, as by SIGTSTP
	Late    bool          `json:",omitempty"` // the watchdog stops COMMAND, or does not start it, since the term is over
	Ended   bool          `json:",omitempty"` // COMMAND has, with this Status
	Status  uint32        `json:",omitempty"`
}

// startNotice is the notice of a COMMAND that could not be started.
func startNotice(err error) notice {
	r := notice{Failed: err.Error()}
	errors.As(err, &r.Errno)
	return r
}

// failure returns the error of a COMMAND that could not be started, nil if it
// was.
func (r notice) failure(executable string) error {
	switch {
	case r.Errno != 0:
		return &fs.PathError{Op: "fork/exec", Path: executable, Err: r.Errno}
	case r.Failed != "":
		return errors.New(r.Failed)
	}
	return nil
}

// A term says how long the lease may be used.
type term struct {
	Remaining time.Duration
	Read      time.Duration // when it was that long, on clock.Shared
}

// readTerm returns what is left of the lease now.
func readTerm(remaining func() time.Duration) term {
	at := clock.Shared() // first: what goes by from here on is the watchdog's loss
	return term{Remaining: remaining(), Read: at}
}

// end is on clock.Shared.
func (t term) end() time.Duration { return t.Read + t.Remaining }

// countdown returns a function that tells what remains of t. Wall clocks that
// jump don't change it, and time in suspend counts.
func (t term) countdown() func() time.Duration {
	now := leasehold.ReadInstant()
	left := t.Remaining - max(0, clock.Shared()-t.Read)
	return func() time.Duration { return max(0, left-now.Elapsed()) }
}

// watchdogName is argv[0] of a watchdog. It does not contain leasehold's name,
// lest "pkill leasehold" end both.
const watchdogName = "lease-watchdog"

// inherit makes a file of a descriptor whose number is s, to be inherited no
// further.
func inherit(s string) (*os.File, error) {
	fd, err := strconv.Atoi(s)
	if err != nil || fd < 3 {
		return nil, errors.New("no descriptor: " + strconv.Quote(s))
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC); err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "pipe"), nil
}
