package runlog_test

import (
	"testing"
	"time"

	"leasehold.example/leasehold/runlog"
)

const (
	ms   = time.Millisecond
	host = "host-a"
)

// begun returns a log in which holder has begun the first attempt of tick1.
func begun(holder string) runlog.Log {
	q := ask(runlog.Log{})
	return runlog.Decide(q).Begin(q, run("1", holder))
}

// ended returns begun(host) after its end.
func ended(result runlog.Result, e runlog.End) runlog.Log {
	e.ID, e.Result, e.At = "1", result, tick1.Add(2*time.Second)
	l, _ := begun(host).Finish(e)
	return l
}

// record returns one that ends at the end.
func record(holder string, end time.Time) *runlog.Record {
	return &runlog.Record{Holder: holder, End: end, Created: tick1}
}

func kazooRecord(created, end time.Time) *runlog.Record {
	return &runlog.Record{Holder: "kazoo-a", End: end, Created: created, ByKazoo: true}
}

func TestDecide(t *testing.T) {
	t.Parallel()
	later := tick1.Add(time.Minute) // than the question
	left := tick2.Add(-skew)
	note := runlog.Note{By: "alice", Since: tick0, Reason: "why"}
	seen := runlog.Log{Head: runlog.Head{Schedule: "0 * * * *", Timezone: "UTC", Since: tick0}}
	failed := ended(runlog.Failure, runlog.End{RetryAt: tick1.Add(32 * time.Second)})
	succeeded := ended(runlog.Success, runlog.End{Until: left, Granted: tick1})
	spentAndLeft := ended(runlog.Failure, runlog.End{Until: left, Granted: tick1})
	reopened, _ := succeeded.Reopen(note, "again")
	cut := begun(host)
	cut.Runs = nil
	q0 := ask(runlog.Log{})
	for _, tt := range []struct {
		name string
		log  runlog.Log
		edit func(q *runlog.Question)
		want runlog.Verdict
		n    int       // of the attempt
		run  string    // id of the run in the way
		at   time.Time // of the decision
	}{
		{name: "nothing is known", want: runlog.Begin, n: 1},
		{name: "since long ago", log: seen, want: runlog.Begin, n: 1},

		{name: "1 paused", log: succeeded.Pause(note, "p"), want: runlog.IsPaused},
		{name: "1 paused while it runs", log: begun(host).Pause(note, "p"), edit: func(q *runlog.Question) { q.Record = record(host, later) }, want: runlog.IsPaused},
		{name: "1 resumed", log: seen.Pause(note, "p").Resume(note, "r"), want: runlog.Begin, n: 1},

		{name: "2 by another", log: begun("host-b"), edit: func(q *runlog.Question) { q.Record = record("host-b", later) }, want: runlog.IsRunning, run: "1", at: later},
		{name: "2 by the same holder", log: begun(host), edit: func(q *runlog.Question) { q.Record = record(host, later) }, want: runlog.IsRunning, run: "1", at: later},
		{name: "2 the entry was cut", log: cut, edit: func(q *runlog.Question) { q.Record = record("host-b", later) }, want: runlog.IsRunning, at: later},
		{name: "2 an earlier tick", log: begun("host-b"), edit: func(q *runlog.Question) {
			q.Due, q.Next, q.Now, q.Record = tick2, tick2.Add(time.Hour), tick2, record("host-b", tick2.Add(ms))
		}, want: runlog.IsRunning, run: "1", at: tick2.Add(ms)},
		{name: "2 the record has just ended", log: begun("host-b"), edit: func(q *runlog.Question) { q.Attempts, q.Record = 2, record("host-b", q.Now) }, want: runlog.Begin, n: 2},
		{name: "2 another has the record", log: begun("host-b"), edit: func(q *runlog.Question) { q.Attempts, q.Record = 2, record("host-c", later) }, want: runlog.IsHeld, at: later},

		{name: "3 this host is late", log: begun("host-b"), edit: func(q *runlog.Question) { q.Due, q.Next = tick0, tick1 }, want: runlog.IsLate, run: "1"},
		{name: "3 kazoo's record does not stand for the later tick", log: begun("host-b"), edit: func(q *runlog.Question) {
			q.Due, q.Next, q.Record = tick0, tick1, kazooRecord(tick1, tick1)
		}, want: runlog.IsLate, run: "1"},
		{name: "0 a wrong clock, just", log: begun("host-b"), edit: func(q *runlog.Question) {
			q.Due, q.Next, q.Now, q.Logged = tick0, tick1, tick0.Add(time.Second), tick1.Add(-skew-ms)
		}, want: runlog.Begin, n: 1},
		{name: "0 a right clock, just", log: begun("host-b"), edit: func(q *runlog.Question) { q.Due, q.Next, q.Logged = tick0, tick1, tick1.Add(-skew) }, want: runlog.IsLate, run: "1"},

		{name: "4 done", log: succeeded, want: runlog.IsDone, run: "1"},
		{name: "4 done, with attempts left", log: succeeded, edit: func(q *runlog.Question) { q.Attempts = 3 }, want: runlog.IsDone, run: "1"},
		{name: "4 done, and the record is left", log: succeeded, edit: func(q *runlog.Question) { q.Record = record(host, left) }, want: runlog.IsDone, run: "1"},
		{name: "4 done, and another holds", log: succeeded, edit: func(q *runlog.Question) { q.Record = record("host-b", later) }, want: runlog.IsDone, run: "1"},
		{name: "4 done, and Next is the skew away", log: succeeded, edit: func(q *runlog.Question) { q.Now = tick2.Add(-skew) }, want: runlog.IsDone, run: "1"},
		{name: "4 done, and Next is soon", log: succeeded, edit: func(q *runlog.Question) { q.Now = tick2.Add(-skew + ms) }, want: runlog.IsNextSoon, run: "1", at: tick2},
		{name: "4 done, and Next is due", log: succeeded, edit: func(q *runlog.Question) { q.Now = tick2 }, want: runlog.IsDone, run: "1"},
		{name: "4 the tick before was done", log: succeeded, edit: func(q *runlog.Question) { q.Due, q.Next, q.Now = tick2, tick2.Add(time.Hour), tick2 }, want: runlog.Begin, n: 1},

		{name: "5 own record", log: seen, edit: func(q *runlog.Question) { q.Record = record(host, later) }, want: runlog.IsHeld, at: later},
		{name: "5 own plain run", log: seen.Enter(run("plain", host)), edit: func(q *runlog.Question) { q.Record = record(host, later) }, want: runlog.IsHeld, run: "plain", at: later},
		{name: "5 kazoo's record", log: seen.Enter(run("plain", "kazoo-a")), edit: func(q *runlog.Question) { q.Record = kazooRecord(tick0, later) }, want: runlog.IsHeld, at: later},
		{name: "5 kazoo's run of the tick", log: seen, edit: func(q *runlog.Question) { q.Record = kazooRecord(tick1, later) }, want: runlog.IsHeld, run: "kazoo-20261125T030000.000", at: later},
		{name: "5 spent, and another holds", log: spentAndLeft, edit: func(q *runlog.Question) { q.Record = record("host-b", later) }, want: runlog.IsHeld, at: later},
		{name: "5 kazoo's record has the end that was left", log: spentAndLeft, edit: func(q *runlog.Question) {
			q.Attempts, q.Record = 2, &runlog.Record{Holder: host, End: left, Created: tick0, ByKazoo: true}
		}, want: runlog.IsHeld, at: left},
		{name: "5 the record has just ended", log: seen, edit: func(q *runlog.Question) { q.Record = record("host-b", q.Now) }, want: runlog.Begin, n: 1},

		{name: "6 spent", log: failed, want: runlog.IsSpent, run: "1"},
		{name: "6 spent by a dead host", log: begun("host-b"), edit: func(q *runlog.Question) { q.Record = record("host-b", q.Now) }, want: runlog.IsSpent, run: "1"},
		{name: "6 spent, and Next is the skew away", log: failed, edit: func(q *runlog.Question) { q.Now = tick2.Add(-skew) }, want: runlog.IsSpent, run: "1"},
		{name: "6 spent, and Next is soon", log: failed, edit: func(q *runlog.Question) { q.Now = tick2.Add(-skew + ms) }, want: runlog.IsNextSoon, run: "1", at: tick2},
		{name: "6 spent, and the record is left", log: spentAndLeft, edit: func(q *runlog.Question) { q.Record = record(host, left) }, want: runlog.IsSpent, run: "1"},
		{name: "6 kazoo ran it", log: seen, edit: func(q *runlog.Question) { q.Record = kazooRecord(tick1.Add(-skew), q.Now) }, want: runlog.IsSpent, run: "kazoo-20261125T025957.000"},
		{name: "6 kazoo ran the tick before", log: seen, edit: func(q *runlog.Question) { q.Record = kazooRecord(tick1.Add(-skew-ms), q.Now) }, want: runlog.Begin, n: 1},
		{name: "6 not kazoo", log: seen, edit: func(q *runlog.Question) { q.Record = record("host-b", q.Now) }, want: runlog.Begin, n: 1},
		{name: "6 kazoo ran it once", log: seen, edit: func(q *runlog.Question) { q.Attempts, q.Record = 2, kazooRecord(tick1, q.Now) }, want: runlog.Begin, n: 2},
		{name: "6 kazoo ran it, and its record was replaced", log: seen.NoteKazoo(kazooRecord(tick1, q0.Now)), edit: func(q *runlog.Question) {
			q.Record = record("kazoo-a", q.Now) // by us
		}, want: runlog.IsSpent, run: "kazoo-20261125T030000.000"},
		{name: "6 kazoo ran the tick before, and its record was replaced", log: seen.NoteKazoo(kazooRecord(tick1.Add(-skew-ms), q0.Now)), want: runlog.Begin, n: 1},
		{name: "6 kazoo ran it after a failure", log: failed, edit: func(q *runlog.Question) {
			q.Attempts, q.Record, q.Now = 2, kazooRecord(later, later), later
		}, want: runlog.IsSpent, run: "kazoo-20261125T030100.000"},
		{name: "6 reopened", log: reopened, want: runlog.Begin, n: 2},

		{name: "5 a later grant has the end that was left", log: spentAndLeft, edit: func(q *runlog.Question) {
			q.Attempts, q.Record = 2, record(host, left)
			q.Record.Created = tick1.Add(time.Second)
		}, want: runlog.IsHeld, at: left},
		{name: "7 left by another", log: spentAndLeft, edit: func(q *runlog.Question) { q.Attempts, q.Holder, q.Record = 2, "host-b", record(host, left) }, want: runlog.IsHeld, at: left},
		{name: "7 left by the same holder", log: spentAndLeft, edit: func(q *runlog.Question) { q.Attempts, q.Record = 2, record(host, left) }, want: runlog.Begin, n: 2},

		{name: "8 new, and 2 minutes old", edit: func(q *runlog.Question) { q.Now = tick1.Add(2 * time.Minute) }, want: runlog.Begin, n: 1},
		{name: "8 new, and older", edit: func(q *runlog.Question) { q.Now = tick1.Add(2*time.Minute + ms) }, want: runlog.IsTooOld, at: tick1.Add(2*time.Minute + ms)},
		{name: "8 another schedule", log: seen, edit: func(q *runlog.Question) { q.Schedule, q.Now = "@hourly", tick1.Add(3*time.Minute) }, want: runlog.IsTooOld, at: tick1.Add(3 * time.Minute)},
		{name: "8 another zone", log: seen, edit: func(q *runlog.Question) { q.Timezone, q.Now = "Asia/Kathmandu", tick1.Add(3*time.Minute) }, want: runlog.IsTooOld, at: tick1.Add(3 * time.Minute)},
		{name: "8 noted after it was due", log: runlog.Log{}.Note(ask(runlog.Log{})), edit: func(q *runlog.Question) { q.Now = tick1.Add(3 * time.Minute) }, want: runlog.IsTooOld, at: tick1.Add(time.Second)},
		{name: "8 seen before", log: seen, edit: func(q *runlog.Question) { q.Now = tick2.Add(-time.Minute) }, want: runlog.Begin, n: 1},
		{name: "8 retried", log: failed, edit: func(q *runlog.Question) { q.Attempts, q.Now = 2, tick1.Add(3*time.Minute) }, want: runlog.Begin, n: 2},
		{name: "8 kazoo ran it once", edit: func(q *runlog.Question) {
			q.Attempts, q.Now, q.Record = 2, tick1.Add(3*time.Minute), kazooRecord(tick1, tick1)
		}, want: runlog.IsTooOld, at: tick1.Add(3 * time.Minute)},
		{name: "8 catches up from then on", edit: func(q *runlog.Question) { q.CatchUp, q.Now = tick1, tick1.Add(3*time.Minute) }, want: runlog.Begin, n: 1},
		{name: "8 catches up from later on", log: seen, edit: func(q *runlog.Question) { q.CatchUp = tick1.Add(ms) }, want: runlog.IsTooOld, at: tick1.Add(ms)},

		{name: "9 too early", log: failed, edit: func(q *runlog.Question) { q.Attempts, q.Now = 2, tick1.Add(32*time.Second-ms) }, want: runlog.IsWaiting, run: "1", at: tick1.Add(32 * time.Second)},
		{name: "9 early enough", log: failed, edit: func(q *runlog.Question) { q.Attempts, q.Now = 2, tick1.Add(32*time.Second) }, want: runlog.Begin, n: 2},
		{name: "9 another tick failed", log: ended(runlog.Failure, runlog.End{RetryAt: tick2.Add(time.Minute)}), edit: func(q *runlog.Question) {
			q.Due, q.Next, q.Now = tick2, tick2.Add(time.Hour), tick2
		}, want: runlog.Begin, n: 1},

		{name: "10 within", log: seen, edit: func(q *runlog.Question) { q.StartWithin = time.Second }, want: runlog.Begin, n: 1},
		{name: "10 overdue", log: seen, edit: func(q *runlog.Question) { q.StartWithin = time.Second - ms }, want: runlog.IsOverdue},
		{name: "10 just before Next", log: seen, edit: func(q *runlog.Question) { q.Now = tick2.Add(-ms) }, want: runlog.Begin, n: 1},
		{name: "10 Next is due", log: seen, edit: func(q *runlog.Question) { q.Now = tick2 }, want: runlog.IsOverdue, at: tick2},
		{name: "10 Next is due, and yet within", log: seen, edit: func(q *runlog.Question) { q.Now, q.StartWithin = tick2, 2*time.Hour }, want: runlog.IsOverdue, at: tick2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			q := ask(tt.log)
			if tt.edit != nil {
				tt.edit(&q)
			}
			got := runlog.Decide(q)
			id := ""
			if got.Run != nil {
				id = got.Run.ID
			}
			if got.Verdict != tt.want || got.Attempt != tt.n || id != tt.run || !got.At.Equal(tt.at) {
				t.Errorf("got %v, attempt %d, run %q, at %v, want %v, %d, %q, %v", got.Verdict, got.Attempt, id, got.At, tt.want, tt.n, tt.run, tt.at)
			}
		})
	}
}

func TestNewSchedule(t *testing.T) {
	t.Parallel()
	q := ask(runlog.Log{})
	for _, tt := range []struct {
		name string
		log  runlog.Log
		want bool
	}{
		{"nothing is known", runlog.Log{}, true},
		{"the same", runlog.Log{}.Note(q), false},
		{"another schedule", runlog.Log{Head: runlog.Head{Schedule: "@daily", Timezone: "UTC"}}, true},
		{"another zone", runlog.Log{Head: runlog.Head{Schedule: "0 * * * *", Timezone: "Asia/Kathmandu"}}, true},
	} {
		q := ask(tt.log)
		if got := runlog.Decide(q).New; got != tt.want {
			t.Errorf("%s: got %t, want %t", tt.name, got, tt.want)
		}
		if l := tt.log.Note(q); l.Head.Schedule != q.Schedule || l.Head.Timezone != q.Timezone || !l.Head.Since.Equal(q.Now) {
			t.Errorf("%s: got %+v, want the question's schedule, since %v", tt.name, l.Head, q.Now)
		}
	}
	noted := runlog.Log{}.Note(q)
	q.Now = q.Now.Add(time.Hour)
	if got := noted.Note(q); !alike(got, noted) {
		t.Errorf("got %+v, want %+v", got, noted)
	}
}

func TestVerdictString(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for v := runlog.Begin; v <= runlog.IsNextSoon; v++ {
		seen[v.String()] = true
	}
	if len(seen) != 11 || seen["invalid verdict"] || runlog.IsNextSoon.String() != "next soon" {
		t.Errorf("got %v, want 11 different ones", seen)
	}
	for _, v := range []runlog.Verdict{-1, runlog.IsNextSoon + 1} {
		if got := v.String(); got != "invalid verdict" {
			t.Errorf("got %q, want an invalid verdict", got)
		}
	}
}
