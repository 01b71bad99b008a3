package leasehold

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"leasehold.example/leasehold/runlog"
)

// Hold calls f and keeps the lease alive until f returns, also after ctx has
// ended: as long as f works, nobody else should have the lease.
//
// f's context ends when ctx does, and with the cause ErrLost when the lease can
// no longer be relied on: Grace before Remaining reaches 0, or as soon as the
// lease is seen to be another's. f must stop then. Hold can't stop it.
//
// Hold returns f's error, joined with ErrLost if the lease was lost. It does
// not release the lease; but one whose run is in the run log, as that of a tick,
// it finishes with f's result, success if f returns nil, unless f has called
// Finish. It returns an
// [*ArgumentError], and has not called f, if Grace is negative or leaves no time
// between two ends.
func (l *Lease) Hold(ctx context.Context, f func(context.Context) error) error {
	if err := l.checkGrace(); err != nil {
		return err
	}
	working, stop := l.KeepAlive(ctx)
	defer stop()
	err := f(working)
	lost := context.Cause(working)
	if !errors.Is(lost, ErrLost) && l.Remaining() <= 0 { // lost after ctx had ended
		lost = l.lossError()
	}
	if errors.Is(lost, ErrLost) && !isRelease(lost) && !errors.Is(err, ErrLost) { // f may have released it
		err = errors.Join(err, lost)
	}
	if !l.IsLogged() || l.finishing.Load() {
		return err
	}
	return errors.Join(err, l.Finish(ctx, outcome(err)))
}

// outcome returns how a run ended that returned err.
func outcome(err error) Outcome {
	switch {
	case err == nil:
		return Outcome{Result: runlog.Success}
	case errors.Is(err, ErrLost):
		return Outcome{Result: runlog.Lost}
	}
	return Outcome{Result: runlog.Failure}
}

// KeepAlive is Hold for work that can't be one function. It keeps the lease alive
// until stop is called, also after ctx has ended. The context that it returns ends
// when Hold's would, and with an [*ArgumentError] as its cause, at once, if Grace
// can't be used. stop neither releases nor finishes the lease.
func (l *Lease) KeepAlive(ctx context.Context) (working context.Context, stop func()) {
	working, end := context.WithCancelCause(ctx)
	if err := l.checkGrace(); err != nil {
		end(err)
		return working, func() {}
	}
	unwatch := l.watchEnd(end)
	renewing, cancel := context.WithCancel(context.WithoutCancel(ctx))
	halt := l.keepAlive(renewing, end)
	return working, func() {
		cancel()
		halt()
		unwatch()
		end(nil)
	}
}

// Context returns a context that ends when parent does, and with the cause
// ErrLost Grace before Remaining reaches 0. Unlike Hold it renews nothing, but
// it follows renewals.
func (l *Lease) Context(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, end := context.WithCancelCause(parent)
	unwatch := l.watchEnd(end)
	return ctx, func() {
		unwatch()
		end(nil)
	}
}

// grace returns the Grace in force.
func (l *Lease) grace() time.Duration {
	if l.request.Grace == 0 {
		return min(l.request.duration/5, maxShare)
	}
	return max(0, l.request.Grace)
}

func (l *Lease) checkGrace() error {
	if grace := l.request.Grace; grace < 0 || l.request.skew+l.grace() >= l.request.duration {
		return &ArgumentError{
			Name: "Grace", Value: l.grace().String(),
			Want: fmt.Sprintf("must not be negative and, with MaxClockSkew, %s, be less than the duration, %s", l.request.skew, l.request.duration),
		}
	}
	return nil
}

// refusedDelay is the pause after a renewal that was refused for lack of
// permission, which seldom comes back by itself.
const refusedDelay = 5 * time.Second

// maxTimer bounds each timer: timers stop while the machine is suspended, so
// the suspend-aware clock has to be read again and again.
const maxTimer = time.Second

// confirmTime is how long a lease may be in doubt until it counts as lost. The
// renewal that decides takes a few ms if the store answers.
const confirmTime = time.Second

// watchEnd calls end once less than Grace of the lease remains.
func (l *Lease) watchEnd(end context.CancelCauseFunc) (stop func()) {
	check := func() time.Duration {
		left := l.counted() - l.grace()
		if known, doubtful := l.doubt(); doubtful {
			left = min(left, confirmTime-known)
		}
		if left <= 0 {
			why := l.lossError()
			end(why)
			l.tellLoss(why) // which may be held up
			return never
		}
		return min(left, maxTimer)
	}
	return repeat(check(), func(func()) time.Duration { return check() })
}

// never is the pause after which repeat does nothing more.
const never = time.Duration(-1)

// repeat calls f after pause, and again after each pause that f returns. stop
// waits for a call that is under way. What f is given, hurry, may be called at any
// time, and makes the pause that is under way, or the next one, end at once.
// Between the calls there is a timer and no
// goroutine, whose stack would be most of what a held lease takes.
func repeat(pause time.Duration, f func(hurry func()) (pause time.Duration)) (stop func()) {
	if pause == never {
		return func() {}
	}
	var (
		mu       sync.Mutex // not held during f, which may take long
		timer    *time.Timer
		over     bool // there are no more calls
		busy     bool // f is at work
		hurrying bool
		calls    sync.WaitGroup
	)
	hurry := func() {
		mu.Lock()
		defer mu.Unlock()
		hurrying = true
		if !over && !busy {
			timer.Reset(0)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	timer = time.AfterFunc(pause, func() {
		mu.Lock()
		if over || busy { // hurry may find that the timer has just fired
			mu.Unlock()
			return
		}
		busy, hurrying = true, false
		calls.Add(1)
		mu.Unlock()
		defer calls.Done()
		pause := f(hurry)
		mu.Lock()
		defer mu.Unlock()
		busy = false
		switch {
		case over:
		case pause == never:
			over = true
		case hurrying:
			timer.Reset(0)
		default:
			timer.Reset(pause)
		}
	})
	return func() {
		mu.Lock()
		over = true
		timer.Stop()
		mu.Unlock()
		calls.Wait()
	}
}

// minPause keeps leases that are short, or nearly over, from being renewed
// without a pause.
const minPause = 20 * time.Millisecond

// lossError returns why the lease is lost, or about to be.
func (l *Lease) lossError() error {
	_, doubtful := l.doubt()
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.over != nil:
		return l.over
	case doubtful:
		return errors.Join(errStoodStill, l.lastRenewErr)
	case l.lastRenewErr != nil:
		return fmt.Errorf("%w: %w", errNotRenewed, l.lastRenewErr)
	}
	return errNotRenewed
}

func (l *Lease) setLastRenewErr(why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lastRenewErr = why
}

// attemptTime bounds an attempt to renew the lease, so that its failure is in
// the log, and is the reason given, before Hold's function is ended. It leaves a
// busy store time to answer: another request would make it busier.
func (l *Lease) attemptTime() time.Duration {
	usable := l.counted() - l.grace()
	return max(300*time.Millisecond, min(10*time.Second, usable/2))
}

// keepAlive renews the lease until it is stopped, and calls end when it is
// lost. The attempts end with ctx. When the connection is lost it renews at once:
// that may be how a machine that was paused learns of it.
func (l *Lease) keepAlive(ctx context.Context, end context.CancelCauseFunc) (stop func()) {
	from, due, first := ReadInstant(), l.renewalPause(), true
	wait := func(pause time.Duration) time.Duration {
		from, due = ReadInstant(), pause
		return min(pause, maxTimer)
	}
	connection := l.request.Store.Connection()
	unhook := func() bool { return true }
	halt := repeat(0, func(hurry func()) time.Duration {
		lost := connection.Err() != nil
		if lost || first {
			connection, first = l.request.Store.Connection(), false
			unhook = context.AfterFunc(connection, hurry)
		}
		if left := due - from.Elapsed(); left > 0 && !lost {
			return min(left, maxTimer)
		}
		attempt, cancel := context.WithTimeout(ctx, l.attemptTime())
		defer cancel()
		err := l.renewOrAdopt(attempt)
		l.setLastRenewErr(err)
		switch {
		case err == nil:
			return wait(l.renewalPause())
		case errors.Is(err, ErrLost):
			end(err)
			return never
		case ctx.Err() != nil:
			return never
		}
		l.request.log().WarnContext(ctx, "lease not renewed", "path", l.path, "holder", l.request.name, "remaining_seconds", l.Remaining().Seconds(), "reason", err)
		pause := retryDelay
		if errors.Is(err, ErrPermission) { // each attempt may cost the servers a session
			pause = refusedDelay
		}
		return wait(min(pause, max(minPause, l.counted()/10)))
	})
	return func() {
		halt()
		unhook()
	}
}

// renewalPause is the time until the next renewal: a third of the time for which
// a new lease can be used, so that there is time for more than one attempt. It
// depends on Remaining only if that is short: ends are cut off to whole seconds,
// so the renewals of many leases would otherwise come to the same part of each
// second.
func (l *Lease) renewalPause() time.Duration {
	usable := l.Remaining() - l.grace()
	third := (l.request.duration - l.request.skew - l.grace()) / 3
	pause := float64(min(third, usable/2))
	return max(minPause, time.Duration(pause*(0.9+0.2*rand.Float64())))
}

// renewOrAdopt renews the lease, or acquires it anew where Adopt allows that.
func (l *Lease) renewOrAdopt(ctx context.Context) (err error) {
	defer l.request.observe(EventRenewal, l.path, &l, &err)()
	err = l.renew(ctx)
	if !l.request.Adopt || !errors.Is(err, errSuperseded) {
		return err
	}
	if err := l.lock(ctx); err != nil {
		return err
	}
	defer l.unlock()
	if l.counted() <= 0 { // released meanwhile, or past its end
		return l.lossError()
	}
	return l.adopt(ctx)
}

// adopt acquires the lease anew, after the same holder has done so elsewhere.
func (l *Lease) adopt(ctx context.Context) error {
	again := l.request.withoutLog()
	again.Once = false
	adopted, err := again.grant(ctx, Entry{Path: l.path}, l.slot)
	if errors.Is(err, ErrHeld) {
		return l.lose(errors.Join(ErrLost, err))
	}
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entry, l.replaced, l.record = adopted.entry, adopted.replaced, adopted.record
	return nil
}
