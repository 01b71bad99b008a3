package jobs

import (
	"slices"
	"time"

	"leasehold.example/leasehold/runlog"
)

// Recent returns j with less of its log: with the entries that Run, Newest, LastEnded,
// LastSuccess, JSON, and Judge by the log's schedule and at most that Grace, look at
// from now on. These are the newest entry, success, and end, the newest two attempts,
// the attempts of the ticks that are or will be judged, and the oldest tick. Of others
// Ticks would say that they were missed.
func (j Job) Recent(grace time.Duration, now time.Time) Job {
	since := now // of the ticks
	if s, ok := j.Schedule(); ok {
		since, _ = s.Previous(now.Add(-grace))
	}
	ended, success, oldest := j.LastEnded(), j.LastSuccess(), j.oldest()
	attempts := 0
	var recent []runlog.Run
	for i, r := range j.Log.Runs {
		if r.IsAttempt() {
			attempts++
		}
		isNewest := i == 0 || r.IsAttempt() && attempts <= 2 || &j.Log.Runs[i] == ended
		isSuccess := r.Result == runlog.Success && r.Ended.Equal(success)
		isJudged := !r.Tick.IsZero() && (!r.Tick.Before(since) || r.Tick.Equal(oldest))
		if isNewest || isSuccess || isJudged {
			recent = append(recent, r)
		}
	}
	j.Log.Runs = slices.Clip(recent)
	return j
}
