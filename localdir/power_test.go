//go:build unix

package localdir_test

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/localdir"
)

// A disk knows what would be left below top after a power failure: what was
// synced, files as well as the names in folders. What was not may be left too.
type disk struct {
	t      *testing.T
	top    string
	synced map[uint64]bool    // inodes of files whose content was synced
	kept   map[string]*string // content by name; nil for folders
	after  func()             // is called after each call that changes something
}

func (d *disk) call(op, name string, call func() error) error {
	var err error
	if op != "fsync" { // only its effect matters here
		err = call()
	}
	if err == nil && changes(op) {
		d.note(op, name)
		if d.after != nil {
			d.after()
		}
	}
	return err
}

func (d *disk) note(op, name string) {
	info, err := os.Lstat(name)
	if err != nil || op != "fsync" && op != "create" {
		return
	}
	if !info.IsDir() {
		d.synced[info.Sys().(*syscall.Stat_t).Ino] = op == "fsync"
		return
	}
	maps.DeleteFunc(d.kept, func(kept string, _ *string) bool { return filepath.Dir(kept) == name })
	entries, err := os.ReadDir(name)
	if err != nil {
		d.t.Fatal(err)
	}
	for _, e := range entries {
		file := filepath.Join(name, e.Name())
		if e.IsDir() {
			d.kept[file] = nil
			continue
		}
		d.kept[file] = d.content(file)
	}
}

// content returns what a file would have after a power failure, nil if that is
// not a file.
func (d *disk) content(file string) *string {
	content := ""
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.IsDir() {
		return nil
	}
	if err == nil && d.synced[info.Sys().(*syscall.Stat_t).Ino] {
		var data []byte
		data, err = os.ReadFile(file)
		content = string(data)
	}
	if err != nil {
		d.t.Fatal(err)
	}
	return &content
}

// restore makes a folder with what is left, and with the file called extra
// although its name was not synced.
func (d *disk) restore(extra string) (top string) {
	top = d.t.TempDir()
	kept := maps.Clone(d.kept)
	if content := d.content(extra); content != nil {
		kept[extra] = content
	}
	for _, name := range slices.Sorted(maps.Keys(kept)) { // folders come before what is in them
		to, below := strings.CutPrefix(name, d.top)
		if !below {
			continue
		}
		to = filepath.Join(top, to)
		if _, err := os.Stat(filepath.Dir(to)); err != nil {
			continue // its folder is lost
		}
		var err error
		if content := kept[name]; content != nil {
			err = os.WriteFile(to, []byte(*content), 0o600)
		} else {
			err = os.Mkdir(to, 0o700)
		}
		if err != nil {
			d.t.Fatal(err)
		}
	}
	return top
}

// The power fails after every call of two grants, a renewal, a release and edits
// of the run log. No token that was given out is forgotten, nor is a record or a
// log, and no record is there before its log.
func TestPowerFails(t *testing.T) {
	t.Parallel()
	for name, makerWasKilled := range map[string]bool{"new folders": false, "folders whose maker was killed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := &disk{t: t, top: t.TempDir(), synced: map[uint64]bool{}, kept: map[string]*string{}}
			if makerWasKilled {
				if err := os.MkdirAll(filepath.Join(d.top, "leases/jobs/a"), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			s, err := localdir.OpenHooked(filepath.Join(d.top, "leases"), 0, d.call)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			var acknowledged leasehold.Entry
			next, log, kept := "", "", "" // the record and log that are being written; the log that is acknowledged
			d.after = func() {
				for _, extra := range []string{"", ".token", "lease_holder", ".run_log"} {
					if t.Failed() { // no Fatal: this is not always the test's own goroutine
						return
					}
					after := openUnsynced(t, filepath.Join(d.restore(filepath.Join(d.top, "leases/jobs/a", extra)), "leases"))
					e, err := after.Read(t.Context(), "/jobs/a")
					data := string(e.Data)
					if err != nil || e.Token < acknowledged.Token || data != string(acknowledged.Data) && data != next {
						t.Errorf("Read: got data %q, token %d and error %v, want %q or %q, and no token before %d", data, e.Token, err, acknowledged.Data, next, acknowledged.Token)
					}
					if data == "second" && e.Token < 2 {
						t.Errorf("Read: got data %q with token %d, want 2", data, e.Token)
					}
					got := readLog(t, after, "/jobs/a")
					if got != kept && got != log || data == next && data != string(acknowledged.Data) && got != log {
						t.Errorf("ReadLog: got log %q beside data %q, want %q, or %q before data %q", got, data, log, kept, next)
					}
					later, _, err := after.Grant(t.Context(), leasehold.Entry{Path: "/jobs/a"}, func(leasehold.Entry) (leasehold.Proposal, error) {
						return leasehold.Proposal{Data: []byte("later"), Undo: []byte(undone)}, nil
					})
					if err != nil || later.Token <= acknowledged.Token {
						t.Errorf("Grant: got token %d and error %v, want more than %d", later.Token, err, acknowledged.Token)
					}
				}
			}
			done := func(e leasehold.Entry, err error) {
				t.Helper()
				if err != nil {
					t.Fatalf("write of %q: got error %v, want none", next, err)
				}
				acknowledged, kept = e, log
				d.after()
			}
			edit := func(to string) {
				log = to
				done(acknowledged, s.EditLog(t.Context(), "/jobs/a", become(log)))
			}
			grant := func(to, itsLog string) {
				next, log = to, itsLog
				e, _, err := s.Grant(t.Context(), leasehold.Entry{Path: "/jobs/a"}, proposeLog(next, log))
				done(e, err)
			}
			edit("of nothing")
			grant("first", "first log")
			next = "renewed"
			done(s.Renew(t.Context(), acknowledged, []byte(next)))
			edit("edited")
			grant("second", "second log")
			next, log = "released", "result"
			released := acknowledged
			released.Data = []byte(next)
			done(released, s.Release(t.Context(), acknowledged, []byte(next), become(log)))
			edit("")
		})
	}
}
