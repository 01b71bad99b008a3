package web_test

import (
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/jobs"
	"leasehold.example/leasehold/runlog"
)

func TestMetrics(t *testing.T) {
	t.Parallel()
	failed := nightly("/failed")
	failed.State = leasehold.Free
	tick := failed.Log.Head.Tick
	one := 1
	failed.Log.Head.LastSuccess, failed.Log.Head.LastSuccessEnd, failed.Log.Head.Done = time.Time{}, time.Time{}, false
	failed.Log.Runs = []runlog.Run{
		{ID: "2", Tick: tick, Holder: "host-b", Started: tick.Add(time.Hour), Result: runlog.Unknown},
		{ID: "1", Tick: tick, Holder: "host-a", Started: tick, Ended: tick.Add(90 * time.Second), Result: runlog.Failure, Exit: &one},
	}
	killed := nightly("/killed")
	killed.Log.Runs[0].Exit, killed.Log.Runs[0].Signal, killed.Log.Runs[0].Result = nil, "SIGKILL", runlog.Failure
	running := nightly("/running")
	running.Log.Runs = append([]runlog.Run{{ID: "3", Holder: "host-a", Started: tick.Add(time.Hour), Result: runlog.Running}}, running.Log.Runs...)
	fresh := held("/fresh", "host-a") // a tick was refused, and none was run
	fresh.State = leasehold.Free
	fresh.Log.Head = runlog.Head{Schedule: "0 0 1 1 *", Timezone: "UTC", Since: time.Now()}
	s := serve(t, nil, failed, fresh, killed, held("/library", `host "a"`), running, held("/slots/1", "host-a"))
	got := s.get(t, "/metrics")
	at := func(t time.Time) string { return fmt.Sprintf("%g", float64(t.Unix())) }
	for _, line := range []string{
		`leasehold_store_up 1`,
		`leasehold_run_last_success_timestamp_seconds{path="/failed"} 0`,
		`leasehold_run_last_success_timestamp_seconds{path="/fresh"} 0`,
		`leasehold_run_last_success_timestamp_seconds{path="/running"} ` + at(tick.Add(time.Minute)),
		`leasehold_run_last_start_timestamp_seconds{path="/failed"} ` + at(tick.Add(time.Hour)),
		`leasehold_run_last_end_timestamp_seconds{path="/failed"} ` + at(tick.Add(90*time.Second)),
		`leasehold_run_last_start_timestamp_seconds{path="/fresh"} 0`,
		`leasehold_run_last_duration_seconds{path="/failed"} 90`,
		`leasehold_run_last_exit_code{path="/failed"} 1`,
		`leasehold_run_last_exit_code{path="/killed"} 137`,
		`leasehold_run_active{path="/running"} 1`,
		`leasehold_run_active{path="/fresh"} 0`,
		`leasehold_next_tick_timestamp_seconds{path="/running"} ` + at(tick.Add(24*time.Hour)),
		`leasehold_lease_info{path="/library",holder="host \"a\""} 1`,
		`leasehold_lease_info{path="/slots/1",slot="1",holder="host-a"} 1`,
	} {
		wantIn(t, "metrics", got.body, "\n"+line+"\n")
	}
	for _, part := range []string{`leasehold_run_[a-z_]*{path="/library"`, `leasehold_lease_[a-z_]*{path="/fresh"`, `_exit_code{path="/fresh"`, "go_gc", "process_"} {
		if found := regexp.MustCompile(part).FindString(got.body); found != "" {
			t.Errorf("metrics: got %s, want none", found)
		}
	}
	wantIn(t, "metrics", got.body, `version="v1"`)

	check(t, got.body)
}

// check has promtool check metrics.
func check(t *testing.T, metrics string) {
	t.Helper()
	cmd := exec.Command("promtool", "check", "metrics")
	cmd.Stdin = strings.NewReader(metrics)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool: got %s (%v), want nothing; if it is missing: scripts/deps debian", out, err)
	}
}

// manyJobs is a large fleet.
func manyJobs(n int) []*jobs.Job {
	all := make([]*jobs.Job, n)
	for i := range all {
		all[i] = nightly(fmt.Sprintf("/fleet/%05d", i))
		all[i].Log.Head.Timezone = "Europe/Berlin"
		for len(all[i].Log.Runs) < runlog.MaxRuns {
			r := all[i].Log.Runs[len(all[i].Log.Runs)-1]
			r.Tick, r.Started, r.Ended = r.Tick.AddDate(0, 0, -1), r.Started.AddDate(0, 0, -1), r.Ended.AddDate(0, 0, -1)
			all[i].Log.Runs = append(all[i].Log.Runs, r)
		}
	}
	return all
}

// BenchmarkScrape: 10,000 leases.
func BenchmarkScrape(b *testing.B) {
	t := &testing.T{}
	s := serve(t, nil, manyJobs(10_000)...)
	defer s.stop()
	var size int
	for b.Loop() {
		size = len(s.get(t, "/metrics").body)
	}
	b.ReportMetric(float64(size), "bytes")
}
