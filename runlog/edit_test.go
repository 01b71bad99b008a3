package runlog_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"leasehold.example/leasehold/runlog"
)

func TestBegin(t *testing.T) {
	t.Parallel()
	berlin := time.FixedZone("CET", 3600)
	q := ask(begun("host-b").Enter(run("plain", "host-b")))
	q.Attempts, q.Due, q.Next = 2, q.Due.In(berlin), q.Next.In(berlin)
	before := q.Log
	r := run("2", host)
	r.Started = tick1.In(berlin).Add(time.Microsecond)
	l := runlog.Decide(q).Begin(q, r)
	if h := l.Head; h.Tick != tick1 || h.Attempts != 2 || h.ID != "2" || !h.Running || h.Done {
		t.Errorf("got the head %+v, want the second attempt of %v", h, tick1)
	}
	want := []runlog.Run{
		{ID: "2", Tick: tick1, Attempt: 2, Holder: host, Started: tick1, Result: runlog.Running},
		{ID: "plain", Holder: "host-b", Started: tick1.Add(time.Second), Result: runlog.Unknown},
		{ID: "1", Tick: tick1, Attempt: 1, Holder: "host-b", Started: tick1.Add(time.Second), Result: runlog.Unknown},
	}
	if !reflect.DeepEqual(l.Runs, want) {
		t.Errorf("got %+v, want %+v", l.Runs, want)
	}
	if before.Runs[0].Result != runlog.Running {
		t.Error("got the former log changed, want it as it was")
	}
}

func TestBeginEntersRunOfKazoo(t *testing.T) {
	t.Parallel()
	q := ask(runlog.Log{})
	q.Attempts, q.Record = 2, kazooRecord(tick1, tick1)
	l := stored(t, runlog.Decide(q).Begin(q, run("2", host)))
	want := runlog.Run{ID: "kazoo-20261125T030000.000", Tick: tick1, Attempt: 1, Holder: "kazoo-a", Started: tick1, Result: runlog.Unknown}
	if len(l.Runs) != 2 || l.Runs[1] != want || l.Head.Attempts != 2 || l.Head.ID != "2" {
		t.Errorf("got %+v, want the run 2 and %+v", l, want)
	}
}

// A run of kazoo's of an earlier tick is entered too: nobody has begun that since.
func TestBeginEntersEarlierRunOfKazoo(t *testing.T) {
	t.Parallel()
	finished := ended(runlog.Failure, runlog.End{})
	for _, test := range []struct {
		name    string
		log     runlog.Log
		tick    time.Time
		attempt int // 0: it is not entered
	}{
		{"the first that is known", runlog.Log{}, tick1, 1},
		{"of a tick that nobody else has begun", runlog.Log{Head: runlog.Head{Tick: tick0, Attempts: 2}}, tick1, 1},
		{"after an attempt of ours", finished, tick1, 2},
		{"of a tick before the newest", finished, tick0, 0},
		{"of a tick that is not known", runlog.Log{}, time.Time{}, 0},
	} {
		q := ask(test.log)
		q.Due, q.Next, q.Now, q.Record = tick2, tick2.Add(time.Hour), tick2, kazooRecord(tick1.Add(time.Minute), tick1)
		q.Record.Tick = test.tick
		l := stored(t, runlog.Decide(q).Begin(q, run("2", host)))
		want := runlog.Run{ID: "kazoo-20261125T030100.000", Tick: test.tick, Attempt: test.attempt, Holder: "kazoo-a", Started: q.Record.Created, Result: runlog.Unknown}
		entered := len(l.Runs) > 1 && l.Runs[1] == want
		if entered != (test.attempt > 0) || l.Runs[0].Tick != tick2 || l.Runs[0].Attempt != 1 || l.Head.Attempts != 1 {
			t.Errorf("%s: got %+v, want the first attempt of %s, and %+v before it", test.name, l, tick2, want)
		}
	}
}

// A host whose clock is an hour ahead takes kazoo's lease over, for the next tick,
// and gives it back. The record that it puts back does not show that kazoo wrote it.
func TestRunOfKazooOutlivesEarlyTakeover(t *testing.T) {
	t.Parallel()
	q := ask(runlog.Log{})
	q.Due, q.Next, q.Now = tick2, tick2.Add(time.Hour), tick2.Add(time.Minute)
	q.Record = kazooRecord(tick1, tick1.Add(time.Minute))
	q.Record.Tick = tick1
	l := stored(t, runlog.Decide(q).Begin(q, run("2", "host-wrong")).Withdraw("2"))

	q = ask(l)
	q.Logged, q.Now = tick1.Add(time.Minute), tick1.Add(time.Minute)
	q.Record = record("kazoo-a", tick1.Add(time.Minute))
	if d := runlog.Decide(q); d.Verdict != runlog.IsSpent || d.Run == nil || d.Run.Holder != "kazoo-a" {
		t.Errorf("got %v, run %+v, want it spent by kazoo", d.Verdict, d.Run)
	}
}

func TestFinish(t *testing.T) {
	t.Parallel()
	end := tick1.Add(time.Minute + 1500*time.Microsecond)
	exit := 4
	l, ok := begun(host).Finish(runlog.End{ID: "1", Result: runlog.Failure, At: end, Exit: &exit, Signal: "killed", RetryAt: tick2.Add(ms), Until: tick2.Add(ms)})
	h, r := l.Head, l.Runs[0]
	if !ok || h.Running || h.Done || h.RetryAt != tick2 || h.Until != tick2 || !h.LastSuccess.IsZero() {
		t.Errorf("got %t, the head %+v, want a failure", ok, h)
	}
	if r.Result != runlog.Failure || r.Ended != end.Truncate(ms) || *r.Exit != 4 || r.Signal != "killed" {
		t.Errorf("got the entry %+v, want a failure with exit code 4", r)
	}
	again, ok := l.Finish(runlog.End{ID: "1", Result: runlog.Success, At: end})
	if !ok || !alike(again, l) {
		t.Errorf("got %t, %+v, want it as it was", ok, again)
	}
	for _, id := range []string{"", "2"} {
		if got, ok := l.Finish(runlog.End{ID: id, Result: runlog.Success, At: end}); ok || !alike(got, l) {
			t.Errorf("%q: got %t, %+v, want no such attempt", id, ok, got)
		}
	}
}

func TestLateSuccessCounts(t *testing.T) {
	t.Parallel()
	q := ask(begun(host))
	q.Attempts = 2
	second := runlog.Decide(q).Begin(q, run("2", "host-b"))
	success := runlog.End{ID: "1", Result: runlog.Success, At: tick2, Until: tick2, RetryAt: tick2}

	l, ok := second.Finish(success)
	if h := l.Head; !ok || !h.Done || !h.Running || h.ID != "2" || !h.Until.IsZero() || !h.RetryAt.IsZero() || h.LastSuccess != tick1 || h.LastSuccessEnd != tick2 {
		t.Errorf("got %t, %+v, want the tick done and the second attempt running", ok, h)
	}
	failure := success
	failure.Result = runlog.Failure
	if l, ok := second.Finish(failure); !ok || l.Head != second.Head {
		t.Errorf("got %t, %+v, want the head as it was", ok, l.Head)
	}

	q = ask(second)
	q.Due, q.Next, q.Now = tick2, tick2.Add(time.Hour), tick2
	next := runlog.Decide(q).Begin(q, run("3", host))
	l, ok = next.Finish(success)
	if h := l.Head; !ok || h.Done || h.LastSuccess != tick1 {
		t.Errorf("got %t, %+v, want a success of the tick before", ok, h)
	}
	done, _ := next.Finish(runlog.End{ID: "3", Result: runlog.Success, At: tick2})
	l, _ = done.Finish(success)
	if l.Head.LastSuccess != tick2 {
		t.Errorf("got %v, want the newest tick that succeeded, %v", l.Head.LastSuccess, tick2)
	}
}

func TestFinishOfPlainRunCountsForNoTick(t *testing.T) {
	t.Parallel()
	before := begun("host-b").Enter(runlog.Run{ID: "plain", Tick: tick1, Attempt: 3, Holder: host, Started: tick1, Result: runlog.Success})
	if r := before.Runs[0]; !r.Tick.IsZero() || r.Attempt != 0 || r.Result != runlog.Running || !r.IsAttempt() {
		t.Errorf("got %+v, want a plain run that is running", r)
	}
	l, ok := before.Finish(runlog.End{ID: "plain", Result: runlog.Success, At: tick2})
	if !ok || l.Head != before.Head || l.Runs[0].Result != runlog.Success {
		t.Errorf("got %t, %+v, want the head as it was", ok, l)
	}
}

func TestSecondSuccessIsTheLast(t *testing.T) {
	t.Parallel()
	l, ok := ended(runlog.Success, runlog.End{}).Reopen(runlog.Note{By: "alice", Since: tick1, Reason: "why"}, "again")
	if !ok || l.Head.Done {
		t.Fatalf("got %t, %+v, want the tick reopened", ok, l.Head)
	}
	q := ask(l)
	l = runlog.Decide(q).Begin(q, run("2", host))
	l, _ = l.Finish(runlog.End{ID: "2", Result: runlog.Success, At: tick2})
	if h := l.Head; !h.Done || h.LastSuccessEnd != tick2 {
		t.Errorf("got %+v, want a success that ended at %v", h, tick2)
	}
}

func TestWithdraw(t *testing.T) {
	t.Parallel()
	failed := ended(runlog.Failure, runlog.End{RetryAt: tick1.Add(time.Minute)})
	reopened, _ := failed.Reopen(runlog.Note{By: "alice", Since: tick1}, "again")
	for name, before := range map[string]runlog.Log{"nothing": {}, "failed": failed, "reopened": reopened} {
		q := ask(before)
		q.Attempts, q.Now = 2, tick1.Add(time.Minute)
		l := runlog.Decide(q).Begin(q, run("2", host)).Enter(run("plain", host)).Withdraw("2")
		if len(l.Runs) != len(before.Runs)+1 || l.Head.Running {
			t.Errorf("%s: got %+v, want the attempt taken out", name, l)
		}
		for _, now := range []time.Time{q.Now, q.Now.Add(-ms)} {
			for allowed := range 4 {
				q.Attempts, q.Now, q.Log = allowed, now, before
				want := runlog.Decide(q)
				q.Log = l
				if got := runlog.Decide(q); got.Verdict != want.Verdict || got.Attempt != want.Attempt || !got.At.Equal(want.At) {
					t.Errorf("%s, %d attempts: got %v %d at %v, want %v %d at %v", name, allowed, got.Verdict, got.Attempt, got.At, want.Verdict, want.Attempt, want.At)
				}
			}
		}
		if again := l.Withdraw("2"); !alike(again, l) {
			t.Errorf("%s: got %+v, want nothing more taken out", name, again)
		}
	}
}

func TestReopen(t *testing.T) {
	t.Parallel()
	note := runlog.Note{By: "alice", Since: tick2, Reason: "why"}
	if l, ok := (runlog.Log{}).Reopen(note, "again"); ok || !alike(l, runlog.Log{}) {
		t.Errorf("got %t, %+v, want no tick to reopen", ok, l)
	}
	for name, before := range map[string]runlog.Log{
		"done":    ended(runlog.Success, runlog.End{}),
		"failed":  ended(runlog.Failure, runlog.End{RetryAt: tick2}),
		"running": begun(host),
	} {
		l, ok := before.Reopen(note, "again")
		l, _ = l.Reopen(note, "again") // at once: still one more
		want := runlog.Run{ID: "again", Holder: "alice", Started: tick2, Result: runlog.Reopened, Reason: "why"}
		if !ok || l.Runs[0] != want || want.IsAttempt() {
			t.Errorf("%s: got %t, %+v, want %+v", name, ok, l.Runs[0], want)
		}
		q := ask(stored(t, l))
		d := runlog.Decide(q)
		if d.Verdict != runlog.Begin || d.Attempt != 2 {
			t.Errorf("%s: got %v %d, want attempt 2", name, d.Verdict, d.Attempt)
		}
		q.Log = d.Begin(q, run("2", host))
		if got := runlog.Decide(q); got.Verdict != runlog.IsSpent {
			t.Errorf("%s: got %v, want it spent", name, got.Verdict)
		}
	}
}

func TestPauseCutsText(t *testing.T) {
	t.Parallel()
	l := runlog.Log{}.Pause(runlog.Note{By: "al\xffice", Since: tick0.Add(ms), Reason: strings.Repeat("é", runlog.MaxText)}, "p")
	want := runlog.Note{By: "al\uFFFDice", Since: tick0, Reason: strings.Repeat("é", runlog.MaxText/2)}
	if *l.Head.Paused != want || l.Runs[0].Reason != want.Reason || l.Runs[0].Holder != want.By || l.Runs[0].Result != runlog.Paused {
		t.Errorf("got %+v, %+v, want %+v", l.Head.Paused, l.Runs[0], want)
	}
	l = runlog.Log{}.Enter(runlog.Run{ID: "a", Holder: host, Reason: strings.Repeat("x", runlog.MaxText-1) + "é"})
	if got := l.Runs[0].Reason; got != strings.Repeat("x", runlog.MaxText-1) {
		t.Errorf("got %d bytes, want no part of a character", len(got))
	}
}

// A wrong clock enters tick2 an hour early. What it has replaced in the head is
// not forgotten.
func TestFutureTickCountsForNobody(t *testing.T) {
	t.Parallel()
	q := ask(runlog.Log{})
	q.Due, q.Next, q.Now = tick0, tick1, tick0
	first, _ := runlog.Decide(q).Begin(q, run("0", host)).Finish(runlog.End{ID: "0", Result: runlog.Success, At: tick0})
	first = first.Pause(runlog.Note{By: "alice", Since: tick0}, "p").Resume(runlog.Note{By: "alice", Since: tick0}, "r")
	twice := func(l runlog.Log) runlog.Log { // the second attempt of tick1 failed
		q := ask(l)
		q.Attempts = 2
		l, _ = runlog.Decide(q).Begin(q, run("1", host)).Finish(runlog.End{ID: "1", Result: runlog.Failure, At: q.Now})
		q.Log = l
		l, _ = runlog.Decide(q).Begin(q, run("2", host)).Finish(runlog.End{ID: "2", Result: runlog.Failure, At: q.Now})
		return l
	}
	once := func(l runlog.Log) runlog.Log {
		q := ask(l)
		return runlog.Decide(q).Begin(q, run("1", host))
	}
	succeeded, _ := once(first).Finish(runlog.End{ID: "1", Result: runlog.Success, At: q.Now})
	cut := succeeded
	cut.Runs = nil
	for _, tt := range []struct {
		name string
		log  runlog.Log
		want runlog.Verdict
		n    int
		run  string
	}{
		{"nothing", runlog.Log{}, runlog.Begin, 1, ""},
		{"the tick before", first, runlog.Begin, 1, ""},
		{"one attempt", once(first), runlog.Begin, 2, ""},
		{"all attempts", twice(first), runlog.IsSpent, 0, "2"},
		{"success", succeeded, runlog.IsDone, 0, "1"},
		{"success, the entries were cut", cut, runlog.IsDone, 0, ""},
	} {
		wrong := ask(tt.log)
		wrong.Due, wrong.Next, wrong.Now = tick2, tick2.Add(time.Hour), tick2
		d := runlog.Decide(wrong)
		if d.Verdict != runlog.Begin {
			t.Fatalf("%s: got %v, want the wrong clock to begin", tt.name, d.Verdict)
		}
		log := d.Begin(wrong, run("wrong", "host-b"))
		if len(tt.log.Runs) > 0 {
			log, _ = log.Finish(runlog.End{ID: "wrong", Result: runlog.Success, At: tick2})
		}
		q := ask(log)
		q.Attempts, q.CatchUp = 2, tick0
		got := runlog.Decide(q)
		id := ""
		if got.Run != nil {
			id = got.Run.ID
		}
		if got.Verdict != tt.want || got.Attempt != tt.n || id != tt.run {
			t.Errorf("%s: got %v, attempt %d, run %q, want %v, %d, %q", tt.name, got.Verdict, got.Attempt, id, tt.want, tt.n, tt.run)
		}
		if tt.want != runlog.Begin {
			continue
		}
		h := got.Begin(q, run("3", host)).Head
		if h.Tick != tick1 || h.LastSuccess.After(tick1) || h.Schedule != q.Schedule {
			t.Errorf("%s: got %+v, want nothing of the future tick", tt.name, h)
		}
	}
}
