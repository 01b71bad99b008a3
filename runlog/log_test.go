package runlog_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"leasehold.example/leasehold/runlog"
)

var (
	tick0 = time.Date(2026, 11, 25, 2, 0, 0, 0, time.UTC)
	tick1 = tick0.Add(time.Hour)
	tick2 = tick1.Add(time.Hour)
)

const skew = 3 * time.Second

// alike reports whether a and b are the same run log.
func alike(a, b runlog.Log) bool {
	return reflect.DeepEqual(a.Head, b.Head) && len(a.Runs) == len(b.Runs) && (len(a.Runs) == 0 || reflect.DeepEqual(a.Runs, b.Runs))
}

// stored returns l after it was written and read.
func stored(t testing.TB, l runlog.Log) runlog.Log {
	t.Helper()
	data, err := l.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if len(data) > runlog.MaxBytes {
		t.Fatalf("got %d bytes, want at most %d", len(data), runlog.MaxBytes)
	}
	got, err := runlog.Parse(data)
	if err != nil {
		t.Fatalf("parse %s: %v", data, err)
	}
	return got
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	exit := 4
	note := runlog.Note{By: "alice", Since: tick0, Reason: "a \"reason\" <&>\n\u2028"}
	full := runlog.Log{
		Head: runlog.Head{
			Schedule: "0 2 * * *", Timezone: "Europe/Berlin", Since: tick0,
			Tick: tick1, Attempts: 2, ID: "b", Running: true, Done: true, Limit: 3, RetryAt: tick2, Until: tick2, Granted: tick1,
			LastSuccess: tick0, LastSuccessEnd: tick1, Paused: &note,
		},
		Runs: []runlog.Run{
			{ID: "c", Holder: "alice", Started: tick0, Result: runlog.Paused, Reason: note.Reason},
			{ID: "b", Tick: tick1, Attempt: 2, Holder: "host-a", Host: "a", PID: 7, Program: "job", Started: tick1, Result: runlog.Running},
			{ID: "a", Tick: tick1, Attempt: 1, Holder: "host-b", Started: tick1, Ended: tick2, Result: runlog.Failure, Exit: &exit, Signal: "killed"},
		},
	}
	for _, want := range []runlog.Log{{}, full} {
		if got := stored(t, want); !alike(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	data, err := full.Marshal()
	if err != nil || !strings.HasPrefix(string(data), `{"leasehold_run_log":1,"head":{`) {
		t.Errorf("got %s (%v), want the version and the head first", data, err)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	const foreign, newer = "foreign", "newer"
	long := strings.Repeat("x", runlog.MaxBytes)
	entry := `{"id":"a","result":"lost"}`
	for _, tt := range []struct{ data, want string }{
		{"", ""},
		{`{"leasehold_run_log":1}`, ""},
		{`{"leasehold_run_log":1,"head":{"tick":"2026-11-25T03:00:00+01:00"},"runs":[` + entry + `]}`, ""},
		{`{"leasehold_run_log":1,"more":[1]}`, ""},
		{`{"leasehold_run_log":2}`, newer},
		{`{"leasehold_run_log":12,"head":[],"runs":"` + long + `"}`, newer},
		{`{"head":{"tick":"soon"},"leasehold_run_log":2}`, newer},
		{"host-a", foreign},
		{" ", foreign},
		{"null", foreign},
		{"[]", foreign},
		{`{}`, foreign},
		{`{"version": 1, "holder": "host-a", "end": "2026-11-22T18:34:12"}`, foreign},
		{`{"leasehold_run_log":0}`, foreign},
		{`{"leasehold_run_log":-1}`, foreign},
		{`{"leasehold_run_log":"2"}`, foreign},
		{`{"leasehold_run_log":1.5}`, foreign},
		{`{"leasehold_run_log":1,"x":"` + long + `"}`, foreign},
		{`{"leasehold_run_log":1,"head":[]}`, foreign},
		{`{"leasehold_run_log":1,"runs":{}}`, foreign},
		{`{"leasehold_run_log":1,"head":{"attempts":-1}}`, foreign},
		{`{"leasehold_run_log":1,"head":{"limit":-1}}`, foreign},
		{`{"leasehold_run_log":1,"head":{"tick":"yesterday"}}`, foreign},
		{`{"leasehold_run_log":1,"head":{"tick":"9999-12-31T23:59:59-01:00"}}`, foreign}, // the year 10000 in UTC
		{`{"leasehold_run_log":1,"head":{"schedule":"` + strings.Repeat("\u2028", runlog.MaxBytes/4) + `"}}`, foreign},
		{`{"leasehold_run_log":1,"runs":[{"id":"a","result":"lost","ended":"9999-12-31T23:59:59-01:00"}]}`, foreign},
		{`{"leasehold_run_log":1,"runs":[{"id":"","result":"lost"}]}`, foreign},
		{`{"leasehold_run_log":1,"runs":[{"id":"a","result":"won"}]}`, foreign},
		{`{"leasehold_run_log":1,"runs":[` + strings.Repeat(entry+",", runlog.MaxRuns) + entry + `]}`, foreign},
	} {
		got, err := runlog.Parse([]byte(tt.data))
		kind := ""
		var f *runlog.ForeignError
		var v *runlog.VersionError
		switch {
		case errors.As(err, &f):
			kind = foreign
		case errors.As(err, &v):
			kind = newer
		}
		if kind != tt.want || err != nil && (!alike(got, runlog.Log{}) || len(err.Error()) > 300) {
			t.Errorf("%.100q: got %+v, %q (%v), want %q", tt.data, got, kind, err, tt.want)
		}
	}
}

func TestParseReadsTimesAsUTC(t *testing.T) {
	t.Parallel()
	l, err := runlog.Parse([]byte(`{"leasehold_run_log":1,"head":{"tick":"2026-11-25T03:00:00+01:00","paused":{"since":"2026-11-25T03:00:00+01:00"}},` +
		`"runs":[{"id":"a","result":"lost","tick":"2026-11-25T03:00:00+01:00"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range []time.Time{l.Head.Tick, l.Head.Paused.Since, l.Runs[0].Tick} {
		if got != tick0 {
			t.Errorf("got %v, want %v", got, tick0)
		}
	}
}

// 1,024 control characters take 6 KiB in JSON.
func TestHeadIsNeverCut(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("\x01", 1024)
	var l runlog.Log
	l = l.Pause(runlog.Note{By: long, Since: tick0, Reason: long}, "p")
	l = l.Resume(runlog.Note{By: long, Since: tick0, Reason: long}, "r")
	q := ask(l)
	l = stored(t, runlog.Decide(q).Begin(q, run("first", long)))
	l = stored(t, l.Pause(runlog.Note{By: long, Since: tick0, Reason: long}, "p2"))
	if h := l.Head; h.ID != "first" || h.Schedule != q.Schedule || h.Paused == nil || h.Paused.By != long || len(h.Paused.Reason) != runlog.MaxText {
		t.Errorf("got the head %+v, want all of it and a reason of %d bytes", h, runlog.MaxText)
	}
	l = stored(t, l.Resume(runlog.Note{By: "alice", Since: tick0}, "r2"))
	if l.Head.Paused != nil {
		t.Errorf("got %+v, want no pause", l.Head.Paused)
	}
	l.Head.Schedule = strings.Repeat("\x01", runlog.MaxBytes)
	if data, err := l.Marshal(); err == nil || len(data) > 0 {
		t.Errorf("got %d bytes (%v), want an error since the head does not fit", len(data), err)
	}
	l.Head = runlog.Head{Tick: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}
	if _, err := l.Marshal(); err == nil {
		t.Error("got no error, want one for the year 10000")
	}
}

func TestAttemptOfHeadIsNotCut(t *testing.T) {
	t.Parallel()
	for holder, n := range map[string]int{"host-a": 10_000, strings.Repeat("\x01", 1024): 300} {
		q := ask(runlog.Log{})
		l := stored(t, runlog.Decide(q).Begin(q, run("first", holder)))
		head := l.Head
		head.Running = false // others have run since
		for i := range n {
			l = l.Enter(run(fmt.Sprint("plain-", i), holder))
			if i%10 == 0 || len(l.Runs) < runlog.MaxRuns { // a large log is slow to cut
				l = stored(t, l)
			}
		}
		if got := stored(t, l); !reflect.DeepEqual(got.Head, head) || got.Runs[len(got.Runs)-1].ID != "first" || len(got.Runs) < 2 && len(holder) < 100 {
			t.Fatalf("got %d entries, the head %+v, want the first entry among them, and the head %+v", len(got.Runs), got.Head, head)
		}
		l, ok := l.Finish(runlog.End{ID: "first", Result: runlog.Success, At: tick1})
		if !ok || !l.Head.Done {
			t.Errorf("got %t, %+v, want the attempt finished", ok, l.Head)
		}
	}
}

func TestNewestEntriesAreKept(t *testing.T) {
	t.Parallel()
	var l runlog.Log
	for i := range 40 {
		l = l.Enter(run(fmt.Sprint(i), "host-a"))
	}
	got := stored(t, l)
	if len(got.Runs) != runlog.MaxRuns || got.Runs[0].ID != "39" || got.Runs[31].ID != "8" {
		t.Errorf("got %d entries from %s, want %d from 39 to 8", len(got.Runs), got.Runs[0].ID, runlog.MaxRuns)
	}
	if len(l.Runs) != 40 {
		t.Errorf("got %d entries after Marshal, want the log as it was", len(l.Runs))
	}
}

func TestErrorsSayWhatIsThere(t *testing.T) {
	t.Parallel()
	_, err := runlog.Parse([]byte(`{"leasehold_run_log":` + strings.Repeat("9", 1000) + `}`))
	if want := "a newer program wrote the run log: its version is 99999999999999999999, this program knows 1"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	_, err = runlog.Parse([]byte(`x`))
	if want := `what is there is not a run log: want a JSON object with the key "leasehold_run_log"`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// ask returns the question of host-a a second after tick1 was due.
func ask(l runlog.Log) runlog.Question {
	return runlog.Question{
		Schedule: "0 * * * *", Timezone: "UTC", Due: tick1, Next: tick2, Attempts: 1,
		Now: tick1.Add(time.Second), Skew: skew, Holder: "host-a", Log: l, Logged: tick1,
	}
}

func run(id, holder string) runlog.Run {
	return runlog.Run{ID: id, Holder: holder, Started: tick1.Add(time.Second)}
}
