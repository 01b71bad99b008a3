package main

import (
	"strings"
	"testing"
	"time"

	"leasehold.example/leasehold/runlog"
)

// The newest tick that is due may still be run; the ones before it can't be.
func TestMissedTicks(t *testing.T) {
	t.Parallel()
	at := func(minute, second int) time.Time { return time.Date(2026, 11, 25, 2, minute, second, 0, time.UTC) }
	log := runlog.Log{
		Head: runlog.Head{Schedule: "* * * * *", Timezone: "UTC", Since: at(0, 0), Tick: at(3, 0)},
		Runs: []runlog.Run{{Tick: at(3, 0), Attempt: 1, Holder: "host-a", Result: runlog.Success}, {Tick: at(1, 0), Attempt: 1, Holder: "host-a", Result: runlog.Success}},
	}
	for _, test := range []struct {
		now  time.Time
		want string
	}{
		{at(3, 30), "03 success, 02 missed, 01 success"},
		{at(4, 0), "03 success, 02 missed, 01 success"},
		{at(4, 59), "03 success, 02 missed, 01 success"},
		{at(5, 0), "04 missed, 03 success, 02 missed, 01 success"},
	} {
		var b strings.Builder
		if err := writeHistory(&b, log, test.now); err != nil {
			t.Fatal(err)
		}
		var rows []string
		for _, row := range strings.Split(strings.TrimSpace(b.String()), "\n")[1:] {
			fields := strings.Fields(row)
			rows = append(rows, fields[0][len("2026-11-25T02:"):len("2026-11-25T02:00")]+" "+fields[len(fields)-1])
		}
		if got := strings.Join(rows, ", "); got != test.want {
			t.Errorf("at %s: got %s, want %s", test.now, got, test.want)
		}
	}
}
