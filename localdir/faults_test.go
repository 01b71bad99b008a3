//go:build unix

package localdir_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/localdir"
)

// A writeCase is a grant, a renewal, a release or an edit of a run log.
type writeCase struct {
	name        string
	old, data   string // the record before and after it; "" for none
	oldLog, log string // the run log before and after it; "" for none
	do          func(ctx context.Context, s *localdir.Store, held leasehold.Entry) (leasehold.Entry, error)
}

// undone is what a grant that is taken back leaves where there was no record.
const undone = "undone"

func writeCases() []writeCase {
	grant := func(ctx context.Context, s *localdir.Store, _ leasehold.Entry) (leasehold.Entry, error) {
		e, _, err := s.Grant(ctx, leasehold.Entry{Path: "/jobs/a"}, func(old leasehold.Entry) (leasehold.Proposal, error) {
			p := leasehold.Proposal{Data: []byte("new"), Undo: []byte(undone)}
			if old.Data != nil {
				p.Undo = old.Data
			}
			return p, nil
		})
		return e, err
	}
	grantWithLog := func(ctx context.Context, s *localdir.Store, _ leasehold.Entry) (leasehold.Entry, error) {
		e, _, err := s.Grant(ctx, leasehold.Entry{Path: "/jobs/a"}, proposeLog("new", "new log"))
		return e, err
	}
	edit := func(ctx context.Context, s *localdir.Store, held leasehold.Entry) (leasehold.Entry, error) {
		return held, s.EditLog(ctx, "/jobs/a", become("new log"))
	}
	release := func(edit leasehold.LogEdit) func(context.Context, *localdir.Store, leasehold.Entry) (leasehold.Entry, error) {
		return func(ctx context.Context, s *localdir.Store, held leasehold.Entry) (leasehold.Entry, error) {
			return leasehold.Entry{Data: []byte("new"), Token: held.Token}, s.Release(ctx, held, []byte("new"), edit)
		}
	}
	return []writeCase{
		{"first grant", "", "new", "", "", grant},
		{"grant", "old", "new", "old log", "old log", grant},
		{"renew", "old", "new", "old log", "old log", func(ctx context.Context, s *localdir.Store, held leasehold.Entry) (leasehold.Entry, error) {
			return s.Renew(ctx, held, []byte("new"))
		}},
		{"release", "old", "new", "old log", "old log", release(nil)},
		{"first grant with log", "", "new", "", "new log", grantWithLog},
		{"grant with log", "old", "new", "old log", "new log", grantWithLog},
		{"release with log", "old", "new", "old log", "new log", release(become("new log"))},
		{"first edit", "", "", "", "new log", edit},
		{"edit", "old", "old", "old log", "new log", edit},
	}
}

// keeps reports whether the grant that was there before it goes on.
func (c writeCase) keeps() bool { return c.name == "renew" || c.name == "edit" }

// begin grants what c finds.
func (c writeCase) begin(t *testing.T, s *localdir.Store) (held leasehold.Entry) {
	t.Helper()
	if c.old == "" {
		return held
	}
	held, _, err := s.Grant(t.Context(), leasehold.Entry{Path: "/jobs/a"}, proposeLog(c.old, c.oldLog))
	if err != nil {
		t.Fatalf("Grant: got error %v, want a grant", err)
	}
	return held
}

func readLog(t *testing.T, s *localdir.Store, path string) string {
	t.Helper()
	e, err := s.ReadLog(t.Context(), leasehold.Entry{Path: path})
	if err != nil {
		t.Errorf("ReadLog: got error %v, want none", err)
		return ""
	}
	return string(e.Log.Data)
}

// A fault lets one system call fail.
type fault struct {
	mu    sync.Mutex
	armed bool
	left  int  // calls until the one that fails
	after bool // the call fails although it was done
	hit   string
}

func (f *fault) call(op, name string, call func() error) error {
	f.mu.Lock()
	fails := false
	if f.armed && (!f.after || changes(op)) {
		f.left--
		fails = f.left == 0
	}
	if fails {
		f.hit = op + " " + filepath.Base(name)
	}
	f.mu.Unlock()
	if !fails {
		return unsynced(op, name, call)
	}
	if f.after || op == "close" { // which frees the file, whatever it returns
		_ = call()
	}
	return &fs.PathError{Op: op, Path: name, Err: syscall.EIO}
}

// unsynced makes all calls but fsync, which takes long and matters to no test
// without a power failure.
func unsynced(op, _ string, call func() error) error {
	if op == "fsync" {
		return nil
	}
	return call()
}

func openUnsynced(t *testing.T, dir string) *localdir.Store {
	t.Helper()
	s, err := localdir.OpenHooked(dir, 0, unsynced)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// Every system call of a write fails once. Whatever the store says afterwards
// is true, no token is given out twice, and the next grant works.
func TestEachCallFails(t *testing.T) {
	t.Parallel()
	for _, c := range writeCases() {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, done %v", c.name, after), func(t *testing.T) {
				t.Parallel()
				seen := map[string]bool{}
				n := 1
				for ; ; n++ {
					f := &fault{left: n, after: after}
					failOneCall(t, c, f)
					if f.hit == "" {
						break
					}
					op, _, _ := strings.Cut(f.hit, " ")
					seen[op] = true
					if t.Failed() {
						t.Fatalf("the above is of call %d, %s", n, f.hit)
					}
				}
				ops := []string{"create", "chmod", "write", "fsync", "rename", "remove", "mkdir", "link"}
				if !after {
					ops = append(ops, "stat", "lstat", "open", "read", "flock", "unlock", "close")
				}
				for _, op := range ops {
					if madeOnce := op == "mkdir" || op == "link"; !seen[op] && (!madeOnce || c.old == "") {
						t.Errorf("got no %s among the %d calls that failed, want each kind", op, n-1)
					}
				}
			})
		}
	}
}

func failOneCall(t *testing.T, c writeCase, f *fault) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "leases")
	s, err := localdir.OpenHooked(dir, 0, f.call)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	held := c.begin(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	f.armed = true
	e, err := c.do(ctx, s, held)
	f.armed = false

	other := openUnsynced(t, dir)
	there, readErr := other.Read(ctx, "/jobs/a")
	if readErr != nil {
		t.Errorf("Read: got error %v, want none", readErr)
		return
	}
	data, log := string(there.Data), readLog(t, other, "/jobs/a")
	unknown := errors.Is(err, leasehold.ErrOutcomeUnknown)
	switch {
	case err == nil && (data != c.data || log != c.log || there.Token != e.Token):
		t.Errorf("got no error, and data %q, log %q and token %d, want %q, %q and %d", data, log, there.Token, c.data, c.log, e.Token)
	case err != nil && !unknown && log != c.oldLog:
		t.Errorf("got error %v, and log %q, want %q since the outcome is known", err, log, c.oldLog)
	case log != c.oldLog && log != c.log:
		t.Errorf("got error %v, and log %q, want the old or the new", err, log)
	case data == "new" && log != c.log:
		t.Errorf("got error %v, the new record and the log %q, want the new log with it", err, log)
	case err != nil && !unknown && data != c.old && data != undone:
		t.Errorf("got error %v, and data %q, want %q since the outcome is known", err, data, c.old)
	case data != c.old && data != undone && data != c.data:
		t.Errorf("got error %v, and data %q, want the old or the new", err, data)
	case err != nil && !errors.Is(err, syscall.EIO):
		t.Errorf("got error %v, want that of the call", err)
	}
	if there.Token < held.Token {
		t.Errorf("got token %d after %d, want none smaller", there.Token, held.Token)
	}
	if c.old != "" && there.Token == held.Token && (c.keeps() || err != nil && !unknown) {
		// The grant has not ended, so its holder can go on.
		if _, err := s.Renew(ctx, held, []byte("renewed")); err != nil {
			t.Errorf("Renew afterwards: got error %v, want nil", err)
		}
	}
	newest := max(held.Token, there.Token, e.Token)
	for _, s := range []*localdir.Store{other, s} {
		next, _, err := s.Grant(ctx, leasehold.Entry{Path: "/jobs/a"}, proposeLog("next", "next log"))
		if err != nil || next.Token <= newest {
			t.Errorf("the next Grant: got token %d and error %v, want more than %d", next.Token, err, newest)
		}
		if log := readLog(t, other, "/jobs/a"); log != "next log" {
			t.Errorf("the next Grant: got log %q, want %q", log, "next log")
		}
		newest = next.Token
	}
	grant(t, other, "/jobs", "next")
	wantNoDebris(t, dir)
}

// A process is killed before every call of a write that changes something.
func TestKilledAtEachCall(t *testing.T) {
	t.Parallel()
	for _, c := range writeCases() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			kills := 0
			for killAtOneCall(t, c, kills+1) && !t.Failed() {
				kills++
			}
			if kills < 6 {
				t.Errorf("got %d kills, want more calls than that", kills)
			}
		})
	}
}

// killAtOneCall returns false if there was no such call.
func killAtOneCall(t *testing.T, c writeCase, n int) (killed bool) {
	t.Helper()
	dir := t.TempDir()
	child := startChild(t, "", nil)
	child.must(request{Op: "open", Dir: dir, NoSync: true})
	held := leasehold.Entry{Path: "/jobs/a"}
	if c.old != "" {
		held.Token = child.must(request{Op: "grant", Path: "/jobs/a", Data: c.old, Log: c.oldLog}).Token
	}
	r := request{Op: strings.TrimPrefix(strings.TrimSuffix(c.name, " with log"), "first "), Path: "/jobs/a", Data: "new", DieAt: n}
	if c.log != c.oldLog {
		r.Log = c.log
	}
	child.send(r)
	a, alive := child.receive()
	if alive && a.Err != "" {
		t.Fatalf("%s: got error %s, want none", c.name, a.Err)
	}
	child.kill()

	s := openUnsynced(t, dir)
	e, err := s.Read(t.Context(), "/jobs/a")
	data, log := string(e.Data), readLog(t, s, "/jobs/a")
	if err != nil || data != c.old && data != c.data || alive && data != c.data {
		t.Errorf("Read after a kill at call %d: got data %q and error %v, want %q or %q", n, data, err, c.old, c.data)
	}
	// An attempt may be entered without its grant. But no grant is there without
	// its attempt, nor is a record free before the log has the result.
	if log != c.oldLog && log != c.log || (alive || data == "new") && log != c.log {
		t.Errorf("ReadLog after a kill at call %d: got log %q beside data %q, want %q, or %q beside the old record", n, log, data, c.log, c.oldLog)
	}
	if granted := strings.Contains(c.name, "grant"); e.Token < held.Token || !granted && e.Token != held.Token {
		t.Errorf("Read after a kill at call %d: got token %d, want no less than %d", n, e.Token, held.Token)
	}
	if e.Data != nil {
		if err := s.Release(t.Context(), e, []byte("released by a reader"), nil); err != nil {
			t.Errorf("Release after a kill at call %d: got error %v, want nil", n, err)
		}
	}
	if next := grant(t, s, "/jobs/a", "next"); next.Token <= max(held.Token, e.Token) {
		t.Errorf("Grant after a kill at call %d: got token %d, want more than %d and %d", n, next.Token, held.Token, e.Token)
	}
	grant(t, s, "/jobs", "next")
	wantNoDebris(t, dir)
	return !alive
}

// The greatest token has no successor. It must not become a negative one.
func TestGreatestToken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openIn(t, dir)
	grant(t, s, "/jobs/a", "data")
	token := filepath.Join(dir, "jobs/a/.token")
	write(t, token, `{"token":9223372036854775806,"since":"2026-01-02T15:04:05Z"}`)
	held := grant(t, s, "/jobs/a", "last")
	if held.Token != 1<<63-1 {
		t.Fatalf("Grant: got token %d, want 2^63-1", held.Token)
	}
	_, _, err := s.Grant(t.Context(), leasehold.Entry{Path: "/jobs/a"}, func(leasehold.Entry) (leasehold.Proposal, error) {
		return leasehold.Proposal{Data: []byte("wrong")}, nil
	})
	var record *leasehold.RecordError
	if !errors.As(err, &record) || !strings.Contains(err.Error(), token) || !strings.Contains(err.Error(), "greatest number") {
		t.Fatalf("Grant: got error %v, want a *RecordError that names %q", err, token)
	}
	if e, err := s.Read(t.Context(), "/jobs/a"); err != nil || string(e.Data) != "last" || e.Token != held.Token {
		t.Fatalf("Read: got data %q, token %d and error %v, want it untouched", e.Data, e.Token, err)
	}
	if held, err = s.Renew(t.Context(), held, []byte("renewed")); err != nil {
		t.Fatalf("Renew: got error %v, want nil", err)
	}
	if err := s.Release(t.Context(), held, []byte("released"), nil); err != nil {
		t.Fatalf("Release: got error %v, want nil", err)
	}
}
