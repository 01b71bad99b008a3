package main

import (
	"fmt"
	"time"

	"leasehold.example/leasehold/schedule"
)

// A finding is a sentence about a plan.
type finding struct {
	Level string `json:"level"`
	Text  string `json:"text"`
}

const (
	levelOK      = "ok"
	levelWarning = "warning"
	levelError   = "error" // it can't work
)

// A plan is what is asked about a schedule.
type plan struct {
	zone     *time.Location
	from     time.Time
	duration time.Duration // 0: the default
	attempts int
	fired    time.Duration // how often leasehold is started; 0: at the ticks alone
}

// The time until a tick may be tried again after a failure: it doubles.
const (
	firstRetry = 30 * time.Second
	lastRetry  = 6 * time.Minute
)

// findings says what will happen, and what can't work. It is pure.
func findings(s schedule.Schedule, p plan) []finding {
	var found []finding
	say := func(level, format string, args ...any) {
		found = append(found, finding{level, fmt.Sprintf(format, args...)})
	}
	if _, ok := s.Next(p.from); !ok {
		say(levelError, "It is never due: no date is like that.")
		return found
	}
	gap, ok := s.ShortestGap(p.from)
	if !ok { // once in 40 years, and no limit to anything
		say(levelOK, "It is due once in the next 40 years.")
		return found
	}
	say(levelOK, "The shortest time between two ticks is %s.", span(gap))
	if p.duration == 0 {
		p.duration = max(min(gap/3, time.Minute), time.Second)
	}
	if p.duration > gap {
		say(levelError, "-d %s is longer than that: when a host dies midway, its lease outlasts the next tick, which is then late, or dropped.", span(p.duration))
	}
	p.sayFired(gap, say)
	p.sayAttempts(gap, say)
	for change := range changesOf(p.zone, p.from) {
		change.say(s, say)
	}
	return found
}

type sayFunc func(level, format string, args ...any)

// sayFired says what becomes of hosts that are late.
func (p plan) sayFired(gap time.Duration, say sayFunc) {
	switch {
	case p.fired == 0:
		say(levelOK, "Fired only at the tick, nobody catches up: if no host is up then, that tick is missed.")
	case p.fired > gap:
		say(levelError, "Fired every %s, ticks are dropped: some are only %s apart, and older ticks than the newest are not run.", span(p.fired), span(gap))
	default:
		say(levelOK, "Fired every %s, a tick that was missed is run within %s of a host being up, if the next is not due by then.", span(p.fired), span(p.fired))
	}
}

// sayAttempts says what happens when a host dies, or COMMAND fails.
func (p plan) sayAttempts(gap time.Duration, say sayFunc) {
	if p.attempts == 1 {
		say(levelOK, "One attempt: when a host dies midway, or COMMAND fails, that tick is not run again.")
		return
	}
	failing, dying := time.Duration(0), time.Duration(0)
	retry := firstRetry
	for range p.attempts - 1 {
		failing += max(retry, p.fired)
		dying = min(dying, gap) + min(p.duration, gap) + min(p.fired, gap) // far from what an int64 holds
		retry = min(2*retry, lastRetry)
		if failing >= gap {
			break
		}
	}
	switch {
	case failing >= gap:
		say(levelError, "%d attempts do not fit between two ticks that are %s apart: even if each fails at once, the last may begin only %s or more after the tick.", p.attempts, span(gap), span(failing))
	case p.fired == 0:
		say(levelWarning, "Fired only at the tick, nobody takes over when a host dies midway, or COMMAND fails: fire more often, or let hosts --wait.")
	case dying >= gap:
		say(levelWarning, "When hosts die midway, %d attempts may not fit between two ticks that are %s apart: each takes up to %s to be taken over.", p.attempts, span(gap), span(p.duration+p.fired))
	default:
		say(levelOK, "When a host dies midway, another takes over within %s; when COMMAND fails, it is tried again after %s to %s, and then when leasehold is next fired.", span(p.duration+p.fired), span(firstRetry), span(lastRetry))
	}
}

// A change is one of a zone's clocks.
type change struct {
	at            time.Time
	before, after time.Duration // what the clocks show less UTC
}

// changesOf yields the changes of a zone's clocks in the year after from.
func changesOf(zone *time.Location, from time.Time) func(yield func(change) bool) {
	return func(yield func(change) bool) {
		offset := func(t time.Time) time.Duration {
			_, seconds := t.In(zone).Zone()
			return time.Duration(seconds) * time.Second
		}
		for t := from; ; {
			_, end := t.In(zone).ZoneBounds()
			if end.IsZero() || end.After(from.AddDate(1, 0, 0)) {
				return
			}
			if !end.After(t) { // see schedule: package time ends some years too early
				end = t.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
			}
			c := change{at: end, before: offset(end.Add(-time.Second)), after: offset(end)}
			if c.before != c.after && !yield(c) {
				return
			}
			t = end
		}
	}
}

// say says what happens to times that the clocks skip, or show twice.
func (c change) say(s schedule.Schedule, say sayFunc) {
	// What the clocks show, as if it were UTC: there nothing is skipped.
	from, to := c.at.Add(c.before).UTC(), c.at.Add(c.after).UTC()
	skips := from.Before(to)
	if !skips {
		from, to = to, from
	}
	wall, err := schedule.Parse(s.String(), "UTC")
	if err != nil {
		return // it has been parsed before
	}
	if first, ok := wall.Next(from.Add(-time.Second)); !ok || !first.Before(to) {
		return
	}
	const clock = "15:04"
	next, _ := s.Next(c.at.Add(-time.Second))
	day, first, last := from.Format(time.DateOnly), from.Format(clock), to.Format(clock)
	switch {
	case skips && next.Equal(c.at):
		say(levelOK, "On %s the clocks skip %s to %s: what is due in between is due once, at %s.", day, first, last, last)
	case skips:
		say(levelOK, "On %s the clocks skip %s to %s: it is not due in between, and next on %s.", day, first, last, next.Add(c.after).UTC().Format(time.DateOnly+" at "+clock))
	case next.Before(c.at.Add(to.Sub(from))):
		say(levelOK, "On %s the clocks show %s to %s twice: it is due in both.", day, first, last)
	default:
		say(levelOK, "On %s the clocks show %s to %s twice: it is due in the first only.", day, first, last)
	}
}

// span prints a duration without zero minutes and seconds.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= 2*day && d%day == 0 {
		return fmt.Sprintf("%d days", d/day)
	}
	text := d.String()
	for _, zero := range []struct{ long, short string }{{"m0s", "m"}, {"h0m", "h"}} {
		if n := len(text) - len(zero.long); n > 0 && text[n:] == zero.long {
			text = text[:n] + zero.short
		}
	}
	return text
}
