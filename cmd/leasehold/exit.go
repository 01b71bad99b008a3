package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/jobs"
	"leasehold.example/leasehold/cmd/leasehold/internal/supervise"
	"leasehold.example/leasehold/cmd/leasehold/internal/text"
	"leasehold.example/leasehold/runlog"
)

// Exit codes, those of sysexits.h where it has one that fits.
const (
	exitUsage         = 64
	exitData          = 65
	exitUnavailable   = 69
	exitInternal      = 70
	exitClock         = 71 // EX_OSERR
	exitOverlap       = 73 // EX_CANTCREAT
	exitConflict      = 75
	exitNoPermission  = 77
	exitConfig        = 78
	exitLost          = 79
	exitCannotExecute = 126
	exitNotFound      = 127
	exitSignal        = 128 // plus the signal
	exitUnitFails     = 255
)

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
		p.sayWhy(f)
	}
	switch {
	case p.execCondition && f.code != 0 && f.code != exitConflict:
		return exitUnitFails
	case p.isCheck && f.code > int(jobs.NotKnown) && f.code < exitSignal:
		return int(jobs.NotKnown)
	}
	return f.code
}

// finish turns what a subcommand returned into a *failure, if it is an error; conflict
// is the exit code of a denial.
func finish(ctx context.Context, err error, conflict int) error {
	if err == nil {
		return nil
	}
	if cause := interrupted(ctx); cause != nil && !errors.Is(err, leasehold.ErrOutcomeUnknown) {
		err = cause // err is only its consequence
	}
	return explain(err, conflict)
}

// explain finds the exit code for err, conflict for a denial.
func explain(err error, conflict int) *failure {
	var (
		known       *failure
		interrupted *supervise.Interruption
		argument    *leasehold.ArgumentError
		record      *leasehold.RecordError
		skew        *leasehold.ClockSkewError
		held        *leasehold.HeldError
		sameName    *leasehold.SameNameError
		overlap     *overlapError
		asked       *storeError
		tick        *leasehold.TickError
		drained     *drainedError
		log         *leasehold.LogError
	)
	f := &failure{message: err.Error()}
	store := storeURL{}
	if errors.As(err, &asked) {
		f.message, store = asked.explainTimeout(f.message), asked.store
	}
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &interrupted):
		f.code, f.message, f.denial = exitSignal+int(interrupted.Signal), interrupted.Error(), true
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
	case errors.Is(err, leasehold.ErrOutcomeUnknown): // also if a refused grant was not undone
		f.code = exitUnavailable
	case errors.As(err, &skew) && !skew.Until.IsZero(): // the clocks agree within the limit: another still has it
		f.code, f.denial = conflict, true
	case errors.As(err, &skew):
		// No denial: if a server's clock is off, no host is granted, and -q and -E 0
		// would keep that from everybody.
		f.code, f.hint = exitClock, "see on this host and on the servers which clock is off (timedatectl, chronyc tracking), and let NTP set it"
	case errors.As(err, &held):
		f.code, f.message, f.denial = conflict, denialMessage(held), true
	case errors.As(err, &tick):
		f.code, f.message, f.denial = conflict, tick.Error(), true
		switch tick.Verdict {
		case runlog.IsTooOld: // as for who tries a new job by hand
			f.hint = "with --since " + text.Time(tick.Due) + " it is run all the same"
		case runlog.IsPaused:
			f.hint = "leasehold resume --reason TEXT " + text.Escape(tick.Path) + " ends that"
		}
	case errors.As(err, &drained):
		f.code, f.message, f.denial = conflict, drained.Error(), true
		f.hint = "leasehold undrain ends that: it is in " + drained.File
	case errors.Is(err, leasehold.ErrNoTick):
		f.code, f.denial = conflict, true
	case errors.Is(err, leasehold.ErrFull):
		f.code = exitUnavailable
	case errors.As(err, &log) && !errors.Is(err, leasehold.ErrPermission):
		f.code = exitData
		f.hint = "nothing was changed; look at the data of the path's own node, and remove it if it is of no use"
		if log.Newer {
			f.hint = "nothing was changed; upgrade leasehold on this host"
		}
	case errors.As(err, &sameName):
		f.code, f.message, f.hint = exitConfig, sameName.Error(), nameHint
	case errors.As(err, &overlap):
		// Neither -q nor -E applies: processes that an earlier COMMAND left behind
		// could keep this one from running for good, and nobody would know.
		f.code = exitOverlap
		f.hint = "wait for it, or end it; " + overlap.allowed
	case errors.Is(err, leasehold.ErrQueued):
		f.code, f.denial = conflict, true
	case errors.Is(err, leasehold.ErrPermission) && errors.Is(err, syscall.EROFS):
		f.code = exitNoPermission
	case errors.Is(err, leasehold.ErrPermission):
		f.code = exitNoPermission
		f.hint = store.permissionHint(err)
	case errors.Is(err, leasehold.ErrUnusablePath):
		f.code = exitConfig
	case errors.Is(err, leasehold.ErrLost): // it was over before COMMAND could begin
		f.code = exitConflict
	case errors.Is(err, leasehold.ErrUnreachable), errors.Is(err, context.DeadlineExceeded):
		f.code = exitUnavailable
		if strings.Contains(f.message, io.EOF.Error()) { // the library keeps it as text
			f.hint = "if the servers use TLS, begin the URL with " + secureScheme
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

// oneLine makes one line of a message: it joins the first few of the causes that
// errors.Join puts on lines of their own, and escapes what is not printable.
func oneLine(s string) string {
	const most = 3
	var causes []string
	seen := map[string]bool{}
	for line := range strings.Lines(s) {
		line = strings.TrimRight(line, "\n")
		if line != "" && !seen[line] {
			seen[line] = true
			causes = append(causes, text.Printable(line))
		}
	}
	if more := len(causes) - most; more > 0 {
		causes = append(causes[:most], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(causes, "; ")
}

// interrupted returns why ctx has ended if a signal or a drain has ended it, else
// nil.
func interrupted(ctx context.Context) error {
	switch cause := context.Cause(ctx).(type) {
	case *supervise.Interruption, *drainedError, *failure:
		return cause
	}
	return nil
}
