package schedule_test

import (
	"strings"
	"testing"
	"time"

	"leasehold.example/leasehold/schedule"
)

// FuzzParse: whatever is parsed, Parse does not panic, reads its own String, and
// takes no more than go-cron does but for a step that leaves one value. Its ticks are
// in order, and Previous finds those that Next does.
func FuzzParse(f *testing.F) {
	for i, expression := range expressions {
		f.Add(expression, zones[i%len(zones)], int64(1_774_745_999+i*86_400))
	}
	for _, expression := range []string{"@weekly", "@every 1h", "0 0 30 2 *", "22-2 * * * *", "0 0 29 2 */7", "*/99 * * * *"} {
		f.Add(expression, "Africa/Casablanca", int64(1<<62))
	}
	f.Fuzz(func(t *testing.T, expression, zone string, at int64) {
		s, err := schedule.Parse(expression, zone)
		if err != nil {
			if s != (schedule.Schedule{}) {
				t.Fatalf("%q: got %+v with the error %v, want none", expression, s, err)
			}
			return
		}
		if again, err := schedule.Parse(s.String(), s.Zone()); err != nil || again.String() != s.String() {
			t.Fatalf("%q: got %q and %v of its own String %q", expression, again, err, s)
		}
		if _, err := libraryParser.Parse(s.String()); err != nil && s.String()[0] != '@' && !strings.Contains(err.Error(), "must be less than range size") {
			t.Fatalf("%q: got no error, want go-cron's %v", expression, err)
		}
		from := time.Unix(at, 0)
		next, ok := s.Next(from)
		if !ok {
			return
		}
		if !next.After(from) {
			t.Fatalf("%q in %s: got Next %s of %s, want a later one", s, zone, next, from)
		}
		if got, _ := s.Previous(next); got != next {
			t.Fatalf("%q in %s: got Previous %s of the tick %s, want itself", s, zone, got, next)
		}
		if before, ok := s.Previous(next.Add(-1)); ok {
			if before.After(from) {
				t.Fatalf("%q in %s: got a tick %s between %s and its Next %s", s, zone, before, from, next)
			}
			if got, _ := s.Next(before); got != next {
				t.Fatalf("%q in %s: got Next %s of %s, want %s", s, zone, got, before, next)
			}
		}
	})
}
