package supervise

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// ErrLate means that the deadline was over, or too near, before the command
// could begin, or that the watchdog has stopped the command for it.
var ErrLate = errors.New("the deadline has come")

// errNoAnswer means that the watchdog ended as soon as it was started, or hangs.
var errNoAnswer = errors.New("start the command: the watchdog ended, or hung, before it started the command")

// An ExecError means that the command's file can't be executed.
type ExecError struct{ Err error }

func (e *ExecError) Error() string { return "execute the command: " + e.Err.Error() }

func (e *ExecError) Unwrap() error { return e.Err }

// An Interruption is the signal that ended the context of [CatchSignals].
type Interruption struct{ Signal unix.Signal }

func (e *Interruption) Error() string {
	return fmt.Sprintf("interrupted by %s", unix.SignalName(e.Signal))
}
