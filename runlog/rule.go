package runlog

import "time"

// A Question is what somebody asks who wants to run a tick.
type Question struct {
	Schedule, Timezone string
	Due, Next          time.Time // the newest tick that is due, and the one after it; both are needed
	Attempts           int       // how many may be begun of each tick; at least 1

	// StartWithin is for how long a tick may have been due when it is begun. 0
	// means until Next, which ends it in any case.
	StartWithin time.Duration

	// CatchUp, unless it is zero, is the first tick that may be caught up on; else
	// that is the first one after the schedule was first seen at the path.
	CatchUp time.Time

	Now  time.Time     // by this host's clock
	Skew time.Duration // by how much clocks may disagree

	Holder string  // who asks
	Record *Record // nil where there is none, or it was released
	Log    Log
	Logged time.Time // when the log was last written, by the store's clock
}

// A Record is what the rule has to know of the lease's record.
type Record struct {
	Holder  string
	End     time.Time
	Created time.Time // by the store's clock
	ByKazoo bool      // kazoo wrote it
	Tick    time.Time // if kazoo wrote it: the newest tick then; zero where that is not known
}

// A Verdict is what the rule says.
type Verdict int

const (
	Begin      Verdict = iota // the tick is theirs to run
	IsPaused                  // nothing is run until it is resumed
	IsRunning                 // an attempt is going on, of this tick or another one
	IsHeld                    // the lease is held, and the log does not tell for what
	IsLate                    // a later tick was begun already
	IsDone                    // the tick was run, and succeeded
	IsSpent                   // all attempts of the tick were begun
	IsTooOld                  // the tick was due before catch-up begins
	IsWaiting                 // the next attempt may be begun at Decision.At
	IsOverdue                 // the tick has been due for longer than StartWithin, or Next is due
	IsNextSoon                // the tick is done or spent, and the next one is due at Decision.At
)

var verdicts = [...]string{"begin", "paused", "running", "held", "late", "done", "spent", "too old", "waiting", "overdue", "next soon"}

func (v Verdict) String() string {
	if v < 0 || int(v) >= len(verdicts) {
		return "invalid verdict"
	}
	return verdicts[v]
}

// A Decision is the answer to a Question.
type Decision struct {
	Verdict Verdict
	Attempt int // Begin: its number, from 1

	// At is when to ask again: IsWaiting, IsNextSoon, and IsOverdue where that is
	// because Next is due. IsRunning, IsHeld: when the record ends. IsTooOld: the
	// first tick that is caught up on is at or after it.
	At time.Time

	// Run is the run that stands in the way: IsRunning, IsHeld, IsLate, IsDone,
	// IsSpent, IsWaiting, IsNextSoon. It is nil where the log does not have it.
	Run *Run

	// New is set if the schedule or the zone is not the one that the log has.
	// Former is the schedule and the zone that it has; "" if it has none.
	New    bool
	Former string

	log   Log  // with kazoo's run, without what counts for nobody
	kazoo *Run // kazoo's run, if it is one of the tick
}

// oldTick is for how long a tick may have been due before the schedule was first
// seen and yet be run.
const oldTick = 2 * time.Minute

// Decide is the rule of ticks. First, a tick in the log that is later than the log
// itself, by more than the skew, counts for nobody: a wrong clock entered it. And
// kazoo's newest run, which its record shows or, once that was replaced, the log,
// is an attempt of Due if it began at or after that, less the skew. Then the first
// line that applies decides.
//
//	   if                                                     then
//	1  ticks are paused                                       IsPaused
//	2  the record has not ended, its holder runs the newest   IsRunning
//	   attempt, and the attempt has not reported its end
//	3  the newest tick in the log is later than Due           IsLate
//	4  Due is done                                            IsDone (*)
//	5  the record has not ended, and has not the end that     IsHeld
//	   the newest attempt has left when it was finished
//	6  all attempts of Due were begun                         IsSpent (*)
//	7  the record has not ended, and is another's             IsHeld
//	8  Due is before CatchUp; or, without CatchUp: it is      IsTooOld
//	   before the schedule was first seen, was due for
//	   longer than 2 minutes, and the log has no attempt of it
//	9  an attempt has failed, and it is too early for another IsWaiting
//	10 Due was due for longer than StartWithin, or Next is    IsOverdue
//	   due
//	11 else                                                   Begin
//
//	(*) IsNextSoon, if Next is less than the skew away.
//
// So a record that has not ended never lets anybody begin, its own holder
// included, but for one that the newest attempt has left when it was finished:
// nobody is behind that one, and its holder may have it.
func Decide(q Question) Decision {
	log := q.Log.NoteKazoo(q.Record)
	log.Head = log.headUntil(q.Logged.Add(q.Skew))
	h, newest := log.Head, log.find(log.Head.ID)
	d := Decision{New: h.Schedule != q.Schedule || h.Timezone != q.Timezone, log: log}
	d.Former = h.Former(q.Schedule, q.Timezone)
	refuse := func(v Verdict, run *Run, at time.Time) Decision {
		d.Verdict, d.Run, d.At = v, run, at
		return d
	}

	done, begun, allowed, last := false, 0, q.Attempts, newest
	if h.Tick.Equal(q.Due) {
		done, begun, allowed = h.Done, h.Attempts, max(q.Attempts, h.Limit)
	}
	since := h.Since
	if d.New {
		since = q.Now
	}
	isOld := begun == 0 && q.Due.Before(since) && q.Now.Sub(q.Due) > oldTick

	r := q.Record
	unexpired := r != nil && q.Now.Before(r.End)
	running := unexpired && !r.ByKazoo && h.Running && (newest == nil || newest.Holder == r.Holder)
	left := unexpired && !r.ByKazoo && h.Until.Equal(r.End) && h.Granted.Equal(r.Created)
	if !h.Kazoo.IsZero() && !h.Kazoo.Before(q.Due.Add(-q.Skew)) {
		begun++
		run := Run{ID: kazooID(h.Kazoo), Started: h.Kazoo, Result: Unknown} // its entry may have been cut
		if entered := log.find(run.ID); entered != nil {
			run = *entered
		}
		run.Tick, run.Attempt = q.Due.UTC(), begun
		d.kazoo, last = &run, &run
	}
	nextIsSoon := q.Now.Before(q.Next) && q.Next.Sub(q.Now) < q.Skew

	switch {
	case h.Paused != nil: // 1
		return refuse(IsPaused, nil, time.Time{})
	case running: // 2
		return refuse(IsRunning, newest, r.End)
	case h.Tick.After(q.Due): // 3
		return refuse(IsLate, newest, time.Time{})
	case done && nextIsSoon: // 4
		return refuse(IsNextSoon, q.Log.success(q.Due), q.Next)
	case done: // 4
		return refuse(IsDone, q.Log.success(q.Due), time.Time{})
	case unexpired && !left && r.ByKazoo: // 5
		return refuse(IsHeld, d.kazoo, r.End)
	case unexpired && !left: // 5
		return refuse(IsHeld, q.Log.running(r.Holder), r.End)
	case begun >= allowed && nextIsSoon: // 6
		return refuse(IsNextSoon, last, q.Next)
	case begun >= allowed: // 6
		return refuse(IsSpent, last, time.Time{})
	case unexpired && r.Holder != q.Holder: // 7
		return refuse(IsHeld, nil, r.End)
	case q.CatchUp.IsZero() && isOld: // 8
		return refuse(IsTooOld, nil, since)
	case q.Due.Before(q.CatchUp): // 8
		return refuse(IsTooOld, nil, q.CatchUp)
	case h.Tick.Equal(q.Due) && q.Now.Before(h.RetryAt): // 9
		return refuse(IsWaiting, last, h.RetryAt)
	case !q.Now.Before(q.Next): // 10
		return refuse(IsOverdue, nil, q.Next)
	case q.StartWithin > 0 && q.Now.Sub(q.Due) > q.StartWithin: // 10
		return refuse(IsOverdue, nil, time.Time{})
	}
	d.Attempt = begun + 1 // 11
	return d
}
