package leasehold

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// A Job is work that is due at the times of a schedule, and is done once for each of
// them, over all processes. What calls it is any scheduler: a cron package, or a
// [time.Ticker]. Each process has a Job of its own, and its own scheduler, which calls
// Run. The fields may be set until then.
type Job struct {
	Client   *Client
	Path     string
	Schedule Schedule

	// Duration is how long others wait until they take over from a process that died.
	// It is at least one second.
	Duration time.Duration

	// Do is the work. Its context ends as that of [Lease.Hold]'s function does. l has
	// the tick, the number of the attempt, and the token.
	Do func(ctx context.Context, l *Lease) error

	calls atomic.Int32
}

// Run does the work if it is due and nobody has done it. If it is being done
// elsewhere, Run waits, and does the next attempt if one is left and that one fails,
// or its process dies. It never waits for the next tick, so call it at each, or as
// often as you like; and give all the same Schedule.
//
// Run may be called while it is at work. The second call waits for the first, and
// then does what has become due; a third one at a time has nothing to add, and
// returns nil at once.
//
// It returns nil if the tick is not to be run, and the Client's Logger is told why;
// the errors of Do and Hold; and those of AcquireTick.
func (j *Job) Run(ctx context.Context) error {
	if j.Client == nil || j.Do == nil {
		return &ArgumentError{Name: "Job", Value: j.Path, Want: "set its Client and its Do"}
	}
	defer j.calls.Add(-1)
	if j.calls.Add(1) > 2 {
		return nil
	}
	l, err := j.Client.AcquireTick(ctx, j.Path, j.Schedule, j.Duration)
	var denial *TickError
	if errors.As(err, &denial) && !errors.Is(err, ErrOutcomeUnknown) && ctx.Err() == nil {
		return nil // why was logged
	}
	if err != nil {
		return err
	}
	return l.Hold(ctx, func(working context.Context) error { return j.Do(working, l) })
}
