package main

import (
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/jobs"
	"leasehold.example/leasehold/runlog"
)

// TestRunWithoutAnEnd: the host that ran the tick has died, and its lease is over.
func TestRunWithoutAnEnd(t *testing.T) {
	tick := time.Date(2026, 11, 25, 2, 0, 0, 0, time.UTC)
	j := jobs.Job{Status: leasehold.Status{State: leasehold.Expired, Holder: "host-a"}}
	j.Log.Runs = []runlog.Run{{ID: "1", Tick: tick, Holder: "host-a", Result: runlog.Running}}
	if got, want := describe(j, tick), "idle: the tick of 2026-11-25T02:00:00Z: unknown on host-a"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
