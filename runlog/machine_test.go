package runlog_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"leasehold.example/leasehold/runlog"
)

const (
	period   = time.Minute
	duration = 20 * time.Second
	attempts = 2
)

// A world is a path, who asks for it, and what really happened. A record has a
// version, and so has the log: a commit fails if one of them has moved on.
type world struct {
	t        *rapid.T
	now      time.Time
	record   *runlog.Record
	recordAt int // version
	log      []byte
	logAt    int // version
	logged   time.Time
	ids      int
	procs    []*process

	started, allowed map[time.Time]int
	succeeded        map[time.Time]bool
	byKazoo          map[time.Time]bool // kazoo ran the tick
	begun            int
}

type process struct {
	holder   string
	offset   time.Duration // of its clock
	question *runlog.Question
	decision runlog.Decision
	recordAt int // version that it has read, or granted
	logAt    int

	attempt   string // id of what it runs, "" for nothing
	tick      time.Time
	withdrawn bool // COMMAND is not begun, and the attempt is to be taken out
}

func (p *process) now(w *world) time.Time { return w.now.Add(p.offset) }

func (w *world) parse() runlog.Log {
	l, err := runlog.Parse(w.log)
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

func (w *world) write(l runlog.Log) {
	data, err := l.Marshal()
	if err != nil || len(data) > runlog.MaxBytes {
		w.t.Fatalf("marshal %+v: got %d bytes, %v", l, len(data), err)
	}
	w.log, w.logged = data, w.now
	w.logAt++
}

func (w *world) setRecord(r *runlog.Record) {
	w.record = r
	w.recordAt++
}

func (w *world) id() string {
	w.ids++
	return fmt.Sprint(w.ids)
}

// draw returns a process that matches, nil where there is none.
func (w *world) draw(what string, match func(*process) bool) *process {
	var some []*process
	for _, p := range w.procs {
		if match(p) {
			some = append(some, p)
		}
	}
	if len(some) == 0 {
		return nil
	}
	return rapid.SampledFrom(some).Draw(w.t, what)
}

func (w *world) isFree(at time.Time) bool { return w.record == nil || !at.Before(w.record.End) }

// oneIn is true about once in n times; rapid draws small numbers more often.
func oneIn(t *rapid.T, n int) bool {
	ns := make([]int, n)
	ns[n-1] = 1
	return rapid.SampledFrom(ns).Draw(t, "one in") == 1
}

func idle(p *process) bool { return p.attempt == "" }

func (w *world) ask(*rapid.T) {
	p := w.draw("who asks", idle)
	if p == nil {
		return
	}
	now := p.now(w)
	due := now.Truncate(period)
	q := runlog.Question{
		Schedule: "* * * * *", Timezone: "UTC", Due: due, Next: due.Add(period), Attempts: attempts, CatchUp: tick0,
		Now: now, Skew: skew, Holder: p.holder, Record: w.record, Log: w.parse(), Logged: w.logged,
	}
	p.question, p.decision, p.recordAt, p.logAt = &q, runlog.Decide(q), w.recordAt, w.logAt
	if p.decision.Verdict != runlog.Begin {
		p.question = nil
	}
}

// begin commits what ask has let a process do, in one transaction with its grant.
func (w *world) begin(t *rapid.T) {
	p := w.draw("who begins", func(p *process) bool { return p.question != nil })
	if p == nil {
		return
	}
	q, d := *p.question, p.decision
	p.question = nil
	if p.recordAt != w.recordAt || p.logAt != w.logAt {
		return
	}
	isLeft := w.record != nil && w.record.Holder == p.holder && w.record.End.Equal(q.Log.Head.Until) && w.record.Created.Equal(q.Log.Head.Granted)
	if w.record != nil && w.record.End.Sub(w.now) > skew && p.offset < skew && !isLeft {
		t.Fatalf("%s begins %v at %v, the record ends at %v", p.holder, q.Due, w.now, w.record.End)
	}
	former, formerRecord, id := w.log, w.record, w.id()
	w.write(d.Begin(q, runlog.Run{ID: id, Holder: p.holder, Started: p.now(w)}))
	w.setRecord(&runlog.Record{Holder: p.holder, End: p.now(w).Add(duration).Truncate(time.Second), Created: w.now})
	p.recordAt = w.recordAt
	takesBack := q.Due.After(w.now.Add(skew)) || oneIn(t, 6)
	if !takesBack {
		p.attempt, p.tick = id, q.Due
		w.start(p)
		return
	}
	switch rapid.SampledFrom([]string{"at once", "later", "never"}).Draw(t, "takes back") {
	case "at once":
		w.checkWithdraw(q, d, id)
		w.log = former
		w.write(w.parse().NoteKazoo(formerRecord))
		w.putBack(formerRecord)
	case "later":
		p.attempt, p.tick, p.withdrawn = id, q.Due, true
	}
}

// putBack makes r, which was replaced, the record again: by us.
func (w *world) putBack(r *runlog.Record) {
	if r != nil {
		r = &runlog.Record{Holder: r.Holder, End: r.End, Created: w.now}
	}
	w.setRecord(r)
}

// checkWithdraw wants the rule to answer after Withdraw as it did before Begin.
func (w *world) checkWithdraw(q runlog.Question, d runlog.Decision, id string) {
	q.Log, q.Logged, q.Record = w.parse().Withdraw(id), q.Now, nil
	if got := runlog.Decide(q); got.Verdict != runlog.Begin || got.Attempt != d.Attempt {
		w.t.Fatalf("got %v, attempt %d after Withdraw, want %d", got.Verdict, got.Attempt, d.Attempt)
	}
}

func (w *world) start(p *process) {
	w.begun++
	w.started[p.tick]++
	n := w.started[p.tick]
	if w.byKazoo[p.tick] {
		n++
	}
	if most := attempts + w.allowed[p.tick]; n > most {
		w.t.Fatalf("%v is begun %d times, want at most %d", p.tick, n, most)
	}
	if w.succeeded[p.tick] {
		w.t.Fatalf("%v is begun after its success", p.tick)
	}
	if w.parse().Head.Paused != nil {
		w.t.Fatalf("%v is begun while ticks are paused", p.tick)
	}
}

func (w *world) withdraw(*rapid.T) {
	p := w.draw("who withdraws", func(p *process) bool { return p.withdrawn })
	if p == nil {
		return
	}
	w.write(w.parse().Withdraw(p.attempt))
	if p.recordAt == w.recordAt {
		w.setRecord(nil)
	}
	p.attempt, p.withdrawn = "", false
}

func runs(p *process) bool { return p.attempt != "" && !p.withdrawn }

func (w *world) renew(*rapid.T) {
	if p := w.draw("who renews", runs); p != nil && p.recordAt == w.recordAt {
		w.setRecord(&runlog.Record{Holder: p.holder, End: p.now(w).Add(duration).Truncate(time.Second), Created: w.record.Created})
		p.recordAt = w.recordAt
	}
}

func (w *world) finish(t *rapid.T) {
	p := w.draw("who finishes", runs)
	if p == nil {
		return
	}
	l := w.parse()
	e := runlog.End{ID: p.attempt, Result: rapid.SampledFrom([]runlog.Result{runlog.Success, runlog.Failure}).Draw(t, "result"), At: p.now(w)}
	if e.Result == runlog.Failure {
		e.RetryAt = e.At.Add(5 * time.Second)
	}
	if p.recordAt == w.recordAt {
		var left *runlog.Record
		if end := p.tick.Add(period - skew); (e.Result == runlog.Success || l.Head.Attempts >= attempts) && end.After(e.At) {
			e.Until, e.Granted = end, w.record.Created
			left = &runlog.Record{Holder: p.holder, End: end, Created: w.record.Created}
		}
		w.setRecord(left)
	}
	l, ok := l.Finish(e)
	if ok {
		w.write(l)
	}
	if again, _ := l.Finish(e); !alike(again, l) {
		t.Fatalf("got %+v after a second Finish, want %+v", again, l)
	}
	w.succeeded[p.tick] = w.succeeded[p.tick] || ok && e.Result == runlog.Success
	p.attempt = ""
}

func (w *world) crash(*rapid.T) {
	if p := w.draw("who crashes", func(*process) bool { return true }); p != nil {
		p.attempt, p.question, p.withdrawn = "", nil, false
	}
}

func (w *world) runByKazoo(*rapid.T) {
	if w.isFree(w.now) {
		w.setRecord(&runlog.Record{Holder: "kazoo-a", End: w.now.Add(duration), Created: w.now, ByKazoo: true})
		w.byKazoo[w.now.Truncate(period)] = true
	}
}

func (w *world) runPlainly(*rapid.T) {
	p := w.draw("who runs plainly", idle)
	if p != nil && w.isFree(p.now(w)) {
		w.write(w.parse().NoteKazoo(w.record).Enter(runlog.Run{ID: w.id(), Holder: p.holder, Started: p.now(w)}))
		w.setRecord(&runlog.Record{Holder: p.holder, End: p.now(w).Add(duration), Created: w.now})
	}
}

func (w *world) reopen(t *rapid.T) {
	if !oneIn(t, 4) {
		return
	}
	if l, ok := w.parse().NoteKazoo(w.record).Reopen(runlog.Note{By: "alice", Since: w.now}, w.id()); ok {
		w.allowed[l.Head.Tick]++
		w.succeeded[l.Head.Tick] = false
		clear(w.byKazoo)
		w.write(l)
		if !l.Head.Running {
			w.setRecord(nil)
		}
	}
}

func (w *world) pause(t *rapid.T) {
	if !oneIn(t, 6) {
		return
	}
	w.write(w.parse().Pause(runlog.Note{By: "alice", Since: w.now}, w.id()))
}

func (w *world) resume(*rapid.T) {
	w.write(w.parse().Resume(runlog.Note{By: "alice", Since: w.now}, w.id()))
}

func (w *world) wait(t *rapid.T) {
	w.now = w.now.Add(rapid.SampledFrom([]time.Duration{ms, time.Second, 4 * time.Second, 11 * time.Second, 27 * time.Second}).Draw(t, "wait"))
}

func TestSequences(t *testing.T) {
	t.Parallel()
	begun := 0
	rapid.Check(t, func(t *rapid.T) {
		w := &world{
			t: t, now: tick0.Add(time.Second), logged: tick0,
			started: map[time.Time]int{}, allowed: map[time.Time]int{}, succeeded: map[time.Time]bool{}, byKazoo: map[time.Time]bool{},
			procs: []*process{
				{holder: "host-a", offset: skew / 2},
				{holder: "host-a", offset: skew / 2},
				{holder: "host-b", offset: -skew / 2},
				{holder: "host-c"},
				{holder: "host-d", offset: 90 * time.Second}, // a wrong clock
			},
		}
		actions := map[string]func(*rapid.T){
			"ask": w.ask, "begin": w.begin, "renew": w.renew, "finish": w.finish, "withdraw": w.withdraw, "crash": w.crash,
			"run by kazoo": w.runByKazoo, "run plainly": w.runPlainly, "reopen": w.reopen, "pause": w.pause, "resume": w.resume, "wait": w.wait,
		}
		for i := range 4 { // more often: they take more than one step to show anything
			actions[fmt.Sprint("try ", i)] = func(t *rapid.T) { w.ask(t); w.begin(t) }
			actions[fmt.Sprint("wait ", i)] = w.wait
		}
		for range 4 {
			t.Repeat(actions)
		}
		begun += w.begun
	})
	if begun < 30 {
		t.Errorf("got %d attempts, want more", begun)
	}
}
