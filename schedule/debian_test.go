package schedule_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/netresearch/go-cron"
	"pgregory.net/rapid"

	"leasehold.example/leasehold/schedule"
)

// A debianJob is an entry of a crontab, as cron.c looks at it. go-cron has parsed
// it; the flags are those that entry.c sets.
type debianJob struct {
	fields           *cron.SpecSchedule
	wild, bothFields bool
}

var libraryParser = cron.MustNewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)

func newDebianJob(t testing.TB, expression string) debianJob {
	parsed, err := libraryParser.Parse(expression)
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(expression)
	star := func(i int) bool { return f[i][0] == '*' }
	return debianJob{fields: parsed.(*cron.SpecSchedule), wild: star(0) || star(1), bothFields: star(2) || star(4)}
}

// matches is the condition in find_jobs, for a minute that the clocks show.
func (j debianJob) matches(minute int64) bool {
	wall := time.Unix(minute*60, 0).UTC()
	in := func(bits uint64, value int) bool { return bits&(1<<value) != 0 }
	dom, dow := in(j.fields.Dom, wall.Day()), in(j.fields.Dow, int(wall.Weekday()))
	days := dom || dow
	if j.bothFields {
		days = dom && dow
	}
	return in(j.fields.Minute, wall.Minute()) && in(j.fields.Hour, wall.Hour()) && in(j.fields.Month, int(wall.Month())) && days
}

// debianTicks returns when Debian's cron runs the job after from and up to until,
// by the main loop of cron.c, on a host that is never late.
func debianTicks(job debianJob, zone *time.Location, from, until time.Time) []time.Time {
	clock := func(t time.Time) int64 {
		_, offset := t.In(zone).Zone()
		return (t.Unix() + int64(offset)) / 60
	}
	var ticks []time.Time
	virtual := clock(from)
	for now := from.Add(time.Minute); !now.After(until); now = now.Add(time.Minute) {
		running := clock(now)
		ran := false
		run := func(minute int64, wild, fixed bool) {
			ran = ran || job.matches(minute) && (wild && job.wild || fixed && !job.wild)
		}
		switch late := running - virtual; {
		case late > 3*60: // the clock was wrong
			virtual = running
			run(virtual, true, true)
		case late > 5: // daylight saving begins
			run(running, true, false)
			for virtual < running {
				virtual++
				run(virtual, false, true)
			}
		case late > 0:
			for virtual < running {
				virtual++
				run(virtual, true, true)
			}
		case late > -3*60: // it ends
			run(running, true, false)
		default:
			virtual = running
			run(virtual, true, true)
		}
		if ran {
			ticks = append(ticks, now.UTC())
		}
	}
	return ticks
}

var zones = []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Santiago", "UTC"}

var expressions = []string{
	"* * * * *", "*/7 * * * *", "0 * * * *", "45 * * * *", "0,30 * * * *", "*/20 2 * * *", "* 0 * * *",
	"0 */2 * * *", "15 */3 * * *", "30 1 * * *", "0 2 * * *", "15 2 * * *", "30 2 * * *", "0 3 * * *", "30 1-3 * * *",
	"0,15,30,45 1-3 * * *", "5 0-23 * * *", "0-59 0-23 * * *", "0 0 * * *", "30 0 * * *", "30 23 * * *",
	"30 2 * * 0", "30 2 29 3 *", "30 2 25 10 0", "0 0 1-31/2 * MON", "0 0 */2 * SUN", "59 1,2 * MAR,APR,SEP-NOV *",
}

func mustParse(t testing.TB, expression, zone string) schedule.Schedule {
	s, err := schedule.Parse(expression, zone)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustLoad(t testing.TB, zone string) *time.Location {
	location, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	return location
}

// againstDebian compares the ticks from one instant to another, got by Next and by
// Previous, with Debian's, and returns the first difference.
func againstDebian(t testing.TB, expression, zone string, from, until time.Time) string {
	want := debianTicks(newDebianJob(t, expression), mustLoad(t, zone), from, until)
	s := mustParse(t, expression, zone)
	var up, down []time.Time
	for tick, ok := s.Next(from); ok && !tick.After(until); tick, ok = s.Next(tick) {
		up = append(up, tick)
	}
	for tick, ok := s.Previous(until); ok && tick.After(from); tick, ok = s.Previous(tick.Add(-1)) {
		down = append(down, tick)
	}
	slices.Reverse(down)
	for by, got := range map[string][]time.Time{"Next": up, "Previous": down} {
		for i := range max(len(got), len(want)) {
			if i >= len(got) || i >= len(want) || !got[i].Equal(want[i]) {
				return fmt.Sprintf("%q in %s: got by %s %s, want %s", expression, zone, by, got[i:min(i+3, len(got))], want[i:min(i+3, len(want))])
			}
		}
	}
	return ""
}

func checkAgainstDebian(t testing.TB, expression, zone string, from, until time.Time) {
	if difference := againstDebian(t, expression, zone, from, until); difference != "" {
		t.Error(difference)
	}
}

// changes returns the instants in a year at which the clocks of a zone change.
func changes(location *time.Location, year int) []time.Time {
	var all []time.Time
	for t := time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC); t.Year() == year; t = t.Add(time.Hour) {
		for _, half := range []time.Time{t, t.Add(30 * time.Minute)} {
			_, before := half.Add(-30 * time.Minute).In(location).Zone()
			if _, offset := half.In(location).Zone(); offset != before {
				all = append(all, half)
			}
		}
	}
	return all
}

// Ticks are those of Debian's cron through both changes of the clocks of a year.
func TestTicksAreDebians(t *testing.T) {
	t.Parallel()
	for _, zone := range zones {
		at := changes(mustLoad(t, zone), 2026)
		switch zone {
		case "UTC", "Asia/Kathmandu":
			if len(at) != 0 {
				t.Errorf("%s: got changes at %s, want none", zone, at)
			}
			at = []time.Time{time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC)}
		default:
			if len(at) != 2 {
				t.Errorf("%s: got changes at %s, want two", zone, at)
			}
		}
		for _, change := range at {
			for _, expression := range expressions {
				checkAgainstDebian(t, expression, zone, change.Add(-15*time.Hour), change.Add(15*time.Hour))
			}
		}
	}
}

// So they are where the clocks change by other times: by a day, by three hours, by
// 90, 60, 30, 20 and 15 minutes, and on the last day of a leap year.
func TestTicksAtRareChanges(t *testing.T) {
	t.Parallel()
	for _, change := range []struct{ zone, at string }{
		{"Pacific/Apia", "2011-12-30T10:00:00Z"},        // a day is skipped
		{"Antarctica/Casey", "2009-10-17T18:00:00Z"},    // 3 hours forward
		{"Antarctica/Casey", "2010-03-04T15:00:00Z"},    // 3 hours back
		{"Antarctica/Troll", "2026-03-29T01:00:00Z"},    // 2 hours forward
		{"Antarctica/Troll", "2026-10-25T01:00:00Z"},    // 2 hours back
		{"Asia/Pyongyang", "2015-08-14T15:00:00Z"},      // 30 minutes back
		{"America/Caracas", "2007-12-09T07:00:00Z"},     // 30 minutes back
		{"Asia/Kathmandu", "1985-12-31T18:30:00Z"},      // 15 minutes forward
		{"Pacific/Kwajalein", "1993-08-21T12:00:00Z"},   // a day is skipped
		{"America/Juneau", "1983-10-30T10:00:00Z"},      // 2 hours back
		{"Africa/Casablanca", "2026-02-15T02:00:00Z"},   // Ramadan
		{"America/Nuuk", "2026-03-29T01:00:00Z"},        // the evening before
		{"Europe/Berlin", "2048-12-31T12:00:00Z"},       // no change
		{"America/Santiago", "2048-12-31T12:00:00Z"},    // no change
		{"America/Los_Angeles", "2100-03-14T10:00:00Z"}, // far off
	} {
		at, err := time.Parse(time.RFC3339, change.at)
		if err != nil {
			t.Fatal(err)
		}
		for _, expression := range expressions {
			checkAgainstDebian(t, expression, change.zone, at.Add(-15*time.Hour), at.Add(15*time.Hour))
		}
	}
}

// So they are for random expressions, zones and times.
func TestRandomTicksAreDebians(t *testing.T) {
	t.Parallel()
	all := append(slices.Clone(zones), "Africa/Casablanca", "Pacific/Apia", "Antarctica/Troll", "America/Nuuk", "Asia/Tehran", "Africa/Cairo", "America/Caracas")
	rapid.Check(t, func(r *rapid.T) {
		expression, zone := expressionOf(r), rapid.SampledFrom(all).Draw(r, "zone")
		location := mustLoad(t, zone)
		from := time.Date(rapid.IntRange(1975, 2120).Draw(r, "year"), 1, rapid.IntRange(1, 366).Draw(r, "day"), 12, 0, 0, 0, time.UTC)
		if _, change := from.In(location).ZoneBounds(); !change.IsZero() && rapid.Bool().Draw(r, "change") {
			from = change.UTC().Truncate(time.Minute).Add(-30 * time.Hour) // 2038-01-19T03:14:07Z counts as one
		}
		if difference := againstDebian(t, expression, zone, from, from.Add(50*time.Hour)); difference != "" {
			r.Fatal(difference)
		}
	})
}

// expressionOf draws an expression that go-cron takes, too.
func expressionOf(r *rapid.T) string {
	field := func(name string, low, high, often int) string {
		item := func() string {
			from := rapid.IntRange(low, high-1).Draw(r, name)
			to := rapid.IntRange(from+1, high).Draw(r, name)
			step := rapid.IntRange(1, to-from).Draw(r, name)
			switch rapid.IntRange(0, 3).Draw(r, name) {
			case 0:
				return fmt.Sprintf("*/%d", rapid.IntRange(1, min(often, high-low)).Draw(r, name))
			case 1:
				return fmt.Sprintf("%d-%d", from, to)
			case 2:
				return fmt.Sprintf("%d-%d/%d", from, to, step)
			}
			return fmt.Sprintf("%d", rapid.IntRange(low, high).Draw(r, name))
		}
		if rapid.IntRange(0, 2).Draw(r, name) == 0 {
			return "*"
		}
		items := []string{item()}
		for rapid.Bool().Draw(r, name) && len(items) < 4 {
			items = append(items, item())
		}
		return strings.Join(items, ",")
	}
	return strings.Join([]string{
		field("minute", 0, 59, 30), field("hour", 0, 23, 6), field("day", 1, 31, 3), "*", field("weekday", 0, 7, 3),
	}, " ")
}
