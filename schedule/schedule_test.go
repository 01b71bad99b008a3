package schedule_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"leasehold.example/leasehold/schedule"
)

// The table of the package comment: what is due at the changes of the clocks.
func TestChangesOfTheClocks(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		expression, zone, from string
		want                   []string
	}{
		{"30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", []string{"2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"}}, // skipped: at the jump
		{"30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", []string{"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}}, // twice: the first
		{"30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", []string{"2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z"}},
		{"30 * * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", []string{"2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z"}},
		{"@hourly", "Europe/Berlin", "2026-10-25T00:00:00Z", []string{"2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z"}},
		{"*/20 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", []string{"2026-03-30T00:00:00Z"}}, // wild: not in an hour that is skipped
		{"*/30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", []string{"2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z"}},
		{"0,30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", []string{"2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"}}, // both at the jump: one tick
		{"30 1-3 * * *", "Europe/Berlin", "2026-10-24T22:00:00Z", []string{"2026-10-24T23:30:00Z", "2026-10-25T00:30:00Z", "2026-10-25T02:30:00Z"}},
		{"@daily", "America/Santiago", "2026-09-05T12:00:00Z", []string{"2026-09-06T04:00:00Z", "2026-09-07T03:00:00Z"}},
		{"30 23 * * *", "America/Santiago", "2026-04-04T12:00:00Z", []string{"2026-04-05T02:30:00Z", "2026-04-06T03:30:00Z"}},
		{"15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", []string{"2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"}},
		{"45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00:00Z", []string{"2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"}},
	} {
		s := mustParse(t, test.expression, test.zone)
		tick, err := time.Parse(time.RFC3339, test.from)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range test.want {
			next, ok := s.Next(tick)
			if got := next.Format(time.RFC3339); !ok || got != want {
				t.Errorf("%q in %s after %s: got %s, %v, want %s", test.expression, test.zone, tick, got, ok, want)
			}
			tick = next
		}
	}
}

// What is never due is said to be, and soon.
func TestNeverDue(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)
	for _, s := range []schedule.Schedule{mustParse(t, "0 0 30 2 *", "Europe/Berlin"), mustParse(t, "* * 31 2,4,6,9,11 *", "UTC"), {}} {
		if got, ok := s.Next(now); ok {
			t.Errorf("Next of %q: got %s, want none", s, got)
		}
		if got, ok := s.Previous(now); ok {
			t.Errorf("Previous of %q: got %s, want none", s, got)
		}
		if got, ok := s.ShortestGap(now); ok {
			t.Errorf("ShortestGap of %q: got %s, want none", s, got)
		}
	}
	seldom := mustParse(t, "0 0 29 2 */7", "UTC") // a 29 February that is a Sunday
	if got, _ := seldom.Next(time.Date(2088, 3, 1, 0, 0, 0, 0, time.UTC)); got != time.Date(2128, 2, 29, 0, 0, 0, 0, time.UTC) {
		t.Errorf("Next of %q: got %s, want 2128-02-29", seldom, got)
	}
	for _, far := range []time.Time{{}, time.Unix(1<<62, 0), time.Unix(-1<<62, 0), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)} {
		seldom.Next(far)
		seldom.Previous(far)
	}
}

func TestShortestGap(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	for _, test := range []struct {
		expression, zone string
		want             time.Duration
	}{
		{"* * * * *", "Europe/Berlin", time.Minute},
		{"*/7 * * * *", "UTC", 4 * time.Minute},
		{"*/5 * * * *", "Australia/Lord_Howe", 5 * time.Minute},
		{"0 * * * *", "Europe/Berlin", time.Hour},
		{"45 * * * *", "Australia/Lord_Howe", 30 * time.Minute}, // 01:45 twice, half an hour apart
		{"0 */2 * * *", "UTC", 2 * time.Hour},
		{"0 */2 * * *", "Europe/Berlin", time.Hour},        // 02:00 twice
		{"5 0-23 * * *", "Europe/Berlin", 5 * time.Minute}, // 02:05 at 03:00, then 03:05
		{"5 0-23 29 3 *", "Europe/Berlin", 5 * time.Minute},
		{"5 0-23 1 5 *", "Europe/Berlin", time.Hour},
		{"0 2 * * *", "UTC", day},
		{"0 2 * * *", "Europe/Berlin", 23 * time.Hour},
		{"30 2 * * *", "Europe/Berlin", 23*time.Hour + 30*time.Minute}, // at the jump, 30 minutes after what would be 02:30 on the day before
		{"0 2 * * MON-FRI", "UTC", day},
		{"59 23,0 1 * *", "UTC", 23 * time.Hour},
		{"0 0 1 * *", "UTC", 28 * day},
		{"0 0 1 1 *", "UTC", 365 * day},
		{"0 0 29 2 *", "UTC", 1461 * day},
		{"0 23 29 2 */7", "Etc/GMT+5", 28*365*day + 7*day}, // once in 28 years, and in UTC on 1 March
	} {
		if got, ok := mustParse(t, test.expression, test.zone).ShortestGap(now); !ok || got != test.want {
			t.Errorf("%q in %s: got %s, %v, want %s", test.expression, test.zone, got, ok, test.want)
		}
	}
}

// No two ticks are nearer than the shortest gap.
func TestShortestGapIsShortest(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		expression, zone := expressionOf(r), rapid.SampledFrom(zones).Draw(r, "zone")
		s := mustParse(t, expression, zone)
		now := time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)
		shortest, ok := s.ShortestGap(now)
		at := now.AddDate(rapid.IntRange(0, 38).Draw(r, "years"), 0, rapid.IntRange(0, 365).Draw(r, "days"))
		if change := changes(mustLoad(t, zone), 2030); len(change) > 0 && rapid.Bool().Draw(r, "change") {
			at = rapid.SampledFrom(change).Draw(r, "at").Add(-3 * time.Hour)
		}
		for range 100 {
			tick, due := s.Next(at)
			next, dueAgain := s.Next(tick)
			if gap := next.Sub(tick); due && dueAgain && next.Before(now.AddDate(40, 0, 0)) && (!ok || gap < shortest) {
				r.Fatalf("%q in %s: got %s, %v, and %s to %s is %s", expression, zone, shortest, ok, tick, next, gap)
			}
			at = tick
		}
	})
}

func TestParse(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"0 2 * * *":                  "0 2 * * *",
		"  */5\t*  * JAN-mar,12 Sun": "*/5 * * JAN-mar,12 Sun",
		"@daily":                     "@daily",
		"0 0 1 1 7":                  "0 0 1 1 7",
		"*/60 * * * *":               "*/60 * * * *", // Debian's cron takes it: minute 0
		"08 09 * * *":                "08 09 * * *",
	} {
		if s, err := schedule.Parse(given, "Europe/Berlin"); err != nil || s.String() != want || s.Zone() != "Europe/Berlin" {
			t.Errorf("%q: got %q, %q, %v, want %q", given, s, s.Zone(), err, want)
		}
	}
	for macro, meaning := range map[string]string{
		"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
		"@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
	} {
		at := time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)
		m, s := mustParse(t, macro, "Europe/Berlin"), mustParse(t, meaning, "Europe/Berlin")
		for range 50 {
			got, _ := m.Next(at)
			want, _ := s.Next(at)
			if got != want {
				t.Fatalf("%s after %s: got %s, want %s", macro, at, got, want)
			}
			at = got
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ expression, zone, want string }{
		{"", "UTC", "it is empty"},
		{" \t", "UTC", "it is empty"},
		{"0 2 * *", "UTC", "it has 4 fields, want 5"},
		{"0 0 2 * * *", "UTC", "want 5, without one for seconds or years"},
		{"0 2 * * * echo hello", "UTC", "it has 7 fields, want 5"},
		{"0 2 * *\n*", "UTC", "4 fields"},
		{"@reboot", "UTC", "@reboot is not a time"},
		{"@every 5m", "UTC", "@every counts from when a program starts"},
		{"@fortnightly", "UTC", "want one of @annually, @daily,"},
		{"@daily 5", "UTC", "alone"},
		{"TZ=UTC 0 2 * * *", "UTC", "the time zone is given apart"},
		{"CRON_TZ=UTC 0 2 * * *", "UTC", "the time zone is given apart"},
		{"60 2 * * *", "UTC", `minute "60": "60", want a number from 0 to 59`},
		{"0 24 * * *", "UTC", `hour "24"`},
		{"0 0 0 * *", "UTC", `day of month "0"`},
		{"0 0 1 13 *", "UTC", `month "13": "13", want a number from 1 to 12 or a name like FEB`},
		{"0 0 1 * 8", "UTC", `day of week "8": "8", want a number from 0 to 7 or a name like MON`},
		{"0 0 * * MONDAY", "UTC", `"MONDAY", want`},
		{"0 0 * JUNE *", "UTC", `"JUNE", want`},
		{"JAN 0 * * *", "UTC", `"JAN", want`},
		{"0 22-2 * * *", "UTC", "22-2 goes backwards: write two ranges"},
		{"0 0 * * FRI-SUN", "UTC", "FRI-SUN goes backwards"},
		{"61-5 0 * * *", "UTC", `"61", want`},
		{"5/15 * * * *", "UTC", "a step needs a range: write 5-59/15"},
		{"*/0 * * * *", "UTC", `step "0"`},
		{"*/-1 * * * *", "UTC", `step "-1"`},
		{"*/5/5 * * * *", "UTC", `step "5/5"`},
		{"1-2-3 * * * *", "UTC", `"2-3", want`},
		{"1,,2 * * * *", "UTC", `"", want`},
		{", * * * *", "UTC", `"", want`},
		{"+5 * * * *", "UTC", `"+5", want`},
		{"-5 * * * *", "UTC", `"", want`},
		{"*-5 * * * *", "UTC", `"*", want`},
		{"*5 * * * *", "UTC", `"*5", want`},
		{"? * * * *", "UTC", `"?", want`},
		{"H * * * *", "UTC", `"H", want`},
		{"0 0 L * *", "UTC", `"L", want`},
		{"0 0 15W * *", "UTC", `"15W", want`},
		{"0 0 * * 5#3", "UTC", `"5#3", want`},
		{"99999999999999999999 * * * *", "UTC", "want a number"},
		{"٣ * * * *", "UTC", "want a number"},
		{strings.Repeat("0,", 600) + "0 * * * *", "UTC", "want at most 1024"},
		{"0 2 * * *", "", `no time zone: name one, like "UTC"`},
		{"0 2 * * *", "Local", `time zone "Local" is another one on another host`},
		{"0 2 * * *", "localtime", "is another one on another host"},
		{"0 2 * * *", "Berlin", `time zone "Berlin" is not known: want a name`},
		{"0 2 * * *", "../../etc/passwd", "is not known"},
	} {
		_, err := schedule.Parse(test.expression, test.zone)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q in %q: got %v, want %q", test.expression, test.zone, err, test.want)
		}
	}
}

// Where the library go-cron differs: why it is compared with, and not used. When this
// fails, it may have become fit for use.
func TestLibraryDiffers(t *testing.T) {
	t.Parallel()
	for _, wrong := range []string{"61-5 * * * *", "1,,2 * * * *", ", * * * *", "+5 * * * *", "*-5 * * * *", "0 0 * * FRI-TUE/2", "5/15 * * * *"} {
		if _, err := libraryParser.Parse(wrong); err != nil {
			t.Errorf("go-cron, %q: got %v, want no error", wrong, err)
		}
		if _, err := schedule.Parse(wrong, "UTC"); err == nil {
			t.Errorf("%q: got no error, want one", wrong)
		}
	}
	if _, err := libraryParser.Parse("*/60 * * * *"); err == nil {
		t.Error("go-cron, */60: got no error, want one")
	}
	nightly, err := libraryParser.Parse("CRON_TZ=Europe/Berlin 30 2 * * *")
	if err != nil {
		t.Fatal(err)
	}
	spring := nightly.Next(time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC))
	if want := time.Date(2026, 3, 29, 1, 30, 0, 0, time.UTC); !spring.Equal(want) {
		t.Errorf("go-cron in spring: got %s, want %s", spring, want)
	}
	first := nightly.Next(time.Date(2026, 10, 24, 12, 0, 0, 0, time.UTC))
	if second := nightly.Next(first); second.Sub(first) != time.Hour {
		t.Errorf("go-cron in autumn: got %s and %s, want an hour between", first, second)
	}
}
