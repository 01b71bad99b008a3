package history

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// An Interval is a time in which a process was allowed to act on one grant.
//
// It begins with the first Sample that said so. Each Sample at time t that said
// "for d more" makes it last until t+d, since the process may rely on that
// without another one; t was read before Remaining, so t+d is no later than what
// the library meant. The interval ends earlier
//
//   - where the process gave the lease up, at the time that it read before;
//   - where a Sample before t+d said that the lease is over, at the Sample before;
//   - where the process was killed.
//
// A process whose clocks stood still (StoodStill) can't know that at once: what it
// reads in the noticeTime after it went on, of a lease that it had asked for
// before, does not count.
type Interval struct {
	Run, Holder string
	Lease       int64
	Path        string
	Token       int64
	From, Until int64 // nanoseconds
	Seen        int64 // the last Sample that allowed it
	Promised    int64 // until when the Samples allowed it, whatever came after
}

func (i Interval) String() string {
	return fmt.Sprintf("%s (%s) acts on %s with token %d from %d to %d (%s)",
		i.Holder, i.Run, i.Path, i.Token, i.From, i.Until, time.Duration(i.Until-i.From))
}

// noticeTime is what docs/guarantees.md allows a machine that was paused: until
// the next ping, a third of the session's timeout, which is 4 s here, and a second
// to ask.
const noticeTime = int64(4*time.Second/3 + time.Second)

type grantID struct {
	run   string
	lease int64
}

// Intervals returns who was allowed to act, and when, in the order of From.
func Intervals(events []Event) []Interval {
	open := map[grantID]*Interval{}
	var all []*Interval
	closed := map[grantID]bool{}
	asked := map[grantID]int64{}
	resumed := map[string]int64{}
	for _, e := range inOrder(events) {
		id := grantID{e.Run, e.Lease}
		i := open[id]
		switch {
		case e.Kind == Call:
			asked[grantID{e.Run, e.Call}] = e.At
		case e.Kind == Healed && e.Fault == StoodStill:
			resumed[e.On] = e.At
		case e.Kind == Sample && e.Left > 0 && asked[id] < resumed[e.Run] && e.At < resumed[e.Run]+noticeTime:
			// The process does not know yet.
		case e.Kind == Sample && e.Left > 0 && !closed[id]:
			if i == nil {
				i = &Interval{
					Run: e.Run, Holder: e.Holder, Lease: e.Lease,
					Path: e.Path, Token: e.Token, From: e.At,
				}
				open[id] = i
				all = append(all, i)
			}
			i.Seen, i.Until = e.At, max(i.Until, e.At+e.Left)
			i.Promised = i.Until
		case e.Kind == Sample && i != nil && !closed[id]: // over
			if e.At < i.Until {
				i.Until = i.Seen
			}
			closed[id] = true
		case e.Kind == Sample:
			closed[id] = true
		case e.Kind == Stop:
			if i != nil && !closed[id] {
				i.Until = min(i.Until, e.At)
			}
			closed[id] = true
		case e.Kind == Ended:
			for id, i := range open {
				if id.run == e.Run {
					i.Until = min(i.Until, e.At)
					closed[id] = true
				}
			}
		}
	}
	intervals := make([]Interval, 0, len(all))
	for _, i := range all {
		if i.Until > i.From {
			intervals = append(intervals, *i)
		}
	}
	slices.SortStableFunc(intervals, func(a, b Interval) int { return cmp.Compare(a.From, b.From) })
	return intervals
}

// inOrder returns events in the order of time.
func inOrder(events []Event) []Event {
	sorted := slices.Clone(events)
	slices.SortStableFunc(sorted, func(a, b Event) int { return cmp.Compare(a.At, b.At) })
	return sorted
}
