package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"leasehold.example/leasehold"
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
	pid          int // 0: not known
}

func (e *overlapError) Error() string {
	who := ""
	switch {
	case e.pid > 0 && errors.Is(unix.Kill(e.pid, 0), unix.ESRCH):
		who = fmt.Sprintf(": pid %d has ended and left processes behind", e.pid)
	case e.pid > 0:
		who = fmt.Sprintf(" (pid %d)", e.pid)
	}
	return fmt.Sprintf("an earlier run of %s by %q still runs on this host%s", escape(e.path), e.holder, who)
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

	// errHeldUp is the ErrLost of a lease that leasehold could not renew.
	errHeldUp = fmt.Errorf("%w: not renewed in time: leasehold itself was stopped, or held up", leasehold.ErrLost)
)
