package leasehold

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// Hold calls f and keeps the lease alive until f returns, also after ctx has
// ended: as long as f works, nobody else should have the lease.
//
// f's context ends when ctx does, and with the cause ErrLost when the lease can
// no longer be relied on: Grace before Remaining reaches 0, or as soon as the
// lease is seen to be another's. f must stop then. Hold can't stop it.
//
// Hold returns f's error, joined with ErrLost if the lease was lost. It does
// not release the lease.
func (l *Lease) Hold(ctx context.Context, f func(context.Context) error) error {
	working, end := context.WithCancelCause(ctx)
	defer end(nil)
	unwatch := l.watchEnd(end)
	defer unwatch()

	renewing, stop := context.WithCancel(context.WithoutCancel(ctx))
	var kept sync.WaitGroup
	kept.Go(func() { l.keepAlive(renewing, end) })
	defer kept.Wait()
	defer stop()

	err := f(working)
	lost := context.Cause(working)
	if !errors.Is(lost, ErrLost) && l.Remaining() <= 0 { // lost after ctx had ended
		lost = l.lostInTime()
	}
	gaveUp := errors.Is(lost, errReleasing) || errors.Is(lost, errReleased) // f did
	if errors.Is(lost, ErrLost) && !gaveUp && !errors.Is(err, ErrLost) {
		return errors.Join(err, lost)
	}
	return err
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

// wakeToLook is how often a timer looks whether time has passed that it did not
// see: timers stop while the machine is suspended.
const wakeToLook = time.Second

// watchEnd calls end once less than Grace of the lease remains.
func (l *Lease) watchEnd(end context.CancelCauseFunc) (stop func()) {
	var mu sync.Mutex
	var timer *time.Timer
	stopped := false
	var look func()
	look = func() {
		mu.Lock()
		defer mu.Unlock()
		if stopped {
			return
		}
		left := l.Remaining() - l.asked.grace
		if left <= 0 {
			end(l.lostInTime())
			return
		}
		timer = time.AfterFunc(min(left, wakeToLook), look)
	}
	look()
	return func() {
		mu.Lock()
		defer mu.Unlock()
		stopped = true
		if timer != nil {
			timer.Stop()
		}
	}
}

// minPause keeps leases that are short, or nearly over, from being renewed
// without a pause.
const minPause = 20 * time.Millisecond

// lostInTime returns why the lease is lost, or about to be.
func (l *Lease) lostInTime() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.over != nil:
		return l.over
	case l.trouble != nil:
		return fmt.Errorf("%w: %w", errNotRenewed, l.trouble)
	}
	return errNotRenewed
}

// setback notes why the last attempt to renew failed.
func (l *Lease) setback(why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trouble = why
}

// attemptTime bounds an attempt to renew a lease that lasts for left, so that
// there is time for more, and a word about it in the log.
func attemptTime(left time.Duration) time.Duration {
	return max(500*time.Millisecond, min(10*time.Second, left/4))
}

// keepAlive renews the lease until ctx ends, and calls end when it is lost.
// The first attempt is made when about a third of the time is gone, to leave
// time for more.
func (l *Lease) keepAlive(ctx context.Context, end context.CancelCauseFunc) {
	for {
		usable := max(0, l.Remaining()-l.asked.grace)
		sleep(ctx, max(minPause, time.Duration(float64(usable)/3*(0.9+0.2*rand.Float64()))))
		for {
			if ctx.Err() != nil {
				return
			}
			attempt, cancel := context.WithTimeout(ctx, attemptTime(l.Remaining()))
			err := l.renewOrAdopt(attempt)
			cancel()
			l.setback(err)
			if err == nil {
				break
			}
			if errors.Is(err, ErrLost) {
				end(err)
				return
			}
			if ctx.Err() != nil {
				return
			}
			l.asked.log().WarnContext(ctx, "lease not renewed", "path", l.path, "holder", l.asked.name, "remaining", l.Remaining(), "reason", err)
			sleep(ctx, min(retryDelay, max(minPause, l.Remaining()/10)))
		}
	}
}

// renewOrAdopt renews the lease, or acquires it anew where Adopt allows that.
func (l *Lease) renewOrAdopt(ctx context.Context) error {
	err := l.Renew(ctx)
	if !l.asked.Adopt || !errors.Is(err, errSuperseded) {
		return err
	}
	if err := l.enter(ctx); err != nil {
		return err
	}
	defer l.leave()
	if l.Remaining() <= 0 { // released meanwhile, or past its end
		return l.lostInTime()
	}
	adopted, err := l.asked.grant(ctx, l.path, l.slot)
	if errors.Is(err, ErrHeld) {
		return l.lose(errors.Join(ErrLost, err))
	}
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entry, l.record = adopted.entry, adopted.record
	return nil
}
