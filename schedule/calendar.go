package schedule

import "time"

// A wallTime is what the clocks of the zone show, in the seconds since 1970 that
// they would be if they showed UTC. No calendar of wall times skips or repeats any.
type wallTime int64

const (
	minute        = 60
	day           = 24 * 60 * minute
	minutesPerDay = 24 * 60

	// calendarYears is the period of the Gregorian calendar, days of the week and
	// all: what does not come within it never comes.
	calendarYears = 400
)

// atOrAfter returns the first time of the schedule at or after from.
func (s Schedule) atOrAfter(from wallTime) (wallTime, bool) {
	from = floor(from+minute-1, minute)
	date, ok := s.dayFrom(floor(from, day), +1)
	if !ok {
		return 0, false
	}
	if date == floor(from, day) {
		if m, ok := s.minuteFrom(int(from-date)/minute, +1); ok {
			return date + wallTime(m*minute), true
		}
		if date, ok = s.dayFrom(date+day, +1); !ok {
			return 0, false
		}
	}
	m, ok := s.minuteFrom(0, +1)
	return date + wallTime(m*minute), ok
}

// atOrBefore returns the last time of the schedule at or before to.
func (s Schedule) atOrBefore(to wallTime) (wallTime, bool) {
	to = floor(to, minute)
	date, ok := s.dayFrom(floor(to, day), -1)
	if !ok {
		return 0, false
	}
	if date == floor(to, day) {
		if m, ok := s.minuteFrom(int(to-date)/minute, -1); ok {
			return date + wallTime(m*minute), true
		}
		if date, ok = s.dayFrom(date-day, -1); !ok {
			return 0, false
		}
	}
	m, ok := s.minuteFrom(minutesPerDay-1, -1)
	return date + wallTime(m*minute), ok
}

// minuteFrom returns the nearest minute of a day, in the direction of step (1 or
// -1), at which the schedule is due.
func (s Schedule) minuteFrom(m, step int) (int, bool) {
	for ; 0 <= m && m < minutesPerDay; m += step {
		if has(s.hours, m/60) && has(s.minutes, m%60) {
			return m, true
		}
	}
	return 0, false
}

// dayFrom returns the nearest day, in the direction of step (1 or -1), on which the
// schedule is due.
func (s Schedule) dayFrom(date wallTime, step int) (wallTime, bool) {
	t := time.Unix(int64(date), 0).UTC()
	for last := t.AddDate(step*calendarYears, 0, 0); t.Before(last) == (step > 0); {
		switch {
		case has(s.months, int(t.Month())) && s.dueOn(t):
			return wallTime(t.Unix()), true
		case has(s.months, int(t.Month())):
			t = t.AddDate(0, 0, step)
		case step > 0:
			t = time.Date(t.Year(), t.Month()+1, 1, 0, 0, 0, 0, time.UTC)
		default:
			t = time.Date(t.Year(), t.Month(), 0, 0, 0, 0, 0, time.UTC) // the last day of the month before
		}
	}
	return 0, false
}

// dueOn reports whether the two fields of days allow t.
func (s Schedule) dueOn(t time.Time) bool {
	inMonth, inWeek := has(s.days, t.Day()), has(s.weekdays, int(t.Weekday()))
	if s.everyDay {
		return inMonth && inWeek
	}
	return inMonth || inWeek
}

func has(bits uint64, value int) bool { return bits>>value&1 == 1 }

// floor returns the largest multiple of unit that is not above w.
func floor(w, unit wallTime) wallTime {
	return w - (w%unit+unit)%unit
}
