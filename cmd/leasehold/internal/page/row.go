package page

import (
	"strings"
	"sync"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/jobs"
	"leasehold.example/leasehold/runlog"
)

// A row is what the fleet's page shows of a job.
type row struct {
	*jobs.Job
	State     leasehold.State // by now
	Judgement jobs.Judgement  // its problem is "" where nobody need look
	Run       jobs.RunState
	Last      *runlog.Run // the newest attempt; nil for none
	Ended     *runlog.Run // the newest that is over; nil for none
	Next      time.Time   // tick

	words         [3]string // that it is found by: what is wrong, what runs, and the lease's state
	rank          int       // orders rows: the lowest first
	key           string    // what text is looked for in: path and holder as they are shown, in lower case
	made, changes time.Time // from when on, and until when, this is the row; changes is zero for always
}

func newRow(j *jobs.Job, policy jobs.Policy, now time.Time) *row {
	is := j.At(now)
	r := &row{Job: j, State: is.State, Judgement: is.Judge(policy, now), Run: is.Run(now), Last: is.Newest(), made: now}
	r.key = strings.ToLower(whole(j.Path) + "\n" + message(j.Holder))
	if r.Judgement.Problem == jobs.HasNoLog { // an ordinary lease
		r.Judgement = jobs.Judgement{}
	}
	r.Ended = r.newestEnded()
	r.findWords()
	if r.State == leasehold.Held {
		r.changes = j.End
	}
	if s, ok := j.Schedule(); ok {
		r.Next, _ = s.Next(now)
		r.changes = earlier(r.changes, r.Next)
		if judged, ok := s.Next(now.Add(-policy.Grace)); ok {
			r.changes = earlier(r.changes, judged.Add(policy.Grace))
		}
	}
	return r
}

// earlier returns the earlier of two times, of which zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// newestEnded returns the newest attempt that is over, nil for none.
func (r *row) newestEnded() *runlog.Run {
	for i := range r.Log.Runs {
		if run := &r.Log.Runs[i]; run.IsAttempt() && !r.GoesOn(run) {
			return run
		}
	}
	return nil
}

// GoesOn reports whether run, of r's log, goes on.
func (r *row) GoesOn(run *runlog.Run) bool { return r.Run == jobs.Running && run == r.Last }

// result returns the result of run, of r's log. One that has not reported its end, and
// does not go on, is unknown.
func (r *row) result(run *runlog.Run) runlog.Result {
	if run.Result == runlog.Running && !r.GoesOn(run) {
		return runlog.Unknown
	}
	return run.Result
}

// took returns how long run took, until now if it goes on, 0 where that is not known.
func took(run *runlog.Run, goesOn bool, now time.Time) time.Duration {
	end := run.Ended
	if goesOn {
		end = now
	}
	return max(0, end.Sub(run.Started))
}

// LastResult is how the newest attempt that is over has ended.
func (r *row) LastResult() runlog.Result { return r.result(r.Ended) }

// LastClass says how loud that is shown.
func (r *row) LastClass() string { return class(jobs.Outcome(r.LastResult())) }

// LastWhen is its tick, or when it began.
func (r *row) LastWhen() time.Time {
	if r.Ended.Tick.IsZero() {
		return r.Ended.Started
	}
	return r.Ended.Tick
}

// LastTook is how long it took, 0 where that is not known.
func (r *row) LastTook() time.Duration { return took(r.Ended, false, time.Time{}) }

// Problem is what is wrong, "" where nobody need look.
func (r *row) Problem() string { return string(r.Judgement.Problem) }

// Shown reports whether Run says more than the rest of the row.
func (r *row) Shown() bool { return r.Run != "" && string(r.Run) != r.Problem() }

// Link is the link to the lease's page, relative to the fleet's. It also names the row.
func (r *row) Link() string { return leaseLink(r.Path) }

// Name is the last component of the path.
func (r *row) Name() string { return r.Path[strings.LastIndexByte(r.Path, '/')+1:] }

// HostDrained reports whether the host that runs the job takes no new lease.
func (r *row) HostDrained() bool { return r.Run == jobs.Running && r.Last.Drained }

// IsHeld reports whether somebody has the lease.
func (r *row) IsHeld() bool { return r.State == leasehold.Held }

// IsUrgent reports whether it is one of those that are first.
func (r *row) IsUrgent() bool { return r.rank <= lastUrgent }

// Class says how loud the row is shown.
func (r *row) Class() string {
	switch {
	case r.IsUrgent():
		return "bad"
	case r.Problem() != "":
		return "warn"
	}
	return ""
}

func (r *row) findWords() {
	r.words = [...]string{r.Problem(), string(r.Run), r.State.String()}
	for i := range r.words[1:] { // none is there twice
		if r.words[i+1] == r.words[0] {
			r.words[i+1] = ""
		}
	}
	switch {
	case r.Judgement.Problem == jobs.IsLate:
		r.rank = 0
	case r.Judgement.Problem == jobs.HasFailed:
		r.rank = 1
	case r.Judgement.Problem == jobs.IsUnreadable:
		r.rank = 2
	case r.Run == jobs.Running:
		r.rank = 3
	default:
		r.rank = ranks - 1
	}
}

// The ranks of rows.
const (
	lastUrgent = 2
	ranks      = 5
)

// A rowCache has the rows that were shown last: to judge 10,000 jobs anew for each page
// takes longer than to show them. A job that has changed is another one.
type rowCache struct {
	mu   sync.Mutex
	rows []*row // in the order of their paths
}

// of returns a row for each job, in the order of their paths, at the moment now. policy
// is always the same.
func (c *rowCache) of(all []*jobs.Job, policy jobs.Policy, now time.Time) []*row {
	c.mu.Lock()
	defer c.mu.Unlock()
	former := c.rows
	c.rows = make([]*row, len(all))
	for i, j := range all {
		for len(former) > 0 && former[0].Path < j.Path {
			former = former[1:]
		}
		if len(former) > 0 && former[0].Job == j && former[0].holds(now) {
			c.rows[i] = former[0]
		} else {
			c.rows[i] = newRow(j, policy, now)
		}
	}
	return c.rows
}

// holds reports whether r is right at the moment now.
func (r *row) holds(now time.Time) bool {
	return !now.Before(r.made) && (r.changes.IsZero() || now.Before(r.changes))
}
