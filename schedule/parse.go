package schedule

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A Schedule is a cron expression in a time zone. Parse makes one; the zero
// Schedule is never due.
type Schedule struct {
	text, zone string
	location   *time.Location

	minutes, hours, days, months, weekdays uint64 // a bit for each value

	// everyDay: one of the two fields of days begins with *, so a day must be in both.
	everyDay bool
	// wild: the field of minutes or of hours begins with *.
	wild bool
}

// String returns the expression, with one space between its fields.
func (s Schedule) String() string { return s.text }

// Zone returns the name of the time zone.
func (s Schedule) Zone() string { return s.zone }

// maxLength is that of an expression: four times what naming every value takes, and
// little enough to store.
const maxLength = 1024

// Parse returns the schedule of a cron expression in the time zone of that IANA
// name: "UTC", or one like "Europe/Berlin". It takes no name that means another zone
// on another host. A schedule that is never due, as of 30 February, is no error: see
// Next.
func Parse(expression, zone string) (Schedule, error) {
	location, err := loadZone(zone)
	if err != nil {
		return Schedule{}, err
	}
	if len(expression) > maxLength {
		return Schedule{}, fmt.Errorf("schedule of %d bytes, want at most %d", len(expression), maxLength)
	}
	fields := strings.FieldsFunc(expression, func(r rune) bool { return r == ' ' || r == '\t' })
	s := Schedule{text: strings.Join(fields, " "), zone: zone, location: location}
	if err := s.parse(fields); err != nil {
		return Schedule{}, fmt.Errorf("schedule %q: %w", expression, err)
	}
	return s, nil
}

// loadZone refuses the names that package time and the host give a meaning of their
// own.
func loadZone(name string) (*time.Location, error) {
	switch name {
	case "":
		return nil, errors.New(`no time zone: name one, like "UTC" or "Europe/Berlin"`)
	case "Local", "localtime":
		return nil, fmt.Errorf(`time zone %q is another one on another host: name it, like "UTC" or "Europe/Berlin"`, name)
	}
	if known, ok := zones.Load(name); ok {
		return known.(*time.Location), nil
	}
	location, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf(`time zone %q is not known: want a name of the IANA database, like "UTC" or "Europe/Berlin": %w`, name, err)
	}
	zones.Store(name, location)
	return location, nil
}

// zones has those that were loaded, by their names. To load one takes 27 µs of the
// 29 µs of Parse, and who shows a fleet has 10,000 schedules to parse.
var zones sync.Map

var macros = map[string]string{
	"@hourly":   "0 * * * *",
	"@daily":    "0 0 * * *",
	"@midnight": "0 0 * * *",
	"@weekly":   "0 0 * * 0",
	"@monthly":  "0 0 1 * *",
	"@yearly":   "0 0 1 1 *",
	"@annually": "0 0 1 1 *",
}

func (s *Schedule) parse(fields []string) error {
	if len(fields) == 0 {
		return errors.New("it is empty")
	}
	switch first := fields[0]; {
	case first == "@reboot":
		return errors.New("@reboot is not a time that all hosts share")
	case first == "@every":
		return errors.New("@every counts from when a program starts, which all hosts do not share: give times, like */5 * * * *")
	case strings.HasPrefix(first, "@"):
		meaning, ok := macros[first]
		if !ok || len(fields) > 1 {
			return fmt.Errorf("want one of %s alone", strings.Join(slices.Sorted(maps.Keys(macros)), ", "))
		}
		fields = strings.Fields(meaning)
	case strings.HasPrefix(first, "TZ="), strings.HasPrefix(first, "CRON_TZ="):
		return errors.New("the time zone is given apart from it")
	}
	if len(fields) == 6 {
		return errors.New("it has 6 fields; want 5, without one for seconds or years")
	}
	if len(fields) != 5 {
		return fmt.Errorf("it has %d fields, want 5: minute, hour, day of month, month and day of week", len(fields))
	}
	for i, bits := range []*uint64{&s.minutes, &s.hours, &s.days, &s.months, &s.weekdays} {
		var err error
		if *bits, err = kinds[i].parse(fields[i]); err != nil {
			return fmt.Errorf("%s %q: %w", kinds[i].name, fields[i], err)
		}
	}
	const sunday, otherSunday = 1 << 0, 1 << 7
	if s.weekdays&otherSunday != 0 {
		s.weekdays = s.weekdays&^otherSunday | sunday
	}
	star := func(field int) bool { return strings.HasPrefix(fields[field], "*") }
	s.wild = star(0) || star(1)
	s.everyDay = star(2) || star(4)
	return nil
}

// A kind is one of the five kinds of fields.
type kind struct {
	name      string
	low, high int
	names     []string // of the values from low on
}

var kinds = [5]kind{
	{name: "minute", low: 0, high: 59},
	{name: "hour", low: 0, high: 23},
	{name: "day of month", low: 1, high: 31},
	{name: "month", low: 1, high: 12, names: []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
	{name: "day of week", low: 0, high: 7, names: []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
}

// parse returns the values of a field, a bit for each.
func (k kind) parse(field string) (bits uint64, err error) {
	for item := range strings.SplitSeq(field, ",") {
		values, stepText, hasStep := strings.Cut(item, "/")
		low, high, step := k.low, k.high, 1
		if values != "*" {
			first, last, isRange := strings.Cut(values, "-")
			if low, err = k.value(first); err != nil {
				return 0, err
			}
			high = low
			if isRange {
				if high, err = k.value(last); err != nil {
					return 0, err
				}
			} else if hasStep {
				return 0, fmt.Errorf("a step needs a range: write %s-%d/%s", first, k.high, stepText)
			}
			if low > high {
				return 0, fmt.Errorf("%s goes backwards: write two ranges with a comma between them", values)
			}
		}
		if hasStep {
			if step, err = number(stepText); err != nil || step == 0 {
				return 0, fmt.Errorf("step %q, want a number from 1", stepText)
			}
		}
		for value := low; value <= high; value += step {
			bits |= 1 << value
		}
	}
	return bits, nil
}

// value returns the value that a number or a name stands for.
func (k kind) value(text string) (int, error) {
	for i, name := range k.names {
		if strings.EqualFold(name, text) {
			return k.low + i, nil
		}
	}
	n, err := number(text)
	if err == nil && k.low <= n && n <= k.high {
		return n, nil
	}
	or := ""
	if k.names != nil {
		or = fmt.Sprintf(" or a name like %s", strings.ToUpper(k.names[1]))
	}
	return 0, fmt.Errorf("%q, want a number from %d to %d%s", text, k.low, k.high, or)
}

// number parses digits alone: strconv also takes a sign. It takes at most three
// digits, so that steps never overflow.
func number(text string) (int, error) {
	if len(text) > 3 || strings.Trim(text, "0123456789") != "" {
		return 0, strconv.ErrSyntax
	}
	return strconv.Atoi(text)
}
