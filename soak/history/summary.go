package history

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// A Summary says how much happened in a run.
type Summary struct {
	Holders, Processes int
	Length             time.Duration
	Calls              map[string]int           // that returned, by operation
	Outcomes           map[Outcome]int          // of all calls
	Faults             map[string]int           // by name
	LongestGap         map[string]Gap           // by the fault's name: the longest time without a holder
	Changes            int                      // of records, in the servers' logs
	Early, TakenBack   int                      // takeovers before another holder's end, and those of which it has the lease again
	Busy               map[string]time.Duration // per lease: how long somebody could act
}

// A Gap is a time in which nobody could act on a lease.
type Gap struct {
	Path     string
	Duration time.Duration
}

// Summarize counts what happened in h.
func Summarize(h History) Summary {
	s := Summary{
		Calls: map[string]int{}, Outcomes: map[Outcome]int{}, Faults: map[string]int{},
		LongestGap: map[string]Gap{}, Changes: len(h.Changes), Busy: map[string]time.Duration{},
	}
	events := inOrder(h.Events)
	holders, runs := map[string]bool{}, map[string]bool{}
	for _, e := range events {
		switch e.Kind {
		case Started:
			holders[e.Holder], runs[e.Run] = true, true
		case Result:
			s.Calls[e.Op]++
			s.Outcomes[e.Outcome]++
		case Fault:
			s.Faults[e.Fault]++
		}
	}
	s.Holders, s.Processes = len(holders), len(runs)
	if len(events) > 0 {
		s.Length = time.Duration(events[len(events)-1].At - events[0].At)
	}
	recs, _ := readRecords(h.Changes, h.KazooSkew.Nanoseconds())
	for _, line := range recs {
		for n, state := range line {
			if state.isEarly() && state.token == state.zxid {
				s.Early++
			}
			if n > 0 && line[n-1].isEarly() && !state.isEarly() && state.token != state.zxid && state.token != line[n-1].token {
				s.TakenBack++
			}
		}
	}
	byPath := map[string][]Interval{}
	for _, i := range Intervals(events) {
		byPath[i.Path] = append(byPath[i.Path], i)
		s.Busy[i.Path] += time.Duration(i.Until - i.From)
	}
	for path, intervals := range byPath {
		for _, gap := range gaps(intervals) {
			s.attribute(events, path, gap[0], gap[1])
		}
	}
	return s
}

// gaps returns when nobody could act, between the first interval and the last.
func gaps(intervals []Interval) [][2]int64 {
	var all [][2]int64
	until := intervals[0].Until
	for _, i := range intervals[1:] {
		if i.From > until {
			all = append(all, [2]int64{until, i.From})
		}
		until = max(until, i.Until)
	}
	return all
}

// attribute puts a gap down to every fault that lasted at some time in it.
func (s *Summary) attribute(events []Event, path string, from, to int64) {
	type broken struct{ fault, on string }
	began := map[broken]int64{}
	note := func(fault string) {
		if long := time.Duration(to - from); long > s.LongestGap[fault].Duration {
			s.LongestGap[fault] = Gap{path, long}
		}
	}
	any := false
	for _, e := range events {
		switch b := (broken{e.Fault, e.On}); {
		case e.Kind == Fault:
			began[b] = e.At
		case e.Kind == Healed:
			if began[b] < to && e.At > from {
				any = true
				note(e.Fault)
			}
			delete(began, b)
		}
	}
	if !any {
		note("no fault")
	}
}

func (s Summary) String() string {
	var b strings.Builder
	calls := 0
	for _, n := range s.Calls {
		calls += n
	}
	fmt.Fprintf(&b, "%d holders, %d processes, %s: %d calls, %d changes in the servers' logs\n",
		s.Holders, s.Processes, s.Length.Round(time.Second), calls, s.Changes)
	fmt.Fprintf(&b, "calls:    %s\n", counts(s.Calls))
	fmt.Fprintf(&b, "outcomes: %s\n", counts(s.Outcomes))
	fmt.Fprintf(&b, "faults:   %s\n", counts(s.Faults))
	fmt.Fprintf(&b, "early takeovers: %d, %d of them taken back\n", s.Early, s.TakenBack)
	for _, path := range slices.Sorted(maps.Keys(s.Busy)) {
		fmt.Fprintf(&b, "%s: somebody could act for %s\n", path, s.Busy[path].Round(time.Second))
	}
	b.WriteString("longest time without a holder:")
	for _, fault := range slices.Sorted(maps.Keys(s.LongestGap)) {
		fmt.Fprintf(&b, "\n  %-28s %6s  %s", fault, s.LongestGap[fault].Duration.Round(100*time.Millisecond), s.LongestGap[fault].Path)
	}
	return b.String()
}

func counts[K ~string](m map[K]int) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%d %s", m[k], k))
	}
	return strings.Join(parts, ", ")
}
