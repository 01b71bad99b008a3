package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/text"
)

// A failure is an exit code and what is said about it.
type failure struct {
	code    int
	message string // one line; "" says nothing
	hint    string // what to do, where the message does not say it
	denial  bool   // -q silences it
}

func (f *failure) Error() string { return f.message }

func usage(format string, args ...any) error {
	return &failure{code: exitUsage, message: fmt.Sprintf(format, args...)}
}

func config(hint, format string, args ...any) error {
	return &failure{code: exitConfig, message: fmt.Sprintf(format, args...), hint: hint}
}

// exitWith is the end of a COMMAND that ran.
func exitWith(code int) error { return &failure{code: code} }

// An overlapError means that an earlier run goes on.
type overlapError struct {
	path, holder string
	pid          int    // of COMMAND, or of what runs it; 0: not known
	left         []int  // if COMMAND has ended, what it left behind
	allowed      string // what goes on all the same
}

func (e *overlapError) Error() string {
	what := fmt.Sprintf("an earlier run of %s by %q", text.Escape(e.path), e.holder)
	switch {
	case e.left != nil:
		return what + " has ended and left processes behind on this host" + pidList(e.left)
	case e.pid > 0:
		return fmt.Sprintf("%s still runs on this host (pid %d)", what, e.pid)
	default:
		return what + " still runs on this host, as another user or in another container"
	}
}

func countProcesses(n int) string {
	if n == 1 {
		return "1 process"
	}
	return fmt.Sprintf("%d processes", n)
}

// pidList names the first few of pids.
func pidList(pids []int) string {
	const most = 3
	list := ""
	for i, pid := range pids {
		if i == most {
			list += fmt.Sprintf(" and %d more", len(pids)-most)
			break
		}
		list += fmt.Sprintf(", pid %d", pid)
	}
	return strings.Replace(list, ", ", ": ", 1)
}

// A storeError is an error of a subcommand that has asked a store.
type storeError struct {
	error
	store  storeURL
	took   time.Duration
	limits string // the flags that say how long it may take
}

func (e *storeError) Unwrap() error { return e.error }

// explainTimeout puts the flags in the place of Go's words for a time limit.
func (e *storeError) explainTimeout(message string) string {
	unit := 10 * time.Millisecond
	if e.took > time.Second {
		unit = 100 * time.Millisecond
	}
	gaveUp := fmt.Sprintf(" (gave up after %s; %s)", e.took.Round(unit), e.limits)
	lines := strings.Split(message, "\n")
	for i, line := range lines {
		if said, ok := strings.CutSuffix(line, ": "+context.DeadlineExceeded.Error()); ok {
			lines[i] = said + gaveUp
		}
	}
	return strings.Join(lines, "\n")
}

var (
	// errTooLate is the ErrLost of a lease that was over when COMMAND was to begin.
	errTooLate = fmt.Errorf("%w: it was over before COMMAND could begin", leasehold.ErrLost)

	// errNotKept is the ErrLost of a lease that was not to be renewed.
	errNotKept = fmt.Errorf("%w: it has ended, and --renew=false does not renew it", leasehold.ErrLost)

	// errHeldUp is the ErrLost of a lease that leasehold could not renew.
	errHeldUp = fmt.Errorf("%w: not renewed in time: leasehold itself was stopped, or held up", leasehold.ErrLost)
)
