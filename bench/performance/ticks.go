package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/runlog"
)

// tickSteps are what a schedule does beside a plain grant, release and denial, in
// the same session.
func (c *clients) tickSteps(ctx context.Context) ([]step, error) {
	const root = "/bench/ticks"
	// A round has to be long enough ago to be of another tick.
	const skew = time.Millisecond
	ticker := &leasehold.Client{Store: c.ours.Store, Holder: c.ours.Holder, MaxClockSkew: skew, Now: time.Now}
	var l *leasehold.Lease
	begin := func(path string, due time.Time) (err error) {
		l, err = ticker.TryAcquireTick(ctx, path, dueAt(due), leaseDuration)
		return err
	}
	finish := func(r runlog.Result) error { return l.Finish(ctx, leasehold.Outcome{Result: r}) }
	run := func(path string, due time.Time, r runlog.Result) error {
		if err := begin(path, due); err != nil {
			return err
		}
		return finish(r)
	}
	var last time.Time
	for range runlog.MaxRuns { // both logs are as long as they get
		last = time.Now()
		if err := run(root+"/done", last, runlog.Success); err != nil {
			return nil, err
		}
		if err := run(root+"/cycle", last, runlog.Failure); err != nil {
			return nil, err
		}
	}
	return []step{
		{peer: ours, works: []string{tickGranted, tickFinished}, do: func(int) ([]time.Duration, error) {
			time.Sleep(3 * skew)
			// After a failure with an attempt left the record is over, as it is after a
			// success once the next tick is due.
			return cycle(
				func() error { return begin(root+"/cycle", time.Now()) },
				func() error { return finish(runlog.Failure) })
		}},
		{peer: ours, works: []string{tickDenied}, do: func(int) ([]time.Duration, error) {
			return timed(func() error { return denied(ticker.TryAcquireTick(ctx, heldPath, dueAt(last), leaseDuration)) })
		}},
		{peer: ours, works: []string{tickDeniedByLog}, do: func(int) ([]time.Duration, error) {
			return timed(func() error {
				_, err := ticker.TryAcquireTick(ctx, root+"/done", dueAt(last), leaseDuration)
				if denial := (*leasehold.TickError)(nil); errors.As(err, &denial) && denial.Verdict == runlog.IsDone {
					return nil
				}
				return fmt.Errorf("got error %v, want that the tick is done", err)
			})
		}},
	}, nil
}

// dueAt returns a schedule with a tick that is due at that time, and for an hour.
func dueAt(due time.Time) leasehold.Schedule {
	return leasehold.Schedule{
		Name: "bench", Timezone: "UTC", Attempts: 2,
		Ticks: func(time.Time) (time.Time, time.Time, bool) { return due, due.Add(time.Hour), true },
	}
}
