package history

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"leasehold.example/leasehold/soak/txnlog"
)

// A Violation is a rule that a history breaks, and where.
type Violation struct {
	Rule string
	Text string
}

func (v Violation) String() string { return v.Rule + ": " + v.Text }

// A History is all that is known of one run.
type History struct {
	Events  []Event
	Changes []txnlog.Change // from the servers, in order

	// Slots is the number of slots of each path that has them.
	Slots map[string]int

	// Progress is how long each lease may take after the last fault until
	// it is granted again; 0 means that nobody expects it to be.
	Progress time.Duration

	// KazooSkew is by how much a kazoo client's clock may run ahead.
	KazooSkew time.Duration
}

// Check returns what is wrong with h:
//
//   - overlap: two holders were allowed to act on one lease at one time, or
//     more holders than slots;
//   - token: a later grant, or a later interval, has a token that is not
//     greater;
//   - no record: somebody was told of a grant, a renewal, a release or a denial
//     that the servers' logs don't have;
//   - lost record: a record went to another holder or went away before its
//     end, and was not released; or a holder was told that its lease is lost
//     though it had not ended and nobody had touched it;
//   - early grant: somebody was told of a grant that was made before another
//     holder's end;
//   - progress: a lease was not granted again after the faults.
func Check(h History) []Violation {
	recs, bad := readRecords(h.Changes, h.KazooSkew.Nanoseconds())
	events := inOrder(h.Events)
	fillTokens(events, recs)
	intervals := Intervals(events)
	bad = append(bad, overlaps(intervals)...)
	bad = append(bad, slots(intervals, h.Slots)...)
	bad = append(bad, tokens(events, intervals)...)
	bad = append(bad, results(events, intervals, recs)...)
	if h.Progress > 0 {
		bad = append(bad, progress(events, recs, h.Progress)...)
	}
	return bad
}

// fillTokens gives the grants of kazoo, which knows of no tokens, those of the
// records that it wrote.
func fillTokens(events []Event, recs records) {
	found := map[grantID]int64{}
	for i, e := range events {
		id := grantID{e.Run, e.Lease}
		switch {
		case e.Token != 0 || e.Lease == 0:
		case e.Kind == Result && e.Outcome == Granted:
			for _, s := range recs[e.Path] {
				if s.token == s.zxid && s.record.Holder == e.Holder && s.record.End.Unix() == e.End && s.time <= e.Wall/1e6 {
					found[id] = s.token
				}
			}
			events[i].Token = found[id]
		default:
			events[i].Token = found[id]
		}
	}
}

// overlaps compares the intervals at one path at a time; a slot has its own.
func overlaps(intervals []Interval) []Violation {
	var bad []Violation
	open := map[string][]Interval{}
	for _, i := range intervals { // by From
		still := open[i.Path][:0]
		for _, other := range open[i.Path] {
			if other.Until <= i.From {
				continue
			}
			still = append(still, other)
			if other.Holder != i.Holder {
				bad = append(bad, Violation{"overlap", fmt.Sprintf("for %s: %s; %s",
					time.Duration(min(i.Until, other.Until)-i.From), other, i)})
			}
		}
		open[i.Path] = append(still, i)
	}
	return bad
}

// slots counts the holders that act at once below a path.
func slots(intervals []Interval, limits map[string]int) []Violation {
	var bad []Violation
	for path, limit := range limits {
		var open []Interval
		for _, i := range intervals {
			if !strings.HasPrefix(i.Path, path+"/") {
				continue
			}
			open = slices.DeleteFunc(open, func(other Interval) bool { return other.Until <= i.From })
			open = append(open, i)
			holders := map[string]bool{}
			for _, other := range open {
				holders[other.Holder] = true
			}
			if len(holders) > limit {
				bad = append(bad, Violation{"overlap", fmt.Sprintf("%d holders on the %d slots of %s: %v", len(holders), limit, path, open)})
			}
		}
	}
	return bad
}

// tokens compares each grant with all that had returned before its call began,
// and each interval with those that began earlier.
func tokens(events []Event, intervals []Interval) []Violation {
	var bad []Violation
	before := map[grantID]map[string]Event{} // the greatest token at each path when the call began
	greatest := map[string]Event{}
	for _, e := range events {
		id := grantID{e.Run, e.Call}
		switch {
		case e.Kind == Call && e.Op != "renew" && e.Op != "release" && e.Op != "hold":
			before[id] = map[string]Event{}
			for path, g := range greatest {
				if path == e.Path || strings.HasPrefix(path, e.Path+"/") {
					before[id][path] = g
				}
			}
		case e.Kind == Result && e.Outcome == Granted && e.Token != 0:
			if g, ok := before[id][e.Path]; ok && g.Token >= e.Token {
				bad = append(bad, Violation{"token", fmt.Sprintf("%d, granted after %d: %s; %s", e.Token, g.Token, g, e)})
			}
			if e.Token > greatest[e.Path].Token {
				greatest[e.Path] = e
			}
		}
	}
	last := map[string]Interval{}
	for _, i := range intervals {
		if before, ok := last[i.Path]; ok && i.Token <= before.Token && (i.Run != before.Run || i.Lease != before.Lease) {
			bad = append(bad, Violation{"token", fmt.Sprintf("%s; later %s", before, i)})
		}
		if i.Token >= last[i.Path].Token {
			last[i.Path] = i
		}
	}
	return bad
}

// results compares what processes were told with what the servers did.
func results(events []Event, intervals []Interval, recs records) []Violation {
	var bad []Violation
	acted := map[grantID]Interval{}
	for _, i := range intervals {
		acted[grantID{i.Run, i.Lease}] = i
	}
	for _, e := range events {
		if e.Kind != Result {
			continue
		}
		line := recs[e.Path]
		of := func(s state) bool { return s.token == e.Token && e.Token != 0 && s.time <= e.Wall/1e6 }
		seen := true
		switch e.Outcome {
		case Granted, Renewed:
			seen = line.has(func(s state) bool {
				return of(s) && s.record.Holder == e.Holder && s.record.End.Unix() == e.End
			})
			if line.has(func(s state) bool { return of(s) && s.isEarly() }) {
				bad = append(bad, Violation{"early grant", e.String()})
			}
		case Released:
			seen = line.has(func(s state) bool { return of(s) && s.record.IsReleased() })
		case Denied:
			seen = e.By == "" || // kazoo doesn't say
				slices.ContainsFunc(recs.below(e.Path), func(line timeline) bool {
					return line.has(func(s state) bool {
						return s.token != 0 && s.record.Holder == e.By && (s.record.End.Unix() == e.End || s.isEarly() && s.heldUntil == e.End) && s.time <= e.Wall/1e6
					})
				})
		case Lost:
			i, known := acted[grantID{e.Run, e.Lease}]
			grace := min(e.Duration/5, int64(10*time.Second)) // Hold gives up this much earlier
			if known && e.At < i.Promised-grace && !line.touched(e) && !line.renewed(e, i) {
				bad = append(bad, Violation{"lost record", fmt.Sprintf("with %s left, and nobody has touched the record: %s", time.Duration(i.Promised-e.At), e)})
			}
		}
		if !seen {
			bad = append(bad, Violation{"no record", e.String()})
		}
	}
	return bad
}

func (line timeline) has(match func(state) bool) bool { return slices.ContainsFunc(line, match) }

// touched reports whether the lease that e tells the loss of was taken over,
// granted anew, released or removed before. To be taken over early is no loss.
func (line timeline) touched(e Event) bool {
	return line.has(func(s state) bool {
		early := s.isEarly() && s.former != nil && s.former.token == e.Token
		return s.zxid > e.Token && s.time <= e.Wall/1e6 && !early && (s.token != e.Token || s.record.IsReleased() || s.record.Holder != e.Holder)
	})
}

// renewed reports whether the lease that e tells the loss of may have been
// renewed since its holder was last told how much is left. After a renewal that
// was long under way it can be less: it counts from the sending.
func (line timeline) renewed(e Event, i Interval) bool {
	const underWay = 10_000 // milliseconds; renewals last no longer here
	from := (e.Wall-e.At+i.Seen)/1e6 - underWay
	return line.has(func(s state) bool {
		return s.token == e.Token && s.zxid != e.Token && s.time >= from && s.time <= e.Wall/1e6
	})
}

// progress wants a grant of each lease within a time after the last fault.
func progress(events []Event, recs records, within time.Duration) []Violation {
	var quiet, last int64
	for _, e := range events {
		if e.Kind == Quiet {
			quiet = e.At
		}
		last = e.At
	}
	granted := map[string]bool{}
	for _, e := range events {
		if e.Kind == Result && e.Outcome == Granted && e.At >= quiet && e.At <= quiet+within.Nanoseconds() {
			granted[e.Path] = true
		}
	}
	var bad []Violation
	for path := range recs {
		switch {
		case granted[path] && quiet != 0:
		case quiet == 0 || last < quiet+within.Nanoseconds():
			bad = append(bad, Violation{"progress", fmt.Sprintf("%s was not granted, and the history has no quiet end of %s", path, within)})
		default:
			bad = append(bad, Violation{"progress", fmt.Sprintf("%s was not granted within %s after the faults", path, within)})
		}
	}
	return bad
}
