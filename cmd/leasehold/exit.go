package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/zookeeper"
)

// Exit codes, those of sysexits.h where it has one that fits.
const (
	exitUsage         = 64
	exitData          = 65
	exitUnavailable   = 69
	exitInternal      = 70
	exitConflict      = 75
	exitNoPermission  = 77
	exitConfig        = 78
	exitLost          = 79
	exitCannotExecute = 126
	exitNotFound      = 127
	exitSignal        = 128 // plus the signal
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

// report prints what there is to say about err and returns the exit code.
func (p *program) report(err error) int {
	if err == nil {
		return 0
	}
	var f *failure
	if !errors.As(err, &f) { // what cobra itself objects to
		f = &failure{code: exitUsage, message: err.Error(), hint: "leasehold --help"}
	}
	if f.message != "" && (!f.denial || !p.quiet) {
		p.say("%s", f.message)
		if f.hint != "" {
			fmt.Fprintln(p.stderr, "hint: "+oneLine(f.hint))
		}
	}
	return f.code
}

// say prints one line for people.
func (p *program) say(format string, args ...any) {
	fmt.Fprintln(p.stderr, "leasehold: "+oneLine(fmt.Sprintf(format, args...)))
}

// finish turns what a subcommand returned into a *failure, if it is one.
func (a *asking) finish(ctx context.Context, err error) error {
	return finish(ctx, err, exitConflict)
}

func (h *holding) finish(ctx context.Context, err error) error {
	return finish(ctx, err, h.conflict)
}

func finish(ctx context.Context, err error, conflict int) error {
	if err == nil {
		return nil
	}
	if cause := interrupted(ctx); cause != nil {
		err = cause // else it would be said what came of that
	}
	return explain(err, conflict)
}

// explain finds the exit code for err, conflict for a denial.
func explain(err error, conflict int) *failure {
	var (
		known       *failure
		interrupted *interruption
		argument    *leasehold.ArgumentError
		record      *leasehold.RecordError
		skew        *leasehold.ClockSkewError
		held        *leasehold.HeldError
		overlap     *overlapError
		asked       *askedError
	)
	f := &failure{message: err.Error()}
	store := storeURL{}
	if errors.As(err, &asked) {
		f.message, store = asked.tell(f.message), asked.store
	}
	dir, _, isDir := store.directory()
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &interrupted):
		f.code, f.message, f.denial = exitSignal+int(interrupted.signal), interrupted.Error(), true
	case errors.As(err, &argument):
		f.code, f.message = exitUsage, argument.Error()
	case errors.As(err, &record):
		f.code = exitData
		f.hint = "nothing was changed; look at the record, and remove it if it is of no use"
		if asked != nil {
			f.hint = fmt.Sprintf("nothing was changed; look at the record, %s, and remove it if it is of no use", store.recordPlace(record.Path))
		}
		if record.Newer {
			f.hint = "nothing was changed; upgrade leasehold on this host"
		}
	case errors.Is(err, leasehold.ErrOutcomeUnknown): // also of what a refusal was to undo
		f.code = exitUnavailable
	case errors.As(err, &skew):
		f.code, f.hint = exitConflict, "see to it that this host's clock is set by NTP (timedatectl, chronyc tracking)"
	case errors.As(err, &held):
		f.code, f.message, f.denial = conflict, denialMessage(held), true
	case errors.As(err, &overlap):
		// Also with -q and -E: what an earlier COMMAND left behind would keep
		// this one from running for good, and nobody would know.
		f.code = exitConflict
		f.hint = "wait for it, or end it; --allow-overlap runs another beside it"
	case errors.Is(err, zookeeper.ErrQueued):
		f.code, f.denial = conflict, true
	case errors.Is(err, leasehold.ErrPermission):
		f.code = exitNoPermission
		if isDir {
			f.hint = fmt.Sprintf("for users of one group to share it: chgrp GROUP %[1]s; chmod 2770 %[1]s; and all use dir:%[1]s?mode=0660, from its first lease on", dir)
		} else {
			f.hint = store.permissionHint()
		}
	case errors.Is(err, leasehold.ErrLost): // it was over before COMMAND could begin
		f.code = exitConflict
	case errors.Is(err, leasehold.ErrUnreachable), errors.Is(err, context.DeadlineExceeded):
		f.code = exitUnavailable
		if strings.Contains(f.message, io.EOF.Error()) { // the library keeps it as text
			f.hint = "if the servers talk TLS, begin the URL with " + secureScheme
			if store.options.TLS != nil {
				f.hint = "is this the servers' secureClientPort? If so, the server's log says more; if not, begin the URL with zk://"
			}
		}
	case errors.Is(err, syscall.EPIPE): // whoever read our output has gone
		f.code, f.message = exitSignal+int(syscall.SIGPIPE), ""
	default:
		f.code = exitInternal
	}
	return f
}

// oneLine keeps a message to one line: the causes that errors.Join puts on
// lines of their own are joined, the first few of them, and all that would not
// print is escaped.
func oneLine(s string) string {
	const most = 3
	var causes []string
	seen := map[string]bool{}
	for line := range strings.Lines(s) {
		line = strings.TrimRight(line, "\n")
		if line != "" && !seen[line] {
			seen[line] = true
			causes = append(causes, printable(line))
		}
	}
	if more := len(causes) - most; more > 0 {
		causes = append(causes[:most], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(causes, "; ")
}
