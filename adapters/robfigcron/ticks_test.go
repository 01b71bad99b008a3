package robfigcron_test

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/robfig/cron/v3"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/adapters/robfigcron"
)

// seconds reads expressions with a field for seconds.
var seconds = cron.NewParser(cron.Second | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	l, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestTicks: the ticks are the times at which cron starts jobs, one after another, also
// where the clocks change. (Where they change by half an hour, as on Lord Howe Island,
// cron contradicts itself: it leaves out a day that it would not from a minute later.)
func TestTicks(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for _, spec := range []string{
		"*/2 * * * * *", "59 59 23 * * *", "0 30 2 * * *", "0 0 0 * * *", "0 0 0 29 2 *", "0 0 12 1 * 1", "0 */7 3-5 * * 0", "@hourly", "TZ=Asia/Tokyo 0 0 9 * * 1-5",
	} {
		for _, name := range []string{"UTC", "Europe/Berlin", "America/Sao_Paulo", "America/New_York"} {
			in := zone(t, name)
			times, err := seconds.Parse(spec)
			if err != nil {
				t.Fatal(err)
			}
			s, err := robfigcron.Schedule(spec, times, in)
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				due := times.Next(time.Unix(1_500_000_000+random.Int64N(300_000_000), 0).In(in))
				for range 10 {
					next := times.Next(due)
					if next.IsZero() { // 29 February 2096: 2100 has none
						break
					}
					for _, at := range []time.Time{due, due.Add(time.Millisecond), due.Add(next.Sub(due) / 2), next.Add(-time.Nanosecond)} {
						gotDue, gotNext, ok := s.Ticks(at.UTC())
						if !ok || !gotDue.Equal(due) || !gotNext.Equal(next) {
							t.Fatalf("%q in %s at %s: got %s and %s, %t, want %s and %s", spec, name, at.UTC(), gotDue, gotNext, ok, due.UTC(), next.UTC())
						}
					}
					due = next
				}
			}
		}
	}
}

func TestNoTicks(t *testing.T) {
	t.Parallel()
	never, err := cron.ParseStandard("0 0 30 2 *")
	if err != nil {
		t.Fatal(err)
	}
	s, err := robfigcron.Schedule("0 0 30 2 *", never, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	if due, next, ok := s.Ticks(time.Now()); ok {
		t.Errorf("on 30 February: got %s and %s, want none", due, next)
	}
}

func TestScheduleArguments(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		spec string
		zone *time.Location
		want string // the zone; "" if it is refused
	}{
		"UTC":               {"0 2 * * *", time.UTC, "UTC"},
		"a zone":            {"0 2 * * *", zone(t, "Europe/Berlin"), "Europe/Berlin"},
		"a zone of its own": {"CRON_TZ=Asia/Tokyo 0 2 * * *", time.UTC, "Asia/Tokyo"},
		"no zone":           {"0 2 * * *", nil, ""},
		"the host's zone":   {"0 2 * * *", time.FixedZone("Local", 3600), ""},
		"an interval":       {"@every 5m", time.UTC, ""},
	} {
		times, err := cron.ParseStandard(c.spec)
		if err != nil {
			t.Fatal(err)
		}
		s, err := robfigcron.Schedule(c.spec, times, c.zone)
		var bad *leasehold.ArgumentError
		if (c.want == "") != errors.As(err, &bad) || s.Timezone != c.want {
			t.Errorf("%s: got the zone %q and error %v, want the zone %q", what, s.Timezone, err, c.want)
		}
	}
	if _, err := robfigcron.Schedule("", nil, time.UTC); err == nil {
		t.Error("without times: got no error")
	}
}
