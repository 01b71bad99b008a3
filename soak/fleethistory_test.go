package soak_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"leasehold.example/leasehold/soak/fleet"
)

// A historyLine is what history tells of an attempt.
type historyLine struct {
	Path     string
	Tick     time.Time
	Attempt  int
	Holder   string
	Host     string
	Program  string
	Started  time.Time
	Ended    time.Time
	Took     float64 `json:"took_seconds"`
	Result   string
	Exit     *int
	Signal   string
	Schedule string
	Timezone string
}

// judgeHistory compares what history tells with what happened.
func (r *fleetRun) judgeHistory(h *fleet.History) {
	r.Helper()
	want := wantHistory(h)
	var got []historyLine
	lines := json.NewDecoder(bytes.NewReader(r.output("history", "--json", "--store", r.store(), fleetPath)))
	for lines.More() {
		var line historyLine
		if err := lines.Decode(&line); err != nil {
			r.Fatal(err)
		}
		got = append(got, line)
	}
	text := r.output("history", "--store", r.store(), fleetPath)
	r.Logf("history:\n%s", text)
	if len(got) != len(want) {
		r.Fatalf("history: got %d attempts, want %d: %+v", len(got), len(want), want)
	}
	for i, run := range want {
		r.judgeLine(got[i], run)
	}
	r.judgeText(string(text), got)
}

// wantHistory returns the runs that history shows, the newest first. A run of
// kazoo's is entered with the next run of a host's.
func wantHistory(h *fleet.History) (want []fleet.Run) {
	for i, run := range h.Runs {
		run.Attempt = 1 + slices.IndexFunc(h.OfTick(run.Tick), func(o fleet.Run) bool { return o.Begun == run.Begun })
		if !run.Kazoo || i+1 < len(h.Runs) && !h.Runs[i+1].Kazoo {
			want = append(want, run)
		}
	}
	slices.Reverse(want)
	const shown = 32
	return want[:min(len(want), shown)]
}

func (r *fleetRun) judgeLine(got historyLine, run fleet.Run) {
	r.Helper()
	want := historyLine{
		Path: fleetPath, Tick: run.Tick, Attempt: run.Attempt, Holder: run.Host, Result: "unknown",
		Schedule: "* * * * *", Timezone: "UTC",
		Started: got.Started, Ended: got.Ended, Took: got.Took, Exit: got.Exit, // judged below
	}
	if !run.Kazoo {
		want.Host, want.Program = run.Host, "host"
	}
	reported := !run.Kazoo && !run.Died
	if reported {
		want.Result = "success"
	}
	if got != want {
		r.Errorf("history: got %+v, want %+v", got, want)
	}
	// The attempt is entered before the job begins, and its end afterwards; times
	// are shown in whole seconds.
	begun := run.Wall
	asked, ended, over := begun.Add(run.Fired-run.Begun), begun.Add(run.Ended-run.Begun), begun.Add(run.Over-run.Begun)
	within := func(t, from, to time.Time) bool { return !t.Before(from.Truncate(time.Second)) && !t.After(to) }
	if !within(got.Started, asked, begun) {
		r.Errorf("history: got %+v, want it started from %s to %s", got, asked, begun)
	}
	took := time.Duration(got.Took * float64(time.Second))
	switch {
	case !reported && (!got.Ended.IsZero() || got.Took != 0 || got.Exit != nil):
		r.Errorf("history: got %+v, want no end", got)
	case !reported:
	case !within(got.Ended, ended, over):
		r.Errorf("history: got %+v, want it ended from %s to %s", got, ended, over)
	case took < run.Ended-run.Begun || took > run.Over-run.Fired:
		r.Errorf("history: got %+v, want it took from %s to %s", got, run.Ended-run.Begun, run.Over-run.Fired)
	case got.Exit == nil || *got.Exit != 0:
		r.Errorf("history: got %+v, want exit 0", got)
	}
}

// judgeText compares what history tells people with its JSON. No tick is missed.
func (r *fleetRun) judgeText(text string, want []historyLine) {
	r.Helper()
	rows := strings.Split(strings.TrimSpace(text), "\n")
	if got := strings.Fields(rows[0]); strings.Join(got, " ") != "TICK ATTEMPT HOLDER HOST STARTED TOOK RESULT" || len(rows)-1 != len(want) {
		r.Fatalf("history: got %d rows below %q, want %d", len(rows)-1, rows[0], len(want))
	}
	for i, line := range want {
		host, took := line.Host, "-"
		if host == "" {
			host = "-"
		}
		if line.Took != 0 {
			took = time.Duration(line.Took * float64(time.Second)).Round(time.Millisecond).String()
		}
		want := []string{line.Tick.Format(time.RFC3339), strconv.Itoa(line.Attempt), line.Holder, host, line.Started.Format(time.RFC3339), took, line.Result}
		if got := strings.Fields(rows[1+i]); !slices.Equal(got, want) {
			r.Errorf("history: got the row %q, want %q", got, want)
		}
	}
}
