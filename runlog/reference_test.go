package runlog_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"leasehold.example/leasehold/runlog"
)

// mayBegin is the rule once more, in short: whether the tick may be begun, and as
// which attempt.
func mayBegin(q runlog.Question) (attempt int, ok bool) {
	h := q.Log.Head
	wrongClock := h.Tick.Sub(q.Logged) > q.Skew
	ours := !wrongClock && h.Tick.Equal(q.Due)
	since, due := h.Since, q.Now.Sub(q.Due)
	if h.Schedule != q.Schedule || h.Timezone != q.Timezone {
		since = q.Now
	}
	var attempts, allowed int
	kazoo := h.Kazoo
	if ours {
		attempts, allowed = h.Attempts, h.Limit
	}
	allowed = max(allowed, q.Attempts)
	isNew := attempts == 0
	if r := q.Record; r != nil {
		finished := !wrongClock && !h.Running && !r.ByKazoo && r.End.Equal(h.Until) && r.Created.Equal(h.Granted)
		if r.End.After(q.Now) && !(finished && r.Holder == q.Holder) {
			return 0, false // held
		}
		if r.ByKazoo {
			kazoo = r.Created
		}
	}
	if !kazoo.IsZero() && q.Due.Sub(kazoo) <= q.Skew {
		attempts++
	}
	for _, refused := range []bool{
		h.Paused != nil,
		!wrongClock && h.Tick.After(q.Due),
		ours && h.Done,
		attempts >= allowed,
		q.Due.Before(q.CatchUp),
		q.CatchUp.IsZero() && isNew && q.Due.Before(since) && due > 2*time.Minute,
		ours && h.RetryAt.After(q.Now),
		q.StartWithin > 0 && due > q.StartWithin,
		!q.Now.Before(q.Next),
	} {
		if refused {
			return 0, false
		}
	}
	return attempts + 1, true
}

func TestDecideIsTheRule(t *testing.T) {
	t.Parallel()
	began := 0
	rapid.Check(t, func(t *rapid.T) {
		q := drawQuestion(t)
		got := runlog.Decide(q)
		want, ok := mayBegin(q)
		if (got.Verdict == runlog.Begin) != ok || got.Attempt != want {
			t.Fatalf("%+v: got %v, attempt %d, want %t, %d", q, got.Verdict, got.Attempt, ok, want)
		}
		if ok {
			began++
		}
		if soon := got.Verdict == runlog.IsNextSoon; soon && (!got.At.Equal(q.Next) || q.Next.Sub(q.Now) >= q.Skew) ||
			got.Verdict == runlog.IsWaiting && !got.At.After(q.Now) {
			t.Fatalf("%+v: got %v at %v, want a time that is not past", q, got.Verdict, got.At)
		}
	})
	if began == 0 {
		t.Error("got no question that lets anybody begin, want some")
	}
}

// drawQuestion draws one in which every second fact is as it must be for a tick
// to begin; all times are near those at which an answer changes.
func drawQuestion(t *rapid.T) runlog.Question {
	odds := rapid.IntRange(0, 9)
	maybe := func(what string) bool { return odds.Draw(t, what) < 2 }
	near := func(what string, at time.Time) time.Time {
		around := []time.Duration{0, -ms, ms, -skew, skew, skew + ms, 2 * time.Minute, time.Hour, -time.Hour}
		return at.Add(rapid.SampledFrom(around).Draw(t, what))
	}
	holder := rapid.SampledFrom([]string{"host-a", "host-b"})
	q := ask(runlog.Log{})
	q.Attempts = rapid.IntRange(1, 3).Draw(t, "allowed")
	q.Now = near("now", tick1.Add(time.Second))
	h := &q.Log.Head
	h.Schedule, h.Timezone, h.Since = q.Schedule, q.Timezone, tick0
	if maybe("new") {
		h.Timezone = "Asia/Kathmandu"
	}
	if maybe("young") {
		h.Since = near("since", tick1)
	}
	if maybe("paused") {
		h.Paused = &runlog.Note{By: "alice"}
	}
	if !maybe("empty") {
		h.Tick = rapid.SampledFrom([]time.Time{tick0, tick1, tick1, tick2}).Draw(t, "tick")
		h.Attempts, h.ID = rapid.IntRange(0, 3).Draw(t, "attempts"), "1"
		h.Running, h.Done = maybe("running"), maybe("done")
		if maybe("reopened") {
			h.Limit = h.Attempts + 1
		}
		if maybe("retry") {
			h.RetryAt = near("retry at", q.Now)
		}
		if !h.Running {
			h.Until, h.Granted = near("until", q.Now), near("granted", tick1)
		}
	}
	if maybe("kazoo before") {
		h.Kazoo = near("kazoo's run", tick1)
	}
	// The tick that a wrong clock has entered stands alone: mayBegin reads no
	// entries, TestFutureTickCountsForNobody has them.
	q.Logged = near("logged", tick1)
	if maybe("record") || maybe("another record") {
		q.Record = &runlog.Record{Holder: holder.Draw(t, "holder"), Created: near("created", tick1), End: near("end", q.Now), ByKazoo: maybe("kazoo")}
		if maybe("left") {
			q.Record.End = h.Until
			if maybe("by this grant") {
				q.Record.Created = h.Granted
			}
		}
	}
	if maybe("catch up") {
		q.CatchUp = near("from", tick1)
	}
	if maybe("start within") {
		q.StartWithin = q.Now.Sub(q.Due) + rapid.SampledFrom([]time.Duration{-ms, 0, ms}).Draw(t, "within")
	}
	return q
}
