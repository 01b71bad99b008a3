package runlog

import (
	"slices"
	"strings"
	"time"
)

// headUntil returns l's head without what it has of ticks after limit. The
// earlier tick that they have replaced in the head is taken from the entries: it
// must not be run again.
func (l Log) headUntil(limit time.Time) Head {
	old := l.Head
	if !old.Tick.After(limit) {
		return old
	}
	h := Head{Schedule: old.Schedule, Timezone: old.Timezone, Since: old.Since, Kazoo: old.Kazoo, Paused: old.Paused}
	if !old.LastSuccess.After(limit) {
		h.LastSuccess, h.LastSuccessEnd = old.LastSuccess, old.LastSuccessEnd
		h.Tick, h.Done = old.LastSuccess, !old.LastSuccess.IsZero()
	}
	for _, r := range l.Runs {
		if r.Tick.IsZero() || r.Tick.After(limit) || r.Tick.Before(h.Tick) || r.IsByKazoo() {
			continue
		}
		if r.Tick.After(h.Tick) {
			h.Tick, h.Attempts, h.ID, h.Done = r.Tick, 0, "", false
		}
		if r.Attempt > h.Attempts {
			h.Attempts, h.ID = r.Attempt, r.ID
		}
		h.Done = h.Done || r.Result == Success
	}
	return h
}

// find returns the entry with this id, nil where there is none.
func (l Log) find(id string) *Run {
	if i := l.index(id); i >= 0 {
		return &l.Runs[i]
	}
	return nil
}

func (l Log) index(id string) int {
	return slices.IndexFunc(l.Runs, func(r Run) bool { return r.ID == id && id != "" })
}

// success returns the newest entry of a run of due that succeeded, nil where
// there is none.
func (l Log) success(due time.Time) *Run {
	return l.first(func(r Run) bool { return r.Result == Success && r.Tick.Equal(due) })
}

// running returns the newest entry of a run of holder's that goes on, nil where
// there is none.
func (l Log) running(holder string) *Run {
	return l.first(func(r Run) bool { return r.Result == Running && r.Holder == holder })
}

func (l Log) first(match func(Run) bool) *Run {
	if i := slices.IndexFunc(l.Runs, match); i >= 0 {
		return &l.Runs[i]
	}
	return nil
}

// enter puts r before the other entries.
func (l Log) enter(r Run) Log {
	r.Holder, r.Host = clip(r.Holder, maxHolder), clip(r.Host, maxName)
	r.Program, r.Reason = clip(r.Program, maxName), clip(r.Reason, MaxText)
	r.Started = r.Started.UTC().Truncate(time.Millisecond)
	l.Runs = append([]Run{r}, l.Runs...)
	return l
}

// Enter enters a run without a schedule. What was running and did not report is
// unknown from now on.
func (l Log) Enter(r Run) Log {
	r.Tick, r.Attempt, r.Result = time.Time{}, 0, Running
	l.Head.Running, l.Head.Until, l.Head.Granted = false, time.Time{}, time.Time{} // it is behind the record now
	return l.unknown().enter(r)
}

// unknown returns l with unknown results in the place of running.
func (l Log) unknown() Log {
	l.Runs = slices.Clone(l.Runs)
	for i := range l.Runs {
		if l.Runs[i].Result == Running {
			l.Runs[i].Result = Unknown
		}
	}
	return l
}

// Has reports whether the log has the run with this id.
func (l Log) Has(id string) bool { return l.index(id) >= 0 || l.Head.ID == id && id != "" }

// Begin enters r as the attempt that d, the answer to q, lets begin. What was
// running and did not report is unknown from now on.
func (d Decision) Begin(q Question, r Run) Log {
	l := d.log.unknown()
	if d.kazoo != nil {
		l.Head.Kazoo = time.Time{}
		if entered := l.find(d.kazoo.ID); entered != nil {
			*entered = *d.kazoo
		}
	}
	r.Tick, r.Attempt, r.Result = q.Due.UTC(), d.Attempt, Running
	l = l.enter(r).Note(q)
	h := &l.Head
	if !h.Tick.Equal(r.Tick) {
		h.Limit, h.RetryAt = 0, time.Time{}
	}
	h.Tick, h.Attempts, h.ID, h.Running, h.Done = r.Tick, d.Attempt, r.ID, true, false
	h.Until, h.Granted = time.Time{}, time.Time{}
	return l
}

// Former returns the schedule and the zone that the log has, if they are not these;
// "" if it has none.
func (h Head) Former(schedule, zone string) string {
	if h.Schedule == "" || h.Schedule == schedule && h.Timezone == zone {
		return ""
	}
	return h.Schedule + " " + h.Timezone
}

// Note notes the schedule of q, and that it was first seen now unless the log has
// it already.
func (l Log) Note(q Question) Log {
	if l.Head.Schedule != q.Schedule || l.Head.Timezone != q.Timezone {
		l.Head.Schedule, l.Head.Timezone, l.Head.Since = q.Schedule, q.Timezone, second(q.Now)
	}
	return l
}

// An End is how a run ended.
type End struct {
	ID     string
	Result Result
	At     time.Time
	Exit   *int
	Signal string

	RetryAt time.Time // no other attempt is begun before; zero for at once
	Until   time.Time // the end that is left in the record; zero if it is left as it is
	Granted time.Time // when the grant was made that it is left by; zero without Until
}

// Finish enters how a run ended; ok is false if the log does not have it. A run
// that was finished already stays as it is. A success counts whichever attempt of
// the newest tick it was.
func (l Log) Finish(e End) (_ Log, ok bool) {
	h, at := &l.Head, e.At.UTC().Truncate(time.Millisecond)
	i, newest := l.index(e.ID), e.ID == h.ID && e.ID != ""
	if i < 0 && !newest {
		return l, false
	}
	tick, over := h.Tick, !h.Running
	if i >= 0 {
		tick, over = l.Runs[i].Tick, l.Runs[i].Result != Running && l.Runs[i].Result != Unknown
	}
	if over {
		return l, true
	}
	if i >= 0 {
		l.Runs = slices.Clone(l.Runs)
		r := &l.Runs[i]
		r.Result, r.Ended, r.Exit, r.Signal = e.Result, at, e.Exit, e.Signal
	}
	if newest {
		h.Running, h.Until, h.Granted, h.RetryAt = false, second(e.Until), e.Granted.UTC(), second(e.RetryAt)
	}
	if e.Result == Success && !tick.IsZero() {
		h.Done = h.Done || tick.Equal(h.Tick)
		if !tick.Before(h.LastSuccess) {
			h.LastSuccess, h.LastSuccessEnd = tick, at
		}
	}
	return l, true
}

// NoteDrain notes of a run that goes on whether its host takes no new lease.
func (l Log) NoteDrain(id string, drained bool) Log {
	if i := l.index(id); i >= 0 && l.Runs[i].Result == Running {
		l.Runs = slices.Clone(l.Runs)
		l.Runs[i].Drained = drained
	}
	return l
}

// Withdraw takes out an attempt that was not begun after all. If another was
// begun since, it still counts.
func (l Log) Withdraw(id string) Log {
	if i := l.index(id); i >= 0 {
		l.Runs = slices.Delete(slices.Clone(l.Runs), i, i+1)
	}
	if h := &l.Head; h.ID == id && id != "" {
		h.Attempts, h.ID, h.Running = max(0, h.Attempts-1), "", false
	}
	return l
}

// Pause makes the rule refuse all ticks.
func (l Log) Pause(n Note, id string) Log {
	l.Head.Paused = &Note{By: clip(n.By, maxHolder), Since: second(n.Since), Reason: clip(n.Reason, MaxText)}
	return l.byHand(Paused, n, id)
}

// Resume ends a pause.
func (l Log) Resume(n Note, id string) Log {
	l.Head.Paused = nil
	return l.byHand(Resumed, n, id)
}

// Reopen allows one more attempt of the newest tick, whether or not it succeeded,
// and no longer counts kazoo's run; ok is false if no tick was begun yet.
func (l Log) Reopen(n Note, id string) (_ Log, ok bool) {
	h := &l.Head
	if h.Tick.IsZero() {
		return l, false
	}
	h.Done, h.Limit, h.RetryAt = false, max(h.Limit, h.Attempts+1), time.Time{}
	h.Kazoo = time.Time{}
	return l.byHand(Reopened, n, id), true
}

func (l Log) byHand(what Result, n Note, id string) Log {
	return l.enter(Run{ID: id, Holder: n.By, Started: second(n.Since), Result: what, Reason: n.Reason})
}

// NoteKazoo enters kazoo's run, if r is a record of kazoo's: what replaces it
// would hide that. Whether it counts for a tick is left to the rule.
func (l Log) NoteKazoo(r *Record) Log {
	if r == nil || !r.ByKazoo || l.index(kazooID(r.Created)) >= 0 {
		return l
	}
	l.Head.Kazoo = r.Created.UTC()
	run := Run{ID: kazooID(r.Created), Tick: r.Tick.UTC(), Holder: r.Holder, Started: r.Created, Result: Unknown}
	if !r.Tick.IsZero() {
		run.Attempt = 1
		if l.Head.Tick.Equal(r.Tick) {
			run.Attempt = l.Head.Attempts + 1
		}
	}
	return l.enter(run)
}

const kazooPrefix = "kazoo-"

// kazooID makes an id for a run of kazoo's, which is always the same.
func kazooID(began time.Time) string { return kazooPrefix + began.UTC().Format("20060102T150405.000") }

func second(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Second)
}

// clip returns text as valid UTF-8 of at most n bytes.
func clip(text string, n int) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "")
}
