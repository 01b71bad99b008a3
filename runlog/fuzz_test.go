package runlog_test

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"leasehold.example/leasehold/runlog"
)

func FuzzParse(f *testing.F) {
	q := ask(runlog.Log{})
	l := runlog.Decide(q).Begin(q, run("a", "host-a")).Enter(run("b", "host-b"))
	l, _ = l.Finish(runlog.End{ID: "a", Result: runlog.Success, At: tick2, Until: tick2, RetryAt: tick2})
	data, err := l.Pause(runlog.Note{By: "alice", Since: tick0, Reason: "why"}, "c").Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"leasehold_run_log":2}`))
	f.Add([]byte(`{"leasehold_run_log":1,"head":{"tick":"9999-12-31T23:59:59-01:00"},"runs":[{"id":"a","result":"lost"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := runlog.Parse(data)
		if err != nil {
			var f *runlog.ForeignError
			var v *runlog.VersionError
			if !errors.As(err, &f) && !errors.As(err, &v) || !alike(l, runlog.Log{}) {
				t.Fatalf("%q: got %+v, %v, want no log and a typed error", data, l, err)
			}
			return
		}
		again := stored(t, l)
		// Six bytes of JSON hold at least one of any other writer's.
		if !alike(again, l) && len(data) < runlog.MaxBytes/6 || !reflect.DeepEqual(again.Head, l.Head) {
			t.Fatalf("%q: got %+v, want %+v", data, again, l)
		}
		one, _ := l.Marshal()
		two, _ := again.Marshal()
		if !bytes.Equal(one, two) {
			t.Fatalf("got %s, want %s", two, one)
		}
	})
}
