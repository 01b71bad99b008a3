package page

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"leasehold.example/leasehold/cmd/leasehold/internal/jobs"
	"leasehold.example/leasehold/runlog"
)

// maxTicks is how many ticks a lease's page shows.
const maxTicks = 60

// A mark is a tick in the picture, or a run where there is no schedule.
type mark struct {
	When     time.Time
	Outcome  jobs.Outcome
	Attempts int
	Took     time.Duration // its newest attempt, until now if it goes on; 0 where that is not known
	Height   int           // of its bar; 0 for none
}

const (
	barBottom    = 42 // from the top of the picture
	barHeight    = 40 // at most
	minBarHeight = 3
)

// Top is where the bar begins.
func (m mark) Top() int { return barBottom - m.Height }

// Text says what the mark shows.
func (m mark) Text() string {
	words := fmt.Sprintf("%s: %s", utc(m.When), m.Outcome)
	if m.Took > 0 {
		words += " in " + span(m.Took)
	}
	if m.Attempts > 1 {
		words += fmt.Sprintf(", %d attempts", m.Attempts)
	}
	return words
}

// A history is what the run log of a job tells.
type history struct {
	OfTicks bool   // the marks; else they are of runs
	Marks   []mark // the newest last
	Longest time.Duration
	Entries []entry // the newest first
}

func newHistory(r *row, now time.Time) history {
	var h history
	var ticks []jobs.Tick
	if s, ok := r.Schedule(); ok {
		h.OfTicks = true
		ticks = r.At(now).Ticks(s, now, maxTicks)
		for _, t := range ticks {
			m := mark{When: t.Due, Outcome: t.Outcome, Attempts: len(t.Runs)}
			if len(t.Runs) > 0 {
				m.Took = took(&t.Runs[0], t.Outcome == jobs.InRun, now)
			}
			h.Marks = append(h.Marks, m)
		}
	} else {
		for i := range r.Log.Runs {
			if run := &r.Log.Runs[i]; run.IsAttempt() {
				h.Marks = append(h.Marks, mark{When: run.Started, Outcome: jobs.Outcome(r.result(run)), Took: took(run, r.GoesOn(run), now)})
			}
		}
	}
	slices.Reverse(h.Marks)
	for _, m := range h.Marks {
		h.Longest = max(h.Longest, m.Took)
	}
	for i, m := range h.Marks {
		if m.Took > 0 {
			h.Marks[i].Height = minBarHeight + int((barHeight-minBarHeight)*m.Took.Seconds()/h.Longest.Seconds())
		}
	}
	h.addEntries(r, ticks)
	return h
}

// Summary says how many marks there are of which outcome.
func (h history) Summary() string {
	counts := make(map[jobs.Outcome]int)
	for _, m := range h.Marks {
		counts[m.Outcome]++
	}
	var words []string
	for _, o := range []jobs.Outcome{jobs.Succeeded, jobs.Failed, jobs.Lost, jobs.Unknown, jobs.Missed, jobs.InRun, jobs.Waiting} {
		if n := counts[o]; n > 0 {
			words = append(words, fmt.Sprintf("%d %s", n, o))
		}
	}
	return strings.Join(words, ", ")
}

// An entry is a row of the table of runs: a run, what was done by hand, or ticks that
// are without a run.
type entry struct {
	Tick   time.Time   // zero without a schedule
	Until  time.Time   // the last of several ticks; zero for one
	Count  int         // of ticks without a run
	Run    *runlog.Run // nil for them
	Result string
	Class  string // how loud it is shown
}

// Reason is why something was done by hand.
func (e entry) Reason() string {
	if e.Run == nil {
		return ""
	}
	return e.Run.Reason
}

// addEntries adds the log's entries, and between them the ticks that are without a run.
func (h *history) addEntries(r *row, ticks []jobs.Tick) {
	ticks = slices.DeleteFunc(slices.Clone(ticks), func(t jobs.Tick) bool { return len(t.Runs) > 0 })
	for i := range r.Log.Runs {
		run := &r.Log.Runs[i]
		when := run.Tick
		if when.IsZero() {
			when = run.Started
		}
		for ; len(ticks) > 0 && ticks[0].Due.After(when); ticks = ticks[1:] {
			h.addTick(ticks[0])
		}
		result := string(r.result(run))
		switch {
		case !run.IsAttempt():
			result += " by hand"
		case run.Signal != "":
			result += " (" + run.Signal + ")"
		case run.Exit != nil && *run.Exit != 0:
			result += fmt.Sprintf(" (exit %d)", *run.Exit)
		}
		h.Entries = append(h.Entries, entry{Tick: run.Tick, Run: run, Result: result, Class: class(jobs.Outcome(r.result(run)))})
	}
	for _, t := range ticks {
		h.addTick(t)
	}
}

// addTick adds a tick to the entries, several alike as one.
func (h *history) addTick(t jobs.Tick) {
	if n := len(h.Entries); n > 0 && h.Entries[n-1].Run == nil && h.Entries[n-1].Result == string(t.Outcome) {
		last := &h.Entries[n-1]
		if last.Until.IsZero() {
			last.Until = last.Tick
		}
		last.Tick = t.Due
		last.Count++
		return
	}
	h.Entries = append(h.Entries, entry{Tick: t.Due, Count: 1, Result: string(t.Outcome), Class: class(t.Outcome)})
}

// class says how loud an outcome is shown.
func class(o jobs.Outcome) string {
	switch o {
	case jobs.Succeeded:
		return "good"
	case jobs.Failed, jobs.Lost, jobs.Unknown, jobs.Missed:
		return "bad"
	case jobs.InRun:
		return "running"
	}
	return ""
}
