// Package jobs says what is known of the job at a lease path: who has the lease,
// what runs, how the newest ticks went, and whether somebody should look at it. It
// judges what others have read, and asks no store but in [Read].
package jobs

import (
	"context"
	"errors"
	"sync"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/runlog"
	"leasehold.example/leasehold/schedule"
)

// A Job is a lease's status together with its run log.
type Job struct {
	leasehold.Status
	Log      runlog.Log
	LogError *leasehold.LogError // why there is no log; nil where there is one
	Record   []byte              // as it is stored; nil where it was not kept
}

// Read reads the run log of each of statuses.
func Read(ctx context.Context, c *leasehold.Client, statuses []leasehold.Status) ([]Job, error) {
	jobs := WithoutLogs(statuses)
	errs := make([]error, len(jobs))
	var wg sync.WaitGroup
	for i, j := range jobs {
		wg.Go(func() {
			var err error
			if jobs[i].Log, err = c.Runs(ctx, j.Path); !errors.As(err, &jobs[i].LogError) {
				errs[i] = err
			}
		})
	}
	wg.Wait()
	return jobs, errors.Join(errs...)
}

// WithoutLogs returns jobs of which only the statuses are known.
func WithoutLogs(statuses []leasehold.Status) []Job {
	jobs := make([]Job, len(statuses))
	for i, s := range statuses {
		jobs[i].Status = s
	}
	return jobs
}

// A RunState says what goes on at a path. It is "" where nothing is known.
type RunState string

const (
	Idle     RunState = "idle"
	Running  RunState = "running"
	Retrying RunState = "retrying" // the newest tick has failed, and may be tried again
	Paused   RunState = "paused"
)

// EndedAgo returns how long ago the lease has ended; ok is false unless it has, and
// was not released.
func (j Job) EndedAgo(now time.Time) (ago time.Duration, ok bool) {
	return max(0, now.Sub(j.End)), j.State == leasehold.Expired
}

// Run returns what goes on at the path at the moment now.
func (j Job) Run(now time.Time) RunState {
	newest, head := j.Newest(), j.Log.Head
	switch {
	case j.running() != nil:
		return Running
	case head.Paused != nil:
		return Paused
	case !head.RetryAt.IsZero() && !head.Done && !j.isPast(head.Tick, now):
		return Retrying
	case newest != nil || head.Schedule != "":
		return Idle
	}
	return ""
}

// running returns the attempt that goes on, nil where none does.
func (j Job) running() *runlog.Run {
	if r := j.Newest(); r != nil && r.Result == runlog.Running && j.State == leasehold.Held && !j.ByKazoo && r.Holder == j.Holder {
		return r
	}
	return nil
}

// Newest returns the newest attempt in the log, nil where there is none. That its
// result is still "running" does not mean that it runs: its host may have died.
func (j Job) Newest() *runlog.Run {
	for i, r := range j.Log.Runs {
		if r.IsAttempt() {
			return &j.Log.Runs[i]
		}
	}
	return nil
}

// LastEnded returns the newest attempt that has reported its end, nil for none.
func (j Job) LastEnded() *runlog.Run {
	for i, r := range j.Log.Runs {
		if r.IsAttempt() && !r.Ended.IsZero() {
			return &j.Log.Runs[i]
		}
	}
	return nil
}

// Schedule returns the log's schedule; ok is false where it has none.
func (j Job) Schedule() (s schedule.Schedule, ok bool) {
	if j.Log.Head.Schedule == "" {
		return s, false
	}
	s, err := schedule.Parse(j.Log.Head.Schedule, j.Log.Head.Timezone)
	return s, err == nil // else another program's
}

// Next returns when the job is due next, the zero time where that is not known.
func (j Job) Next(now time.Time) time.Time {
	s, ok := j.Schedule()
	if !ok {
		return time.Time{}
	}
	next, _ := s.Next(now)
	return next
}

// isPast reports whether a later tick than that is due by the log's schedule.
func (j Job) isPast(tick, now time.Time) bool {
	s, ok := j.Schedule()
	if !ok {
		return false
	}
	next, ok := s.Next(tick)
	return ok && !now.Before(next)
}

// At returns j as it is at the moment now if nothing has changed since it was read.
func (j Job) At(now time.Time) Job {
	j.Status = j.Status.At(now)
	return j
}
