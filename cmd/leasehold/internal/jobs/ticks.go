package jobs

import (
	"slices"
	"time"

	"leasehold.example/leasehold/runlog"
	"leasehold.example/leasehold/schedule"
)

// An Outcome says how a tick went.
type Outcome string

const (
	Succeeded Outcome = "success"
	Failed    Outcome = "failure" // as its last attempt
	Lost      Outcome = "lost"    // likewise
	Unknown   Outcome = "unknown" // its last attempt has not reported its end, and is over
	InRun     Outcome = "running"
	Waiting   Outcome = "waiting" // nobody has run it yet, and no later tick is due
	Missed    Outcome = "missed"  // nobody has run it, and a later tick is due
)

// A Tick is one time at which a job was due.
type Tick struct {
	Due     time.Time
	Outcome Outcome
	Runs    []runlog.Run // its attempts that the log has, the newest first
}

// Failures returns how many of its attempts did not succeed.
func (t Tick) Failures() int {
	n := 0
	for _, r := range t.Runs {
		if r.Result == runlog.Failure || r.Result == runlog.Lost || r.Result == runlog.Unknown {
			n++
		}
	}
	return n
}

// Ticks returns the newest ticks of s that are due, the newest first, at most most
// of them. It ends where the log may have been cut, at its oldest tick; and from
// before the schedule was first seen there are none but those that were run.
func (j Job) Ticks(s schedule.Schedule, now time.Time, most int) []Tick {
	var ticks []Tick
	oldest := j.oldest()
	due, ok := s.Previous(now)
	for isNewest := true; ok && len(ticks) < most && !due.Before(oldest); due, ok = s.Previous(due.Add(-time.Nanosecond)) {
		if t := j.tick(due, isNewest); len(t.Runs) > 0 || !due.Before(j.Log.Head.Since) {
			ticks = append(ticks, t)
		}
		isNewest = false
	}
	return ticks
}

// oldest returns the oldest tick in the log, or, without one, when its schedule
// was first seen.
func (j Job) oldest() time.Time {
	oldest := time.Time{}
	for _, r := range j.Log.Runs {
		if !r.Tick.IsZero() && (oldest.IsZero() || r.Tick.Before(oldest)) {
			oldest = r.Tick
		}
	}
	if oldest.IsZero() {
		return j.Log.Head.Since
	}
	return oldest
}

// tick says how the tick of that time went; isNewest is set if no later one is due.
func (j Job) tick(due time.Time, isNewest bool) Tick {
	t := Tick{Due: due}
	for _, r := range j.Log.Runs {
		if r.IsAttempt() && r.Tick.Equal(due) {
			t.Runs = append(t.Runs, r)
		}
	}
	running := j.running()
	isSuccess := func(r runlog.Run) bool { return r.Result == runlog.Success }
	reopened := j.Log.Head.Tick.Equal(due) && !j.Log.Head.Done // if there was a success
	switch {
	case running != nil && running.Tick.Equal(due):
		t.Outcome = InRun
	case !reopened && (slices.ContainsFunc(t.Runs, isSuccess) || j.Log.Head.LastSuccess.Equal(due)):
		t.Outcome = Succeeded
	case len(t.Runs) > 0:
		t.Outcome = Outcome(t.Runs[0].Result)
		if t.Outcome == InRun { // it has not reported its end, and its lease is over
			t.Outcome = Unknown
		}
	case isNewest:
		t.Outcome = Waiting
	default:
		t.Outcome = Missed
	}
	return t
}
