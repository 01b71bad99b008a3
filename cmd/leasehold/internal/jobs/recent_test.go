package jobs_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/jobs"
	"leasehold.example/leasehold/runlog"
)

// A job with the recent part of its log is judged as with all of it, from then on.
func TestRecent(t *testing.T) {
	t.Parallel()
	results := []runlog.Result{runlog.Running, runlog.Success, runlog.Failure, runlog.Lost, runlog.Unknown, runlog.Paused, runlog.Resumed}
	kept, all := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		day := at("00:00")
		minutes := func(name string, most int) time.Duration {
			return time.Duration(rapid.IntRange(0, most).Draw(t, name)) * time.Minute
		}
		j := jobs.Job{Status: leasehold.Status{State: leasehold.State(rapid.IntRange(0, 2).Draw(t, "state")), Holder: "host-a", End: day.Add(minutes("end", 3000))}}
		j.Log.Head = runlog.Head{Timezone: "UTC", Since: day.Add(minutes("since", 1440))}
		j.Log.Head.Schedule = rapid.SampledFrom([]string{"", "* * * * *", "*/7 * * * *", "0 * * * *", "0 2 * * *"}).Draw(t, "schedule")
		s, scheduled := j.Schedule()
		started := day.Add(48 * time.Hour)
		for range rapid.IntRange(0, runlog.MaxRuns).Draw(t, "runs") {
			started = started.Add(-minutes("before", 100))
			r := runlog.Run{Holder: "host-a", Started: started, Result: rapid.SampledFrom(results).Draw(t, "result")}
			if r.Result == runlog.Success || r.Result == runlog.Failure {
				r.Ended = started.Add(minutes("took", 200))
			}
			if scheduled && r.IsAttempt() && rapid.Bool().Draw(t, "of a tick") {
				r.Tick, _ = s.Previous(started)
			}
			j.Log.Runs = append(j.Log.Runs, r)
		}
		now := started.Add(minutes("now", 5000))
		grace := minutes("grace", 90)
		recent := j.Recent(grace, now)
		kept, all = kept+len(recent.Log.Runs), all+len(j.Log.Runs)
		later := now.Add(minutes("later", 3000))
		policy := jobs.Policy{Grace: grace - minutes("less", int(grace/time.Minute)), MaxRuntime: minutes("runtime", 60), MaxAge: minutes("age", 60)}
		if got, want := recent.At(later).Judge(policy, later), j.At(later).Judge(policy, later); got != want {
			t.Errorf("got judged %+v, want %+v", got, want)
		}
		got, err := jobs.JSON([]jobs.Job{recent.At(later)}, later)
		want, wantErr := jobs.JSON([]jobs.Job{j.At(later)}, later)
		if !bytes.Equal(got, want) || err != nil || wantErr != nil {
			t.Errorf("got JSON %s, %v, want %s, %v", got, err, want, wantErr)
		}
		if got, want := fmt.Sprint(recent.LastEnded(), newestTwo(recent)), fmt.Sprint(j.LastEnded(), newestTwo(j)); got != want {
			t.Errorf("got the newest attempts %s, want %s", got, want)
		}
	})
	if kept > all/2 {
		t.Errorf("got %d of %d entries, want less than half", kept, all)
	}
}

func newestTwo(j jobs.Job) []runlog.Run {
	attempts := slices.DeleteFunc(slices.Clone(j.Log.Runs), func(r runlog.Run) bool { return !r.IsAttempt() })
	return attempts[:min(2, len(attempts))]
}
