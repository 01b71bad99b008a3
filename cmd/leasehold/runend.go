package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/supervise"
	"leasehold.example/leasehold/runlog"
)

// logger returns where it is logged what is done under the lease.
func (f *runFlags) logger(l *leasehold.Lease) *slog.Logger {
	return f.lease.store.logger().With("path", l.Path(), "holder", l.Holder(), "token", l.Token())
}

// logEnd logs how COMMAND ended.
func (f *runFlags) logEnd(child *supervise.Child, l *leasehold.Lease) {
	status, ran, ok := child.Status()
	if !ok {
		return
	}
	how := slog.Int("exit", status.ExitStatus())
	if status.Signaled() {
		how = slog.String("signal", unix.SignalName(status.Signal()))
	}
	f.logger(l).Info("COMMAND ended", "pid", child.Pid(), how, "took_seconds", ran.Round(time.Millisecond).Seconds())
}

// An ending is how COMMAND ended.
type ending struct {
	lost    error // why COMMAND was stopped; nil if it ended by itself, in time
	code    int   // else its exit code
	pid     int
	rest    bool  // COMMAND itself had ended, and what it left behind was stopped
	left    []int // what it left behind, and goes on
	release bool  // the lease is to be released
	retry   bool  // COMMAND has failed, and another attempt of the tick may begin
	gone    bool  // nothing is left of COMMAND, if it was stopped or another may have the lease
}

// wait returns when COMMAND has ended, or was stopped because the lease was lost.
// What it left behind is stopped if another may have the lease at once.
func (f *runFlags) wait(ctx context.Context, child *supervise.Child, l *leasehold.Lease) ending {
	end := ending{pid: child.Pid()}
	ctx, stop := f.keep(ctx, l)
	defer stop()
	waiting, stopLooking := f.watchDrain(ctx, l)
	defer stopLooking()
	lost := child.Wait(waiting)
	if lost == nil && f.leftBehind == leftWait {
		lost = child.WaitForRest(waiting)
		end.rest = true
	}
	end.release = lost == nil && f.release.applies(child.ExitCode())
	end.retry = lost == nil && f.isRetried(child.ExitCode(), l)
	var handOver *handOverError
	if errors.As(lost, &handOver) {
		f.lease.store.say("COMMAND is stopped to hand its lease over: this host is %s", handOver.drain)
		end.gone = child.Stop()
		if _, _, ended := child.Status(); end.gone && ended {
			code := child.ExitCode()
			lost, end.release = nil, code != 0 || f.release.applies(code)
		}
	} else if lost != nil || end.release || end.retry || f.leftBehind == leftStop {
		end.gone = child.Stop()
	} else {
		if !f.lease.store.given.Changed("left-behind") { // else nobody wants to know
			end.left = child.Rest()
		}
		end.gone = child.Detach()
	}
	switch {
	case child.IsLate(), errors.Is(lost, supervise.ErrLate):
		lost = errHeldUp
	case !f.renew && errors.Is(lost, leasehold.ErrLost):
		lost = errNotKept
	}
	f.logEnd(child, l)
	outcome := outcomeOf(child, lost)
	if f.lease.schedule == nil || end.gone || outcome.Result == runlog.Success { // else another attempt has to wait for the lease's end
		f.enter(ctx, outcome, l)
	}
	if end.lost = lost; lost == nil { // what COMMAND did in time counts, also if the lease was lost after that
		end.code = child.ExitCode()
	}
	return end
}

// keep keeps the lease alive until stop is called, unless it is not to be renewed. The
// context that it returns ends with ErrLost.
func (f *runFlags) keep(ctx context.Context, l *leasehold.Lease) (working context.Context, stop func()) {
	if f.renew {
		return l.KeepAlive(ctx)
	}
	return l.Context(ctx)
}

// isRetried reports whether another attempt of the tick may begin when COMMAND has
// ended with that code, and it was not said that what it left behind goes on.
func (f *runFlags) isRetried(code int, l *leasehold.Lease) bool {
	return f.lease.schedule != nil && code != 0 && l.Attempt() < f.lease.schedule.Attempts && !f.lease.store.given.Changed("left-behind")
}

// A handOverError is why COMMAND is stopped on a host that hands leases over.
type handOverError struct{ drain }

func (e *handOverError) Error() string { return "this host hands leases over: it is " + e.String() }

// watchDrain notes in the run log when this host is drained, and when no longer. It
// returns a context that ends with a *handOverError when the host is to hand over a
// lease that is released at COMMAND's end.
func (f *runFlags) watchDrain(ctx context.Context, l *leasehold.Lease) (context.Context, context.CancelFunc) {
	ctx, end := context.WithCancelCause(ctx)
	noted := false
	go pollDrain(ctx, func() bool {
		drains, err := readDrains() // COMMAND goes on where it can't be told
		i := slices.IndexFunc(drains, func(d drain) bool { return d.HandOver })
		if i >= 0 && f.release != releaseNever {
			end(&handOverError{drains[i]})
			return true
		}
		if drained := len(drains) > 0; err == nil && drained != noted && f.noteDrain(ctx, l, drained) {
			noted = drained
		}
		return false
	})
	return ctx, func() { end(nil) }
}

// noteDrain reports whether that was done. It is tried again a second later, and must
// not keep a hand-over waiting for long.
func (f *runFlags) noteDrain(ctx context.Context, l *leasehold.Lease, drained bool) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	err := l.NoteDrain(ctx, drained)
	if err != nil {
		f.logger(l).Debug("not noted in the run log whether this host is drained", "reason", err)
	}
	return err == nil
}

// enter enters in the run log how COMMAND ended. For a tick it ends the lease, and
// is tried for as long as Finish does; else only for as long as the store may take.
// A signal ends it soon.
func (f *runFlags) enter(ctx context.Context, o leasehold.Outcome, l *leasehold.Lease) {
	if !l.IsLogged() {
		return
	}
	ctx = f.lease.store.signals.EndCommand(context.WithoutCancel(ctx))
	if f.lease.schedule == nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.lease.store.timeout)
		defer cancel()
	}
	if err := l.Finish(ctx, o); err != nil {
		f.lease.store.warn("how COMMAND ended is not in the run log: %v", err)
	}
}

// outcomeOf returns how COMMAND ended, or why it was stopped.
func outcomeOf(child *supervise.Child, lost error) leasehold.Outcome {
	if lost != nil {
		return leasehold.Outcome{Result: runlog.Lost}
	}
	o := leasehold.Outcome{Result: runlog.Success}
	code := child.ExitCode()
	if code != 0 {
		o.Result = runlog.Failure
	}
	if sig := child.EndSignal(); sig != 0 {
		o.Signal = unix.SignalName(sig)
	} else {
		o.Exit = &code
	}
	return o
}

// finish releases the lease if it is to be released, and returns what the run
// ends with.
func (f *runFlags) finish(ctx context.Context, end ending, l *leasehold.Lease) error {
	what := "COMMAND"
	if end.rest {
		what = "what COMMAND left behind"
	}
	switch {
	case end.lost != nil && !end.gone:
		return &failure{code: exitLost, message: fmt.Sprintf("%v; %s was killed, but some of its processes are still there (process group %d)", end.lost, what, end.pid)}
	case end.lost != nil:
		return &failure{code: exitLost, message: fmt.Sprintf("%v; %s was stopped", end.lost, what)}
	case (end.release || end.retry) && !end.gone:
		f.lease.store.warn("lease %q was not released: some processes that COMMAND left behind can't be killed (process group %d)", l.Path(), end.pid)
	case f.leftBehind == leftStop && !end.gone:
		f.lease.store.warn("some processes that COMMAND left behind can't be killed (process group %d)", end.pid)
	case len(end.left) > 0:
		f.lease.store.warn("COMMAND has ended and left %s behind, which the lease is not kept alive for (--left-behind go-on, wait or stop)%s", countProcesses(len(end.left)), pidList(end.left))
	case end.release:
		ctx, cancel := context.WithTimeout(ctx, f.lease.store.timeout)
		defer cancel()
		if err := l.Release(ctx); err != nil {
			f.lease.store.warn("%v", err)
		}
	}
	return exitWith(end.code)
}
