package page_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/jobs"
	"leasehold.example/leasehold/cmd/leasehold/internal/page"
	"leasehold.example/leasehold/runlog"
)

// at is a time on the day of these tests, as hh:mm.
func at(clock string) time.Time {
	t, err := time.Parse("2006-01-02 15:04", "2026-11-25 "+clock)
	if err != nil {
		panic(err)
	}
	return t
}

var now = at("12:20")

func view() page.View {
	return page.View{Prefix: "/", Now: now, Policy: jobs.Policy{Grace: jobs.DefaultGrace}, Version: "v1"}
}

// lease is a lease that is held until 12:21.
func lease(path string) *jobs.Job {
	return &jobs.Job{Status: leasehold.Status{
		Path: path, Slot: -1, State: leasehold.Held, Holder: "host-a", Since: at("12:19"),
		End: at("12:21"), Token: 7,
	}}
}

// hourly is a job that is due each hour, and first was seen at 06:30. Its runs are
// given as "tick result", the newest first.
func hourly(path string, runs ...string) *jobs.Job {
	j := lease(path)
	j.Log.Head = runlog.Head{Schedule: "0 * * * *", Timezone: "UTC", Since: at("06:30")}
	for i, r := range runs {
		var tick, result string
		fmt.Sscan(r, &tick, &result)
		run := runlog.Run{
			ID: fmt.Sprint(i), Tick: at(tick), Attempt: 1, Holder: "host-a", Host: "host-a.example", Program: "report",
			Started: at(tick).Add(time.Second), Result: runlog.Result(result),
		}
		if run.Result != runlog.Running {
			run.Ended = run.Started.Add(5 * time.Minute)
		}
		if run.Result == runlog.Failure {
			exit := 4
			run.Exit = &exit
		}
		j.Log.Runs = append(j.Log.Runs, run)
	}
	if len(runs) > 0 {
		j.Log.Head.Tick, j.Log.Head.Attempts = j.Log.Runs[0].Tick, 1
	}
	return j
}

func with(j *jobs.Job, change func(*jobs.Job)) *jobs.Job {
	change(j)
	return j
}

// fleet returns the page of the fleet.
func fleet(t *testing.T, all []*jobs.Job, query string) string {
	t.Helper()
	q, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	return body(t, http.StatusOK, func(w http.ResponseWriter) {
		new(page.Pages).Fleet(w, page.Fleet{View: view(), Jobs: all, Query: q})
	})
}

// body returns what write writes.
func body(t *testing.T, status int, write func(http.ResponseWriter)) string {
	t.Helper()
	w := httptest.NewRecorder()
	write(w)
	if w.Code != status {
		t.Errorf("got the status %d, want %d: %s", w.Code, status, w.Body)
	}
	return w.Body.String()
}
