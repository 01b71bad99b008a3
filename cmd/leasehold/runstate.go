package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/text"
	"leasehold.example/leasehold/runlog"
	"leasehold.example/leasehold/schedule"
)

// A leaseState is a lease's status together with its run log.
type leaseState struct {
	leasehold.Status
	log runlog.Log
	bad *leasehold.LogError // why there is no log; nil where there is one
}

// withLogs reads the run log of each of statuses.
func withLogs(ctx context.Context, c *leasehold.Client, statuses []leasehold.Status) ([]leaseState, error) {
	states := make([]leaseState, len(statuses))
	errs := make([]error, len(statuses))
	var wg sync.WaitGroup
	for i, s := range statuses {
		states[i].Status = s
		wg.Go(func() {
			var err error
			if states[i].log, err = c.Runs(ctx, s.Path); !errors.As(err, &states[i].bad) {
				errs[i] = err
			}
		})
	}
	wg.Wait()
	return states, errors.Join(errs...)
}

func withoutLogs(statuses []leasehold.Status) []leaseState {
	states := make([]leaseState, len(statuses))
	for i, s := range statuses {
		states[i].Status = s
	}
	return states
}

// What runs at a path, as "run" in JSON.
const (
	runIdle     = "idle"
	runRunning  = "running"
	runRetrying = "retrying"
	runPaused   = "paused"
)

// newest returns the newest attempt in the log, nil where there is none.
func (s leaseState) newest() *runlog.Run {
	for i, r := range s.log.Runs {
		if r.IsAttempt() {
			return &s.log.Runs[i]
		}
	}
	return nil
}

// run returns what goes on at the path, "" where nothing is known.
func (s leaseState) run() string {
	r, h := s.newest(), s.log.Head
	switch {
	case s.State == leasehold.Held && r != nil && r.Result == runlog.Running && r.Holder == s.Holder:
		return runRunning
	case h.Paused != nil:
		return runPaused
	case !h.RetryAt.IsZero() && !h.Done:
		return runRetrying
	case r != nil || h.Schedule != "":
		return runIdle
	}
	return ""
}

// describe says what goes on at the path, for people.
func (s leaseState) describe(now time.Time) string {
	r, h := s.newest(), s.log.Head
	last := ""
	if r != nil {
		what := "the run of " + text.Time(r.Started)
		if !r.Tick.IsZero() {
			what = "the tick of " + text.Time(r.Tick)
		}
		result := describeResult(*r)
		if r.Result == runlog.Running {
			result = string(runlog.Unknown) // its lease is over
		}
		last = fmt.Sprintf("%s: %s on %s", what, result, text.Cut(text.Escape(r.Holder), text.Column))
	}
	switch s.run() {
	case runRunning:
		return fmt.Sprintf("running for %s", text.Remaining(max(0, now.Sub(r.Started))))
	case runPaused:
		return fmt.Sprintf("paused by %s since %s: %s", text.Cut(text.Escape(h.Paused.By), text.Column), text.Time(h.Paused.Since), text.Printable(h.Paused.Reason))
	case runRetrying:
		return fmt.Sprintf("retrying from %s; %s", text.Time(h.RetryAt), last)
	case runIdle:
		words := runIdle
		if last != "" {
			words += ": " + last
		}
		if s, err := schedule.Parse(h.Schedule, h.Timezone); err == nil {
			if next, ok := s.Next(now); ok {
				words += ", next " + text.Time(next)
			}
		}
		return words
	}
	if s.bad != nil {
		return text.Printable(s.bad.Error())
	}
	return ""
}
