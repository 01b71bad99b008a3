package runlog

import "time"

// A Question is what somebody asks who wants to run a tick.
type Question struct {
	Schedule, Timezone string
	Due, Next          time.Time // the newest tick that is due, and the one after it
	Attempts           int       // how many may be begun of each tick; at least 1

	// StartWithin is for how long a tick may have been due when it is begun; 0
	// means until Next.
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
	IsTooOld                  // the tick was due before the schedule was first seen
	IsWaiting                 // the next attempt may be begun at Decision.At
	IsOverdue                 // it has been due for longer than StartWithin
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
	Attempt int       // Begin: its number, from 1
	At      time.Time // IsWaiting, IsNextSoon: when to ask again; IsTooOld: the first tick that is caught up on is after it

	// Run is the entry that stands in the way, nil where there is none or it was
	// cut: IsRunning, IsHeld, IsLate, IsDone, IsSpent, IsWaiting.
	Run *Run

	// New is set if the schedule or the zone is not the one that the log has.
	New bool

	head  Head // the log's, without what counts for nobody
	kazoo *Run // kazoo's run of the tick, which the log does not have
}

// oldTick is for how long a tick may have been due before the schedule was first
// seen and yet be run.
const oldTick = 2 * time.Minute

// Decide is the rule of ticks. The first line that applies decides.
//
//	   if                                                      then
//	0  the newest tick in the log is later than the log itself a wrong clock entered it: it counts for nobody
//	   kazoo made the record at or after Due, less the skew    it is an attempt of Due with unknown result
//	1  ticks are paused                                        IsPaused
//	2  the record has not ended, and its run goes on           IsRunning
//	3  the newest tick in the log is later than Due            IsLate
//	4  Due is done                                             IsDone
//	5  the record has not ended, and is not one that the       IsHeld
//	   newest attempt has left when it was finished
//	6  all attempts of Due were begun                          IsSpent
//	   4 or 6, and Next is less than the skew away             IsNextSoon
//	7  the record has not ended, and is another's              IsHeld
//	8  Due is before CatchUp; without CatchUp: before the      IsTooOld
//	   schedule was first seen, and for longer than 2 minutes
//	9  an attempt has failed, and it is too early for another  IsWaiting
//	10 Due was due for longer than StartWithin                 IsOverdue
//	11 else                                                    Begin
//
// A record that has not ended never lets anybody begin, its own holder included,
// but for one that the newest attempt has left when it was finished: nobody is
// behind that one, and its holder may have it.
func Decide(q Question) Decision {
	h := q.Log.Head
	if h.Tick.After(q.Logged.Add(q.Skew)) {
		h = h.withoutTick()
	}
	d := Decision{New: h.Schedule != q.Schedule || h.Timezone != q.Timezone, head: h}
	begun, newest := 0, q.Log.find(h.ID)
	if h.Tick.Equal(q.Due) {
		begun = h.Attempts
	}
	r := q.Record
	unexpired := r != nil && q.Now.Before(r.End)
	running := unexpired && !r.ByKazoo && h.Running && (newest == nil || newest.Holder == r.Holder)
	left := unexpired && h.Until.Equal(r.End)
	if r != nil && r.ByKazoo && !r.Created.Before(q.Due.Add(-q.Skew)) {
		begun++
		d.kazoo = &Run{ID: kazooID(*r), Tick: q.Due, Attempt: begun, Holder: r.Holder, Started: r.Created.UTC(), Result: Unknown}
		newest = d.kazoo
	}
	since := h.Since
	if d.New {
		since = q.Now
	}
	done := h.Done && h.Tick.Equal(q.Due)
	spent := begun >= max(q.Attempts, h.limit(q.Due))
	refuse := func(v Verdict, run *Run, at time.Time) Decision {
		d.Verdict, d.Run, d.At = v, run, at
		return d
	}
	switch {
	case h.Paused != nil:
		return refuse(IsPaused, nil, time.Time{})
	case running:
		return refuse(IsRunning, newest, r.End)
	case h.Tick.After(q.Due):
		return refuse(IsLate, newest, time.Time{})
	case done && q.Next.Sub(q.Now) >= q.Skew:
		return refuse(IsDone, q.Log.success(q.Due), time.Time{})
	case unexpired && !left && !done:
		return refuse(IsHeld, q.Log.running(r.Holder), r.End)
	case done || spent && q.Next.Sub(q.Now) < q.Skew:
		return refuse(IsNextSoon, newest, q.Next)
	case spent:
		return refuse(IsSpent, newest, time.Time{})
	case unexpired && r.Holder != q.Holder:
		return refuse(IsHeld, nil, r.End)
	case !q.CatchUp.IsZero() && q.Due.Before(q.CatchUp):
		return refuse(IsTooOld, nil, q.CatchUp)
	case q.CatchUp.IsZero() && q.Due.Before(since) && q.Now.Sub(q.Due) > oldTick:
		return refuse(IsTooOld, nil, since)
	case h.Tick.Equal(q.Due) && q.Now.Before(h.RetryAt):
		return refuse(IsWaiting, newest, h.RetryAt)
	case q.StartWithin > 0 && q.Now.Sub(q.Due) > q.StartWithin:
		return refuse(IsOverdue, nil, time.Time{})
	}
	d.Attempt = begun + 1
	return d
}
