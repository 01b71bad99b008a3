package schedule

import "time"

// Next returns the first tick after t, in UTC, and false if there is none: the
// schedule is never due, or t is not in the years 1 to 9999.
func (s Schedule) Next(t time.Time) (time.Time, bool) {
	if s.location == nil || !inRange(t) {
		return time.Time{}, false
	}
	var searched, w wallTime // nothing is due from the one to the other
	for at := t.Unix() + 1; ; {
		p := s.periodOf(at)
		from := p.first
		if at > p.start {
			from = max(from, wallTime(at+p.offset))
		}
		if from < searched || from > w || w == searched {
			var ok bool
			if w, ok = s.atOrAfter(from); !ok {
				return time.Time{}, false
			}
			searched = from
		}
		if tick := p.instant(w); tick < p.end {
			return time.Unix(tick, 0).UTC(), true
		}
		at = p.end
	}
}

// Previous returns the newest tick at or before t, in UTC, and false if there is
// none: the schedule is never due, or t is not in the years 1 to 9999.
func (s Schedule) Previous(t time.Time) (time.Time, bool) {
	if s.location == nil || !inRange(t) {
		return time.Time{}, false
	}
	var searched, w wallTime // nothing is due from the one back to the other
	for at := t.Unix(); ; {
		p := s.periodOf(at)
		to := wallTime(at + p.offset)
		if to > searched || to < w || w == searched {
			var ok bool
			if w, ok = s.atOrBefore(to); !ok {
				return time.Time{}, false
			}
			searched = to
		}
		if w >= p.first {
			return time.Unix(p.instant(w), 0).UTC(), true
		}
		at = p.start - 1
	}
}

// Around returns the newest tick at or before t and the one after it, and false
// unless there are both.
func (s Schedule) Around(t time.Time) (due, next time.Time, ok bool) {
	due, ok = s.Previous(t)
	next, okNext := s.Next(t)
	return due, next, ok && okNext
}

// gapYears is for how long ShortestGap looks ahead: it is the longest time from one
// 29 February on a Sunday to the next. In 28 of them a zone's last Sunday of March,
// say, has been on each date that it can be on.
const gapYears = 40

// ShortestGap returns the shortest time between two ticks in the 40 years after
// from, and false if there are not two. It looks at the changes of the clocks, too:
// 5 0-23 * * * in Europe/Berlin is due at 03:00 and 03:05 when an hour is skipped.
func (s Schedule) ShortestGap(from time.Time) (time.Duration, bool) {
	first, ok := s.Next(from)
	if !ok {
		return 0, false
	}
	until := first.AddDate(gapYears, 0, 0)
	shortest, found := time.Duration(0), false
	see := func(from, to time.Time) {
		if gap := to.Sub(from); !found || gap < shortest {
			shortest, found = gap, true
		}
	}
	// Between changes of the clocks, gaps are those of the calendar.
	_, offset := first.In(s.location).Zone()
	s.calendarGaps(wallTime(first.Unix()+int64(offset)), wallTime(until.Unix()), see)
	// The others are those around a change: at it two ticks can be one, or near.
	for p := s.periodOf(first.Unix()); p.end < until.Unix(); {
		change := time.Unix(p.end, 0)
		before, _ := s.Previous(change.Add(-time.Second))
		after, ok := s.Next(change.Add(-time.Second))
		if !ok {
			break
		}
		if !before.Before(first) {
			see(before, after)
		}
		if after.Equal(change) {
			if next, ok := s.Next(after); ok {
				see(after, next)
			}
		}
		p = s.periodOf(after.Unix())
	}
	return shortest, found
}

// calendarGaps calls see for the gaps between wall times from one day to another:
// those within a day, and those from a day to the next that is due.
func (s Schedule) calendarGaps(from, until wallTime, see func(from, to time.Time)) {
	at := func(date wallTime, m int) time.Time { return time.Unix(int64(date)+int64(m)*minute, 0) }
	first, _ := s.minuteFrom(0, +1)
	last := first
	for m, ok := s.minuteFrom(first+1, +1); ok; m, ok = s.minuteFrom(m+1, +1) {
		see(at(0, last), at(0, m))
		last = m
	}
	for date, ok := s.dayFrom(floor(from, day), +1); ok; {
		next, more := s.dayFrom(date+day, +1)
		if !more || next > until {
			return
		}
		see(at(date, last), at(next, first))
		if next == date+day {
			return // no two days are nearer
		}
		date = next
	}
}

// A period is the time between two changes of a zone's clocks.
type period struct {
	start, end int64    // instants, in seconds since 1970: from start, to before end
	offset     int64    // what the clocks show less UTC
	first      wallTime // the first wall time that is due in it
}

// instant returns when the wall time w is due: at the period's start if the clocks
// skipped it there.
func (p period) instant(w wallTime) int64 {
	return max(int64(w)-p.offset, p.start)
}

// What Debian's cron takes for a change of daylight saving (cron.c, main): its
// minutes are counted from the last one before the change to the first after it.
const (
	maxSetBack   = 180 * minute
	maxSkipped   = 179 * minute
	smallSkipped = 4 * minute // then it takes itself for late, and runs all jobs
)

// periodOf returns the period with that instant.
//
// A job that is not wild goes on from the wall time at which the period before
// ended. If the clocks skipped times, those are due at the start; if they were set
// back, nothing is until they show new times. A wild one goes by the clocks alone.
func (s Schedule) periodOf(at int64) period {
	t := time.Unix(at, 0).In(s.location)
	_, offset := t.Zone()
	start, end := t.ZoneBounds()
	p := period{start: minInstant, end: maxInstant, offset: int64(offset), first: minInstant}
	if !end.IsZero() {
		p.end = end.Unix()
	}
	if p.end <= at { // package time ends a leap year a day early (Go 1.26: time.tzset)
		p.end = at - at%day + day
	}
	if start.IsZero() {
		return p
	}
	p.start = start.Unix()
	_, before := start.Add(-time.Second).Zone()
	skipped := p.offset - int64(before)
	goesOn := -maxSetBack <= skipped && skipped <= maxSkipped
	if s.wild {
		goesOn = 0 <= skipped && skipped <= smallSkipped
	}
	p.first = wallTime(p.start + p.offset)
	if goesOn {
		p.first -= wallTime(skipped)
	}
	return p
}

// Before and after every instant that a search can reach.
const (
	minInstant = -1 << 40
	maxInstant = 1 << 40
)

var yearOne, yearTenThousand = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)

func inRange(t time.Time) bool {
	return !t.Before(yearOne) && t.Before(yearTenThousand)
}
