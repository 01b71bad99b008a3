package leasetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"leasehold.example/leasehold"
)

// maxLog is the length of a log that every Store must take.
const maxLog = 16 << 10

func (f *fixture) readLog(path string) *leasehold.Log {
	f.t.Helper()
	e, err := f.ReadLog(f.context(), leasehold.Entry{Path: path})
	if err != nil || e.Path != path || e.Log == nil {
		f.t.Fatalf("ReadLog(%.80q): got path %.80q, log %v and error %v, want the path and a log", path, e.Path, e.Log, err)
	}
	return e.Log
}

func (f *fixture) wantLog(path, data string) *leasehold.Log {
	f.t.Helper()
	log := f.readLog(path)
	if string(log.Data) != data {
		f.t.Fatalf("ReadLog(%.80q): got %d bytes, %.80q, want %d, %.80q", path, len(log.Data), log.Data, len(data), data)
	}
	return log
}

func (f *fixture) editLog(path string, edit leasehold.LogEdit) {
	f.t.Helper()
	if err := f.EditLog(f.context(), path, edit); err != nil {
		f.t.Fatalf("EditLog(%.80q): got error %v, want nil", path, err)
	}
}

func (f *fixture) grantWithLog(path, data, log string) leasehold.Entry {
	f.t.Helper()
	former := string(f.readLog(path).Data)
	e, replaced, err := f.Grant(f.context(), leasehold.Entry{Path: path}, proposeLog(data, add(log)))
	if err != nil {
		f.t.Fatalf("Grant(%.80q) with a log: got error %v, want a grant", path, err)
	}
	if want, _ := add(log)([]byte(former)); e.Log == nil || !bytes.Equal(e.Log.Data, want) || replaced.Log == nil || string(replaced.Log.Data) != former {
		f.t.Fatalf("Grant(%.80q) with a log: got the logs %v and %v, want the new one, %.80q, and the former, %.80q", path, e.Log, replaced.Log, want, former)
	}
	return e
}

// proposeLog returns what proposes data, and edit of the run log that is there.
func proposeLog(data string, edit leasehold.LogEdit) func(leasehold.Entry) (leasehold.Proposal, error) {
	return func(old leasehold.Entry) (leasehold.Proposal, error) {
		if old.Log == nil {
			return leasehold.Proposal{}, leasehold.ErrNeedsLog
		}
		log, err := edit(old.Log.Data)
		former := slices.Clone(old.Log.Data)
		undo := func(data []byte) ([]byte, error) {
			if bytes.Equal(data, log) {
				return former, nil
			}
			return data, nil
		}
		return leasehold.Proposal{Data: []byte(data), Undo: []byte("undone"), Log: log, UndoLog: undo}, err
	}
}

// add returns what adds a line to a log, unless that has it already.
func add(line string) leasehold.LogEdit {
	return func(data []byte) ([]byte, error) {
		if bytes.HasPrefix(data, []byte(line+"\n")) || bytes.Contains(data, []byte("\n"+line+"\n")) {
			return data, nil
		}
		return append(slices.Clone(data), line+"\n"...), nil
	}
}

// become returns what makes a log to be data.
func become(data string) leasehold.LogEdit {
	return func([]byte) ([]byte, error) { return []byte(data), nil }
}

func testLogNothing(t *testing.T, f *fixture) {
	for _, path := range []string{f.path, f.path + "/below/where/nothing/is"} {
		if log := f.wantLog(path, ""); !log.Written.IsZero() {
			t.Fatalf("ReadLog where nothing was logged: got written %s, want the zero time", log.Written)
		}
		f.wantNothing(path)
	}
	e := f.grant(f.path, "first")
	known := f.read(f.path)
	got, err := f.ReadLog(f.context(), known)
	if err != nil || string(got.Data) != "first" || got.Token != e.Token || !got.Since.Equal(e.Since) || got.Log == nil || len(got.Log.Data) != 0 {
		t.Fatalf("ReadLog after a grant without a log: got data %q, token %d, since %s, log %v and error %v, want what it was called with and an empty log", got.Data, got.Token, got.Since, got.Log, err)
	}
}

func testLogWithGrant(t *testing.T, f *fixture) {
	g := f.another()
	f.grantWithLog(f.path, "first", "a")
	g.wantLog(f.path, "a\n")
	e, replaced, err := g.Grant(g.context(), leasehold.Entry{Path: f.path}, proposeLog("second", add("b")))
	if err != nil {
		t.Fatalf("Grant with a log: got error %v, want a grant", err)
	}
	log := f.wantLog(f.path, "a\nb\n")
	if e.Log == nil || string(e.Log.Data) != "a\nb\n" || !e.Log.Written.Equal(log.Written) {
		t.Fatalf("Grant: got log %v, want the new one, written %s", e.Log, log.Written)
	}
	if replaced.Log == nil || string(replaced.Log.Data) != "a\n" {
		t.Fatalf("Grant: got what it replaced with the log %v, want the old one", replaced.Log)
	}
	f.wantUnchanged(e)

	// Without a log in the proposal it stays.
	e = f.grant(f.path, "third")
	g.wantLog(f.path, "a\nb\n")
	e = f.renew(e, "fourth")
	f.release(e, "released")
	f.wantLog(f.path, "a\nb\n")
	f.wantLog(f.path+"/below", "")
}

func testLogForDecide(t *testing.T, f *fixture) {
	denied := errors.New("denied by the log")
	ask := func(known leasehold.Entry, want string) {
		t.Helper()
		got := "nothing"
		_, _, err := f.Grant(f.context(), known, func(old leasehold.Entry) (leasehold.Proposal, error) {
			if old.Log == nil {
				return leasehold.Proposal{}, leasehold.ErrNeedsLog
			}
			got = string(old.Log.Data)
			return leasehold.Proposal{Data: []byte("wrong"), Undo: []byte("wrong"), Log: []byte("wrong")}, denied
		})
		if err != denied || got != want {
			t.Fatalf("Grant: got error %v, and decide called with the log %q, want decide's own error, not wrapped, and %q", err, got, want)
		}
		f.wantLog(f.path, want)
	}
	ask(leasehold.Entry{Path: f.path}, "")
	f.wantNothing(f.path)

	e := f.grantWithLog(f.path, "first", "a")
	withLog, err := f.ReadLog(f.context(), f.read(f.path))
	if err != nil {
		t.Fatalf("ReadLog: got error %v, want nil", err)
	}
	watched, _, err := f.Watch(f.context(), f.path)
	if err != nil {
		t.Fatalf("Watch: got error %v, want nil", err)
	}
	for _, known := range []leasehold.Entry{{Path: f.path}, f.read(f.path), watched, withLog} {
		ask(known, "a\n")
	}
	f.wantUnchanged(e)
}

// The caller has read the log, and then another changes it.
func testLogChangesBeforeGrant(t *testing.T, f *fixture) {
	g := f.another()
	want := ""
	for i, change := range []func(){
		func() { g.editLog(f.path, add("edit of nothing")) },
		func() { g.grantWithLog(f.path, "of another", "grant") },
		func() { g.editLog(f.path, add("edit")) },
		func() {
			if err := g.Release(g.context(), g.read(f.path), []byte("released"), add("release")); err != nil {
				t.Fatalf("Release with an edit: got error %v, want nil", err)
			}
		},
	} {
		known, err := f.ReadLog(f.context(), f.read(f.path))
		if err != nil {
			t.Fatalf("ReadLog: got error %v, want nil", err)
		}
		change()
		line := fmt.Sprint("mine ", i)
		want = string(f.readLog(f.path).Data) + line + "\n"
		if _, _, err := f.Grant(f.context(), known, proposeLog("mine", add(line))); err != nil {
			t.Fatalf("Grant: got error %v, want a grant", err)
		}
		f.wantLog(f.path, want)
	}
}

func testLogWithRelease(t *testing.T, f *fixture) {
	g := f.another()
	e := f.grantWithLog(f.path, "first", "a")
	refused := errors.New("not to be changed")
	refuse := func([]byte) ([]byte, error) { return []byte("wrong"), refused }
	if err := f.Release(f.context(), e, []byte("wrong"), refuse); err != refused {
		t.Fatalf("Release: got error %v, want edit's own, not wrapped", err)
	}
	g.wantUnchanged(e)
	g.wantLog(f.path, "a\n")
	e = f.renew(e, "renewed after a refusal")
	if err := f.Release(f.context(), e, []byte("released"), add("b")); err != nil {
		t.Fatalf("Release with an edit: got error %v, want nil", err)
	}
	g.wantRecord(f.path, "released", g.read(f.path).Token)
	g.wantLog(f.path, "a\nb\n")

	f.wantLost("Release after release", f.Release(f.context(), e, []byte("stale"), add("wrong")))
	e = f.grant(f.path, "second")
	later := g.grant(f.path, "third")
	f.wantLost("Release after a later grant", f.Release(f.context(), e, []byte("stale"), add("wrong")))
	f.wantUnchanged(later)
	f.wantLog(f.path, "a\nb\n")

	// By another process, and of a path without a log.
	if err := g.Release(g.context(), g.read(f.path), []byte("released by a reader"), add("c")); err != nil {
		t.Fatalf("Release by a reader: got error %v, want nil", err)
	}
	f.wantLog(f.path, "a\nb\nc\n")
	path := f.path + "/new"
	if err := f.Release(f.context(), f.grant(path, "first"), []byte("released"), add("a")); err != nil {
		t.Fatalf("Release with an edit of a log that is empty: got error %v, want nil", err)
	}
	f.wantLog(path, "a\n")
}

func testEditLog(t *testing.T, f *fixture) {
	g := f.another()
	refused := errors.New("not to be changed")
	refuse := func([]byte) ([]byte, error) { return []byte("wrong"), refused }
	wantRefused := func(path, log string) {
		t.Helper()
		if err := f.EditLog(f.context(), path, refuse); err != refused {
			t.Fatalf("EditLog: got error %v, want edit's own, not wrapped", err)
		}
		g.wantLog(path, log)
	}
	// Where nothing is.
	path := f.path + "/deep/below"
	wantRefused(path, "")
	f.editLog(path, add("a"))
	g.wantLog(path, "a\n")
	f.wantNothing(path)
	f.wantList(f.path, path)
	g.editLog(path, add("b"))
	f.grantWithLog(path, "first", "c")
	g.wantLog(path, "a\nb\nc\n")
	f.wantList(f.path, path)

	// Where a lease is held: it stays as it is.
	e := f.grant(f.path, "held")
	wantRefused(f.path, "")
	g.editLog(f.path, add("a"))
	wantRefused(f.path, "a\n")
	f.wantUnchanged(e)
	e = f.renew(e, "renewed")
	g.editLog(f.path, become("longer than before"))
	f.wantLog(f.path, "longer than before")
	g.editLog(f.path, become("short"))
	f.wantLog(f.path, "short")
	g.editLog(f.path, become(""))
	f.wantLog(f.path, "")
	g.editLog(f.path, become("\x00\xff anything"))
	f.wantLog(f.path, "\x00\xff anything")
	f.wantUnchanged(e)
	f.release(e, "released")
	f.wantLog(f.path, "\x00\xff anything")
}

func testLogWritten(t *testing.T, f *fixture) {
	f.editLog(f.path, add("0"))
	first := f.readLog(f.path).Written
	if first.IsZero() {
		t.Fatal("ReadLog: got no time at which the log was written, want one")
	}
	last, start := first, time.Now()
	for i := 1; !last.After(first); i++ { // a clock may be coarse
		if time.Since(start) > promptly {
			t.Fatalf("ReadLog: got written %s for %s, want it to be later after a later edit", last, promptly)
		}
		f.editLog(f.path, become(fmt.Sprint(i)))
		written := f.readLog(f.path).Written
		if written.Before(last) {
			t.Fatalf("ReadLog: got written %s, want no earlier than the %s of the edit before", written, last)
		}
		last = written
	}
	// The clock has surely moved on by then.
	time.Sleep(50 * time.Millisecond)
	same := func(data []byte) ([]byte, error) { return data, nil }
	f.editLog(f.path, same)
	e := f.grant(f.path, "first")
	e = f.renew(e, "second")
	if err := f.Release(f.context(), e, []byte("released"), same); err != nil {
		t.Fatalf("Release with an edit that changes nothing: got error %v, want nil", err)
	}
	if written := f.readLog(f.path).Written; !written.Equal(last) {
		t.Fatalf("ReadLog: got written %s, want %s since the log was not changed", written, last)
	}
	f.grantWithLog(f.path, "third", "more")
	if written := f.readLog(f.path).Written; !written.After(last) {
		t.Fatalf("ReadLog after a grant with a log: got written %s, want it after %s", written, last)
	}
}

func testLongLog(t *testing.T, f *fixture) {
	long := strings.Repeat("0123456789abcde\xff", maxLog/16)
	f.editLog(f.path, become(long))
	f.wantLog(f.path, long)
	other := strings.ToUpper(long)
	e, _, err := f.Grant(f.context(), leasehold.Entry{Path: f.path}, proposeLog("first", become(other)))
	if err != nil {
		t.Fatalf("Grant with a log of %d bytes: got error %v, want a grant", maxLog, err)
	}
	f.wantLog(f.path, other)
	if err := f.Release(f.context(), e, []byte("released"), become(long)); err != nil {
		t.Fatalf("Release with a log of %d bytes: got error %v, want nil", maxLog, err)
	}
	f.wantLog(f.path, long)
}

// Grants, releases and edits by two handles at once each add a line.
func testNoLostLog(t *testing.T, f *fixture) {
	const writers, rounds = 4, 5
	g := f.another()
	lines := make(chan string, 3*writers*rounds)
	var wg sync.WaitGroup
	for w := range writers {
		by := []*fixture{f, g}[w%2]
		wg.Go(func() {
			for round := range rounds {
				line := func(what string) string { return fmt.Sprintf("%s %d of writer %d", what, round, w) }
				if err := by.EditLog(by.context(), f.path, add(line("edit"))); err != nil {
					t.Errorf("EditLog: got error %v, want nil", err)
				}
				lines <- line("edit")
				known, err := by.ReadLog(by.context(), leasehold.Entry{Path: f.path})
				if err != nil {
					t.Errorf("ReadLog: got error %v, want nil", err)
				}
				e, _, err := by.Grant(by.context(), known, proposeLog(line("grant"), add(line("grant"))))
				if err != nil {
					t.Errorf("Grant: got error %v, want a grant", err)
					continue
				}
				lines <- line("grant")
				err = by.Release(by.context(), e, []byte("released"), add(line("release")))
				if err == nil {
					lines <- line("release")
				} else if !errors.Is(err, leasehold.ErrLost) {
					t.Errorf("Release: got error %v, want nil or ErrLost", err)
				}
			}
		})
	}
	wg.Wait()
	close(lines)
	var want []string
	for line := range lines {
		want = append(want, line)
	}
	got := strings.Split(strings.TrimSuffix(string(f.readLog(f.path).Data), "\n"), "\n")
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("ReadLog after %d changes: got %d lines, %q, want each once, %q", len(want), len(got), got, want)
	}
}

// A grant whose ctx ends in the middle of it either is there with its log, or
// is taken back with it.
func testLogOfAbandonedGrant(t *testing.T, f *fixture) {
	g := f.another()
	const paths = 12
	var made [paths]bool
	for i := range paths {
		path := fmt.Sprintf("%s/%d", f.path, i)
		f.editLog(path, add("before"))
		ctx, cancel := context.WithCancel(f.context())
		propose := proposeLog("data", add("grant"))
		_, _, err := g.Grant(ctx, leasehold.Entry{Path: path}, func(old leasehold.Entry) (leasehold.Proposal, error) {
			p, err := propose(old)
			if err == nil {
				time.AfterFunc(time.Duration(i)*200*time.Microsecond, cancel) // the moment is the point
			}
			return p, err
		})
		made[i] = err == nil
		cancel()
	}
	if err := g.Close(); err != nil { // which waits for what is taken back
		t.Fatalf("Close: got error %v, want nil", err)
	}
	for i := range paths {
		want := "before\n"
		if made[i] {
			want += "grant\n"
		}
		f.wantLog(fmt.Sprintf("%s/%d", f.path, i), want)
	}
}
