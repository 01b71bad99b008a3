package main

import (
	"fmt"
	"time"

	"leasehold.example/leasehold/cmd/leasehold/internal/jobs"
	"leasehold.example/leasehold/cmd/leasehold/internal/text"
	"leasehold.example/leasehold/runlog"
)

// describe says what goes on at a path, for people.
func describe(j jobs.Job, now time.Time) string {
	r, h := j.Newest(), j.Log.Head
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
	switch j.Run(now) {
	case jobs.Running:
		return fmt.Sprintf("running for %s", text.Remaining(max(0, now.Sub(r.Started))))
	case jobs.Paused:
		return fmt.Sprintf("paused by %s since %s: %s", text.Cut(text.Escape(h.Paused.By), text.Column), text.Time(h.Paused.Since), text.Printable(h.Paused.Reason))
	case jobs.Retrying:
		return fmt.Sprintf("retrying from %s; %s", text.Time(h.RetryAt), last)
	case jobs.Idle:
		words := string(jobs.Idle)
		if last != "" {
			words += ": " + last
		}
		if next := j.Next(now); !next.IsZero() {
			words += ", next " + text.Time(next)
		}
		return words
	}
	if j.LogError != nil {
		return text.Printable(j.LogError.Error())
	}
	return ""
}
