package history

import (
	"fmt"
	"slices"
	"time"
)

// Ticks says what is expected of the ticks at a path.
type Ticks struct {
	Path     string
	Period   time.Duration // between ticks
	Attempts int           // that may be begun of each

	// Recover is how soon after the last fault each tick must be begun, whatever
	// the faults have left behind; 0 means that nobody expects it to be.
	Recover time.Duration
}

// CheckTicks returns what is wrong with the runs of ticks in events:
//
//   - attempts: more of them were begun than may be;
//   - overlap: two of them were allowed to act at one time, of whichever ticks;
//   - after success: somebody asked for a tick, and was granted it, after another
//     had been told that its success is recorded;
//   - missed: a tick was not begun though all was well.
func CheckTicks(events []Event, t Ticks) []Violation {
	var bad []Violation
	type lease struct {
		run    string
		number int64
	}
	var (
		asked    = map[lease]int64{} // when each call began
		begun    = map[int64]int{}
		recorded = map[int64]int64{} // when the first success of a tick was recorded
		quiet    int64               // by the wall clock, as the end
		end      int64
	)
	events = slices.DeleteFunc(inOrder(events), func(e Event) bool { return e.Path != "" && e.Path != t.Path })
	bad = append(bad, overlaps(Intervals(events))...)
	for _, e := range events {
		end = max(end, e.Wall)
		if e.Kind == Quiet {
			quiet = e.Wall
		}
		id := lease{e.Run, e.Lease}
		switch {
		case e.Kind == Call && e.Op == "tick":
			asked[lease{e.Run, e.Call}] = e.At
		case e.Kind == Result && e.Op == "tick" && e.Outcome == Granted:
			begun[e.Tick]++
			if n := begun[e.Tick]; n > t.Attempts {
				bad = append(bad, Violation{"attempts", fmt.Sprintf("attempt %d of %d: %s", n, t.Attempts, e)})
			}
			if at, ok := recorded[e.Tick]; ok && asked[id] > at {
				bad = append(bad, Violation{"after success", e.String()})
			}
		case e.Kind == Result && e.Op == "finish" && e.Outcome == Finished && e.Success:
			if _, ok := recorded[e.Tick]; !ok {
				recorded[e.Tick] = e.At
			}
		}
	}
	if t.Recover == 0 || quiet == 0 {
		return bad
	}
	period := t.Period.Nanoseconds()
	first := (quiet + t.Recover.Nanoseconds()) / period * period
	for due := first + period; due+period <= end; due += period {
		if begun[due/int64(time.Second)] == 0 {
			bad = append(bad, Violation{"missed", fmt.Sprintf("the tick of %s", time.Unix(0, due).UTC().Format(time.RFC3339))})
		}
	}
	return bad
}

// SummarizeTicks counts what CheckTicks has looked at.
func SummarizeTicks(events []Event, t Ticks) string {
	begun, second, finished, denied := map[int64]bool{}, 0, 0, 0
	for _, e := range events {
		switch {
		case e.Path != t.Path || e.Kind != Result:
		case e.Outcome == Granted:
			begun[e.Tick] = true
			if e.Attempt > 1 {
				second++
			}
		case e.Outcome == Finished:
			finished++
		case e.Outcome == Denied:
			denied++
		}
	}
	return fmt.Sprintf("%d ticks begun, %d further attempts, %d ends recorded, %d refusals", len(begun), second, finished, denied)
}
