package main

import (
	"strings"
	"testing"
	"time"

	"leasehold.example/leasehold/cmd/leasehold/internal/jobs"
	"leasehold.example/leasehold/runlog"
)

// A tick that is over is not run again, whatever was reopened.
func TestReopenedTooLate(t *testing.T) {
	t.Parallel()
	tick := time.Date(2026, 11, 25, 2, 0, 0, 0, time.UTC)
	j := jobs.Job{Log: runlog.Log{Head: runlog.Head{Schedule: "0 * * * *", Timezone: "UTC", Tick: tick}}}
	for after, want := range map[time.Duration]string{
		59 * time.Minute: "",
		time.Hour:        "too late for the tick of 2026-11-25T02:00:00Z, since that of 2026-11-25T03:00:00Z is due",
		5 * time.Hour:    "since that of 2026-11-25T03:00:00Z is due",
	} {
		line, warning := saysReopened(j, tick.Add(after))
		if line != "the tick of 2026-11-25T02:00:00Z may be run once more" || !strings.Contains(warning, want) || want == "" && warning != "" {
			t.Errorf("after %s: got %q and the warning %q, want the tick and %q", after, line, warning, want)
		}
	}
}
