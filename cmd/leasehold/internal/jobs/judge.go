package jobs

import (
	"fmt"
	"slices"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/text"
	"leasehold.example/leasehold/runlog"
	"leasehold.example/leasehold/schedule"
)

// A Level is how bad a problem is. Its number is the exit code of a monitoring
// plugin, by the Monitoring Plugins Development Guidelines.
type Level int

const (
	OK Level = iota
	Warning
	Critical
	NotKnown
)

var levels = [...]string{"OK", "WARNING", "CRITICAL", "UNKNOWN"}

func (l Level) String() string { return levels[l] }

// A Problem says what is wrong with a job. It is "" where nothing is.
type Problem string

const (
	IsUnreadable Problem = "unreadable" // the record or the run log
	HasNoLog     Problem = "no log"     // nothing has ever run, or there is no schedule to judge by
	IsPaused     Problem = "paused"
	IsLate       Problem = "late"    // nobody has run the tick
	HasFailed    Problem = "failed"  // the tick has no success
	WasRetried   Problem = "retried" // the tick has succeeded, but not at once
	IsSlow       Problem = "slow"    // a run takes longer than it may
	IsOld        Problem = "old"     // the last success is older than it may be
)

// A Policy says what is expected of a job.
type Policy struct {
	Schedule   *schedule.Schedule // nil for that in the log
	Grace      time.Duration      // for how long a tick may be due before it is judged
	MaxRuntime time.Duration      // 0 for any
	MaxAge     time.Duration      // of the last success, for jobs without a schedule; 0 for any
}

// DefaultGrace is the grace where none is given.
const DefaultGrace = 10 * time.Minute

// A Judgement is what is thought of a job.
type Judgement struct {
	Level   Level
	Problem Problem
	Text    string // for people, in one line
}

// Judge is the rule of "leasehold check". The first line that applies decides.
//
//	   if                                                    then
//	1  the record or the run log can't be read               NotKnown, IsUnreadable
//	2  ticks are paused                                      Warning, IsPaused
//	3  a run goes on for longer than MaxRuntime, and no      Warning, IsSlow
//	   line below is Critical
//	4  there is no schedule, and no MaxAge, or no log        NotKnown, HasNoLog
//	5  without a schedule: the last success is older than    Critical, IsOld
//	   MaxAge, or there is none
//	6  without a schedule                                    OK
//	   else of the newest tick that is due for longer than Grace:
//	7  it was due before the schedule was first seen         OK
//	8  it has succeeded at once; or its entries may have     OK
//	   been cut, and a later one has succeeded
//	9  it has succeeded, after other attempts                Warning, WasRetried
//	10 an attempt of it goes on, the first or a later one    OK or Warning, WasRetried
//	11 kazoo alone has run it: how that ended is not known   NotKnown, HasNoLog
//	12 nobody has run it                                     Critical, IsLate
//	13 else                                                  Critical, HasFailed
//
// Where the log knows no schedule, and the Policy has one, a run counts for the tick
// that was the newest when it began.
func (j Job) Judge(p Policy, now time.Time) Judgement {
	running, paused := j.running(), j.Log.Head.Paused
	switch {
	case j.State == leasehold.Unreadable, j.State == leasehold.Newer: // 1
		return Judgement{NotKnown, IsUnreadable, j.Reason}
	case j.LogError != nil: // 1
		return Judgement{NotKnown, IsUnreadable, j.LogError.Error()}
	case paused != nil: // 2
		return Judgement{Warning, IsPaused, fmt.Sprintf("paused by %s since %s: %s", paused.By, text.Time(paused.Since), paused.Reason)}
	}
	judgement := j.judgeRuns(p, now)
	if running != nil && p.MaxRuntime > 0 && now.Sub(running.Started) > p.MaxRuntime && judgement.Level != Critical { // 3
		return Judgement{Warning, IsSlow, fmt.Sprintf("running on %s for %s", running.Holder, elapsed(running.Started, now))}
	}
	return judgement
}

// judgeRuns is Judge from line 4 on.
func (j Job) judgeRuns(p Policy, now time.Time) Judgement {
	s, scheduled := j.Schedule()
	if p.Schedule != nil {
		s, scheduled = *p.Schedule, true
	}
	h := j.Log.Head
	switch {
	case len(j.Log.Runs) == 0 && h.Schedule == "": // 4
		return Judgement{NotKnown, HasNoLog, "nothing has ever run there: is that the path you mean?"}
	case !scheduled && p.MaxAge == 0 && h.Schedule != "": // 4
		return Judgement{NotKnown, HasNoLog, fmt.Sprintf("the schedule in the run log is no cron expression: %q in the zone %q", h.Schedule, h.Timezone)}
	case !scheduled && p.MaxAge == 0: // 4
		return Judgement{NotKnown, HasNoLog, "the run log has no schedule"}
	case !scheduled: // 5, 6
		return j.judgeAge(p, now)
	case h.Schedule == "":
		return j.onSchedule(s).judgeTick(s, p, now)
	}
	return j.judgeTick(s, p, now)
}

// onSchedule returns j, whose log knows no schedule, with its runs as attempts of the
// ticks of s that were the newest when they began.
func (j Job) onSchedule(s schedule.Schedule) Job {
	j.Log.Runs = slices.Clone(j.Log.Runs)
	h := &j.Log.Head
	for i := range j.Log.Runs {
		r := &j.Log.Runs[i]
		if !r.IsAttempt() {
			continue
		}
		r.Tick, _ = s.Previous(r.Started)
		if r.Result == runlog.Success && r.Tick.After(h.LastSuccess) {
			h.LastSuccess = r.Tick
		}
		h.Since = r.Started // of the oldest, which is the last
	}
	return j
}

// elapsed says for how long something goes on. Clocks of hosts may disagree.
func elapsed(since, now time.Time) string { return text.Remaining(max(0, now.Sub(since))) }

// LastSuccess returns when the last run ended that has succeeded, the zero time
// where the log has none.
func (j Job) LastSuccess() time.Time {
	last := j.Log.Head.LastSuccessEnd
	for _, r := range j.Log.Runs {
		if r.Result == runlog.Success && r.Ended.After(last) {
			last = r.Ended
		}
	}
	return last
}

func (j Job) judgeAge(p Policy, now time.Time) Judgement {
	last := j.LastSuccess()
	switch {
	case last.IsZero():
		return Judgement{Critical, IsOld, "no run has succeeded"}
	case now.Sub(last) > p.MaxAge:
		return Judgement{Critical, IsOld, fmt.Sprintf("the last success was %s ago, at %s", elapsed(last, now), text.Time(last))}
	}
	return Judgement{OK, "", fmt.Sprintf("the last success was %s ago", elapsed(last, now))}
}

func (j Job) judgeTick(s schedule.Schedule, p Policy, now time.Time) Judgement {
	due, ok := s.Previous(now.Add(-p.Grace))
	newest, _ := s.Previous(now)
	t := j.tick(due, due.Equal(newest))
	what := "the tick of " + text.Time(due)
	switch {
	case !ok, len(t.Runs) == 0 && due.Before(j.Log.Head.Since): // 7
		next, _ := s.Next(now)
		return Judgement{OK, "", "nothing to judge yet, the next tick is that of " + text.Time(next)}
	case t.Outcome == Missed && due.Before(j.oldest()) && j.Log.Head.LastSuccess.After(due): // 8
		return Judgement{OK, "", "the tick of " + text.Time(j.Log.Head.LastSuccess) + " has succeeded"}
	case t.Outcome == Succeeded && t.Failures() == 0: // 8
		return Judgement{OK, "", what + " has succeeded" + on(t, runlog.Success)}
	case t.Outcome == Succeeded: // 9
		return Judgement{Warning, WasRetried, fmt.Sprintf("%s has succeeded%s, after %s", what, on(t, runlog.Success), attempts(t.Failures()))}
	case t.Outcome == InRun && t.Failures() == 0: // 10
		return Judgement{OK, "", fmt.Sprintf("%s is running%s for %s", what, on(t, runlog.Running), elapsed(t.Runs[0].Started, now))}
	case t.Outcome == InRun: // 10
		return Judgement{Warning, WasRetried, fmt.Sprintf("%s is running%s, after %s", what, on(t, runlog.Running), attempts(t.Failures()))}
	case len(t.Runs) == 0 && j.ByKazoo && !j.Since.Before(due.Add(-kazooEarly)): // 11, and ours have not seen it yet
		return Judgement{NotKnown, HasNoLog, byKazoo(what, j.Holder)}
	case len(t.Runs) > 0 && !slices.ContainsFunc(t.Runs, isOurs): // 11
		return Judgement{NotKnown, HasNoLog, byKazoo(what, t.Runs[0].Holder)}
	case len(t.Runs) == 0: // 12
		return Judgement{Critical, IsLate, "nobody has run " + what}
	}
	return Judgement{Critical, HasFailed, fmt.Sprintf("%s has no success: %s%s", what, t.Outcome, on(t, t.Runs[0].Result))} // 13
}

// kazooEarly is how long before a tick a run of kazoo's may have begun, by the store's
// clock, that is taken for one of it: hosts' clocks may be ahead by as much.
const kazooEarly = 10 * time.Second

func isOurs(r runlog.Run) bool { return !r.IsByKazoo() }

func byKazoo(what, holder string) string {
	return fmt.Sprintf("kazoo has run %s as %q, and does not say how that ended", what, holder)
}

// on says on which host the newest run with that result was.
func on(t Tick, result runlog.Result) string {
	for _, r := range t.Runs {
		if r.Result == result {
			return " on " + r.Holder
		}
	}
	return ""
}

func attempts(n int) string {
	if n == 1 {
		return "another attempt"
	}
	return fmt.Sprintf("%d other attempts", n)
}
