package jobs_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/jobs"
	"leasehold.example/leasehold/leasetest"
	"leasehold.example/leasehold/runlog"
	"leasehold.example/leasehold/schedule"
)

// at is a time on the day of these tests, as hh:mm.
func at(clock string) time.Time {
	t, err := time.Parse("2006-01-02 15:04", "2026-11-25 "+clock)
	if err != nil {
		panic(err)
	}
	return t
}

// hourly is a job that is due each hour, and first was seen at 00:30. Its runs are
// given as "tick result" or "tick result end", the newest first.
func hourly(runs ...string) jobs.Job {
	j := jobs.Job{Log: runlog.Log{Head: runlog.Head{Schedule: "0 * * * *", Timezone: "UTC", Since: at("00:30")}}}
	for i, r := range runs {
		var tick, result string
		fmt.Sscan(r, &tick, &result)
		run := runlog.Run{ID: fmt.Sprint(i), Tick: at(tick), Holder: "host-a", Started: at(tick), Result: runlog.Result(result)}
		switch run.Result {
		case runlog.Running:
			j.State, j.Holder = leasehold.Held, "host-a"
		case runlog.Success:
			run.Ended = run.Started.Add(5 * time.Minute)
			j.Log.Head.LastSuccess, j.Log.Head.LastSuccessEnd = run.Tick, run.Ended
		}
		j.Log.Runs = append(j.Log.Runs, run)
	}
	return j
}

func with(j jobs.Job, change func(*jobs.Job)) jobs.Job {
	change(&j)
	return j
}

func TestTicks(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		job  jobs.Job
		now  string
		want string
	}{
		"nobody fires it":           {hourly(), "03:10", "03:00 waiting, 02:00 missed, 01:00 missed"},
		"just seen":                 {hourly(), "00:40", ""},
		"caught up on with --since": {hourly("00:00 success"), "01:10", "01:00 waiting, 00:00 success"},
		"retried":                   {hourly("02:00 success", "02:00 failure", "01:00 lost"), "02:10", "02:00 success, 01:00 lost"},
		"running":                   {hourly("02:00 running", "01:00 success"), "02:10", "02:00 running, 01:00 success"},
		"its host has died":         {with(hourly("02:00 running"), func(j *jobs.Job) { j.State = leasehold.Expired }), "02:10", "02:00 unknown"},
		"older ticks may be cut":    {hourly("04:00 success", "02:00 success"), "04:10", "04:00 success, 03:00 missed, 02:00 success"},
		"of a former schedule":      {with(hourly("04:00 success", "00:00 success"), func(j *jobs.Job) { j.Log.Head.Since = at("03:30") }), "04:10", "04:00 success, 00:00 success"},
	} {
		s, _ := test.job.Schedule()
		var got []string
		for _, tick := range test.job.Ticks(s, at(test.now), 10) {
			got = append(got, tick.Due.Format("15:04 ")+string(tick.Outcome))
		}
		if strings.Join(got, ", ") != test.want {
			t.Errorf("%s: got %v, want %s", name, got, test.want)
		}
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	plain := func(minutes int, result runlog.Result) jobs.Job {
		return jobs.Job{Log: runlog.Log{Runs: []runlog.Run{{ID: "1", Holder: "host-a", Started: at("02:00").Add(-time.Minute), Ended: at("02:00").Add(time.Duration(-minutes) * time.Minute), Result: result}}}}
	}
	paused := func(j jobs.Job) jobs.Job {
		j.Log.Head.Paused = &runlog.Note{By: "ann", Since: at("01:00"), Reason: "a repair"}
		return j
	}
	// withPlain is a job whose log knows no schedule, as run without one; runs as hourly has them.
	withPlain := func(runs ...string) jobs.Job {
		j := hourly(runs...)
		j.Log.Head = runlog.Head{}
		for i := range j.Log.Runs {
			r := &j.Log.Runs[i]
			r.Tick, r.Started = time.Time{}, r.Started.Add(2*time.Second)
		}
		return j
	}
	again := func(j *jobs.Job) { j.Log.Head.Tick, j.Log.Head.Done = at("02:00"), false }
	kazoo := func(began string) func(*jobs.Job) {
		return func(j *jobs.Job) {
			j.State, j.Holder, j.Since, j.ByKazoo = leasehold.Held, "cleanup on host-b", at(began), true
		}
	}
	kazooEntry := func(j *jobs.Job) { j.Log.Runs[0].ID = "kazoo-20261125T020000.000" }
	perHour, err := schedule.Parse("0 * * * *", "UTC")
	if err != nil {
		t.Fatal(err)
	}
	daily, err := schedule.Parse("0 2 * * *", "UTC")
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		job    jobs.Job
		now    string
		policy jobs.Policy
		want   string
	}{
		"success":                    {hourly("02:00 success"), "02:20", jobs.Policy{}, "OK : the tick of 2026-11-25T02:00:00Z has succeeded on host-a"},
		"nobody has run it":          {hourly("01:00 success"), "02:20", jobs.Policy{}, "CRITICAL late: nobody has run the tick of 2026-11-25T02:00:00Z"},
		"nobody has run it yet":      {hourly("01:00 success"), "02:09", jobs.Policy{}, "OK : the tick of 2026-11-25T01:00:00Z has succeeded on host-a"},
		"failure":                    {hourly("02:00 failure"), "02:20", jobs.Policy{}, "CRITICAL failed: the tick of 2026-11-25T02:00:00Z has no success: failure on host-a"},
		"success after a failure":    {hourly("02:00 success", "02:00 failure"), "02:20", jobs.Policy{}, "WARNING retried: the tick of 2026-11-25T02:00:00Z has succeeded on host-a, after another attempt"},
		"running":                    {hourly("02:00 running"), "02:20", jobs.Policy{}, "OK : the tick of 2026-11-25T02:00:00Z is running on host-a for 20m0s"},
		"running again":              {hourly("02:00 running", "02:00 lost", "02:00 failure"), "02:20", jobs.Policy{}, "WARNING retried: the tick of 2026-11-25T02:00:00Z is running on host-a, after 2 other attempts"},
		"running for too long":       {hourly("02:00 running"), "02:20", jobs.Policy{MaxRuntime: 19 * time.Minute}, "WARNING slow: running on host-a for 20m0s"},
		"running over the next tick": {hourly("02:00 running"), "03:20", jobs.Policy{}, "CRITICAL late: nobody has run the tick of 2026-11-25T03:00:00Z"},
		"its host has died":          {with(hourly("02:00 running"), func(j *jobs.Job) { j.State = leasehold.Expired }), "02:20", jobs.Policy{}, "CRITICAL failed: the tick of 2026-11-25T02:00:00Z has no success: unknown on host-a"},
		"just seen":                  {hourly(), "00:50", jobs.Policy{}, "OK : nothing to judge yet, the next tick is that of 2026-11-25T01:00:00Z"},
		"nobody fires it":            {hourly(), "01:20", jobs.Policy{}, "CRITICAL late: nobody has run the tick of 2026-11-25T01:00:00Z"},
		"its entries were cut":       {hourly("04:00 success"), "04:20", jobs.Policy{Grace: 90 * time.Minute}, "OK : the tick of 2026-11-25T04:00:00Z has succeeded"},
		"a schedule that was given":  {hourly("02:00 success", "01:00 success"), "03:30", jobs.Policy{Schedule: &daily}, "OK : the tick of 2026-11-25T02:00:00Z has succeeded on host-a"},

		"running for too long, over the next tick": {hourly("02:00 running"), "03:20", jobs.Policy{MaxRuntime: time.Hour}, "CRITICAL late: nobody has run the tick of 2026-11-25T03:00:00Z"},
		"clocks disagree":                          {plain(-1, runlog.Success), "02:00", jobs.Policy{MaxAge: time.Hour}, "OK : the last success was 0s ago"},

		"again, and not run yet": {with(hourly("02:00 success"), again), "02:20", jobs.Policy{}, "OK : the tick of 2026-11-25T02:00:00Z has succeeded on host-a"},
		"again, and it failed":   {with(hourly("02:00 failure", "02:00 success"), again), "02:20", jobs.Policy{}, "CRITICAL failed: the tick of 2026-11-25T02:00:00Z has no success: failure on host-a"},

		"kazoo has run it":                   {with(hourly("01:00 success"), kazoo("02:00")), "02:20", jobs.Policy{}, "UNKNOWN no log: kazoo has run the tick of 2026-11-25T02:00:00Z as \"cleanup on host-b\", and does not say how that ended"},
		"kazoo has run the one before":       {with(hourly("01:00 success"), kazoo("01:59")), "02:20", jobs.Policy{}, "CRITICAL late: nobody has run the tick of 2026-11-25T02:00:00Z"},
		"kazoo has run it, it is in the log": {with(hourly("02:00 unknown"), kazooEntry), "02:20", jobs.Policy{}, "UNKNOWN no log: kazoo has run the tick of 2026-11-25T02:00:00Z as \"host-a\", and does not say how that ended"},
		"kazoo runs it under our name":       {with(hourly("02:00 running"), func(j *jobs.Job) { kazoo("02:01")(j); j.Holder = "host-a" }), "02:20", jobs.Policy{}, "CRITICAL failed: the tick of 2026-11-25T02:00:00Z has no success: unknown on host-a"},

		"plain runs":             {withPlain("02:00 success", "01:00 failure"), "02:20", jobs.Policy{Schedule: &perHour}, "OK : the tick of 2026-11-25T02:00:00Z has succeeded on host-a"},
		"a plain run fails":      {withPlain("02:00 failure", "01:00 success"), "02:20", jobs.Policy{Schedule: &perHour}, "CRITICAL failed: the tick of 2026-11-25T02:00:00Z has no success: failure on host-a"},
		"a plain run is missing": {withPlain("01:00 success"), "02:20", jobs.Policy{Schedule: &perHour}, "CRITICAL late: nobody has run the tick of 2026-11-25T02:00:00Z"},
		"a plain run goes on":    {withPlain("02:00 running"), "02:20", jobs.Policy{Schedule: &perHour}, "OK : the tick of 2026-11-25T02:00:00Z is running on host-a for 19m58s"},
		"the first plain run":    {withPlain("03:00 success"), "03:20", jobs.Policy{Schedule: &perHour, Grace: 90 * time.Minute}, "OK : nothing to judge yet, the next tick is that of 2026-11-25T04:00:00Z"},

		"no cron expression":          {with(hourly("02:00 success"), func(j *jobs.Job) { j.Log.Head.Schedule = "at full moon" }), "02:20", jobs.Policy{}, `UNKNOWN no log: the schedule in the run log is no cron expression: "at full moon" in the zone "UTC"`},
		"paused":                      {paused(hourly()), "05:00", jobs.Policy{}, "WARNING paused: paused by ann since 2026-11-25T01:00:00Z: a repair"},
		"no log":                      {jobs.Job{}, "02:00", jobs.Policy{}, "UNKNOWN no log: nothing has ever run there: is that the path you mean?"},
		"unreadable":                  {jobs.Job{Status: leasehold.Status{State: leasehold.Newer, Reason: "version 2"}}, "02:00", jobs.Policy{}, "UNKNOWN unreadable: version 2"},
		"no schedule":                 {plain(30, runlog.Success), "02:00", jobs.Policy{}, "UNKNOWN no log: the run log has no schedule"},
		"young enough":                {plain(30, runlog.Success), "02:00", jobs.Policy{MaxAge: time.Hour}, "OK : the last success was 30m0s ago"},
		"too old":                     {plain(61, runlog.Success), "02:00", jobs.Policy{MaxAge: time.Hour}, "CRITICAL old: the last success was 1h1m0s ago, at 2026-11-25T00:59:00Z"},
		"no success, and no schedule": {plain(1, runlog.Failure), "02:00", jobs.Policy{MaxAge: time.Hour}, "CRITICAL old: no run has succeeded"},
	} {
		if test.policy.Grace == 0 {
			test.policy.Grace = jobs.DefaultGrace
		}
		j := test.job.Judge(test.policy, at(test.now))
		if got := fmt.Sprintf("%s %s: %s", j.Level, j.Problem, j.Text); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

// A run that has begun since the status was read is running, and not one that did not
// report its end.
func TestReadSeesWhatHasBegun(t *testing.T) {
	t.Parallel()
	c := &leasehold.Client{Store: leasetest.NewStore(), Holder: "host-a", RunLog: true}
	statuses, err := c.StatusSlots(t.Context(), "/x", 2)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.TryAcquireSlot(t.Context(), "/x", 2, time.Minute); err != nil {
		t.Fatal(err)
	}
	all, err := jobs.Read(t.Context(), c, statuses)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, j := range all {
		got = append(got, fmt.Sprintf("%d: %s %q", j.Slot, j.State, j.Run(time.Now())))
	}
	if want := `0: held "running", 1: free ""`; strings.Join(got, ", ") != want {
		t.Errorf("got %s, want %s", strings.Join(got, ", "), want)
	}
}
