package main

import (
	"strings"
	"testing"
	"time"

	"leasehold.example/leasehold/schedule"
)

func TestFindings(t *testing.T) {
	t.Parallel()
	from := time.Date(2026, 11, 26, 2, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		expression, zone string
		plan             plan
		want             []string // in this order, parts of them
	}{
		{"0 0 30 2 *", "UTC", plan{attempts: 1}, []string{"error: It is never due"}},
		{"0 2 * * *", "UTC", plan{attempts: 1}, []string{"ok: The shortest time between two ticks is 24h.", "ok: Fired only at the tick, nobody catches up", "ok: One attempt"}},
		{"0 2 * * *", "UTC", plan{attempts: 3, fired: 5 * time.Minute}, []string{"ok: ", "ok: Fired every 5m,", "ok: When a host dies midway, another takes over within 6m;"}},
		{"0 2 * * *", "UTC", plan{attempts: 3}, []string{"ok: ", "ok: ", "warning: Fired only at the tick, nobody takes over"}},
		{"*/5 * * * *", "UTC", plan{attempts: 1, duration: 5 * time.Minute}, []string{"ok: ", "ok: ", "ok: One"}},
		{"*/5 * * * *", "UTC", plan{attempts: 1, duration: 6 * time.Minute}, []string{"ok: The shortest time between two ticks is 5m.", "error: -d 6m is longer than that", "ok: ", "ok: "}},
		{"*/5 * * * *", "UTC", plan{attempts: 1, fired: time.Hour}, []string{"ok: ", "error: Fired every 1h, ticks are dropped", "ok: "}},
		{"*/5 * * * *", "UTC", plan{attempts: 4, fired: time.Minute}, []string{"ok: ", "ok: ", "warning: When hosts die midway, 4 attempts may not fit"}},
		{"*/5 * * * *", "UTC", plan{attempts: 5, fired: time.Minute}, []string{"ok: ", "ok: ", "error: 5 attempts do not fit between two ticks that are 5m apart"}},
		{"0 2 * * *", "UTC", plan{attempts: 1 << 40, duration: 1<<63 - 1, fired: 1<<63 - 1}, []string{"ok: ", "error: -d", "error: Fired", "error: 1099511627776 attempts do not fit"}},
		{"30 2 * * *", "Europe/Berlin", plan{attempts: 1}, []string{
			"ok: The shortest time between two ticks is 23h30m.", "ok: ", "ok: ",
			"ok: On 2027-03-28 the clocks skip 02:00 to 03:00: what is due in between is due once, at 03:00.",
			"ok: On 2027-10-31 the clocks show 02:00 to 03:00 twice: it is due in the first only.",
		}},
		{"*/20 2 * * *", "Europe/Berlin", plan{attempts: 1}, []string{
			"ok: ", "ok: ", "ok: ", "ok: On 2027-03-28 the clocks skip 02:00 to 03:00: it is not due in between, and next on 2027-03-29 at 02:00.", "twice: it is due in both.",
		}},
		{"0 12 * * *", "Europe/Berlin", plan{attempts: 1}, []string{"is 23h.", "ok: ", "ok: "}},
		{"0 0 29 2 *", "UTC", plan{attempts: 1}, []string{"is 1461 days.", "ok: ", "ok: "}},
	} {
		s, err := schedule.Parse(test.expression, test.zone)
		if err != nil {
			t.Fatal(err)
		}
		if test.plan.zone, err = time.LoadLocation(test.zone); err != nil {
			t.Fatal(err)
		}
		test.plan.from = from
		got := findings(s, test.plan)
		if len(got) != len(test.want) {
			t.Errorf("%q, %+v: got %q, want %q", test.expression, test.plan, got, test.want)
			continue
		}
		for i, found := range got {
			if line := found.Level + ": " + found.Text; !strings.Contains(line, test.want[i]) {
				t.Errorf("%q, %+v: got %q, want %q", test.expression, test.plan, line, test.want[i])
			}
		}
	}
}
