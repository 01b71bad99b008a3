//go:build unix

package localdir_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"leasehold.example/leasehold"
)

// What can't be a log is left as it is, and keeps nobody from the lease.
func TestUnfitLog(t *testing.T) {
	t.Parallel()
	for why, spoil := range map[string]func(file string) error{
		"has more than":         func(file string) error { return os.Truncate(file, 1<<20+1) },
		"is a symbolic link":    func(file string) error { return errors.Join(os.Remove(file), os.Symlink("lease_holder", file)) },
		"is not a regular file": func(file string) error { return errors.Join(os.Remove(file), syscall.Mkfifo(file, 0o600)) },
	} {
		t.Run(why, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := openIn(t, dir)
			held, _, err := s.Grant(t.Context(), leasehold.Entry{Path: "/jobs/a"}, proposeLog("data", "log"))
			if err != nil {
				t.Fatalf("Grant: got error %v, want a grant", err)
			}
			file := filepath.Join(dir, "jobs/a/.run_log")
			if err := spoil(file); err != nil {
				t.Fatal(err)
			}
			before, err := os.Lstat(file)
			if err != nil {
				t.Fatal(err)
			}
			_, readErr := s.ReadLog(t.Context(), held)
			_, _, grantErr := s.Grant(t.Context(), held, proposeLog("wrong", "wrong"))
			for call, err := range map[string]error{
				"ReadLog": readErr, "Grant": grantErr,
				"Release": s.Release(t.Context(), held, []byte("wrong"), become("wrong")),
				"EditLog": s.EditLog(t.Context(), "/jobs/a", become("wrong")),
			} {
				var log *leasehold.LogError
				if !errors.As(err, &log) || log.Path != "/jobs/a" || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), why) {
					t.Errorf("%s: got error %v, want a *LogError that names the path and %q and says %q", call, err, file, why)
				}
			}
			if held, err = s.Renew(t.Context(), held, []byte("renewed")); err != nil {
				t.Errorf("Renew: got error %v, want nil", err)
			}
			if err := s.Release(t.Context(), held, []byte("released"), nil); err != nil {
				t.Errorf("Release: got error %v, want nil", err)
			}
			grant(t, s, "/jobs/a", "without a log")
			if after, err := os.Lstat(file); err != nil || !os.SameFile(before, after) {
				t.Errorf("got another file and error %v, want it untouched", err)
			}
			wantNoDebris(t, dir)
		})
	}
}

// What is written can be read again.
func TestLogIsTooLong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openIn(t, dir)
	held := grant(t, s, "/jobs/a", "data")
	long := strings.Repeat("x", 1<<20+1)
	_, _, grantErr := s.Grant(t.Context(), held, proposeLog("wrong", long))
	for call, err := range map[string]error{
		"Grant":   grantErr,
		"Release": s.Release(t.Context(), held, []byte("wrong"), become(long)),
		"EditLog": s.EditLog(t.Context(), "/jobs/a", become(long)),
	} {
		if log := (*leasehold.LogError)(nil); !errors.As(err, &log) || errors.Is(err, leasehold.ErrOutcomeUnknown) {
			t.Errorf("%s: got error %v, want a *LogError", call, err)
		}
	}
	if log := readLog(t, s, "/jobs/a"); log != "" {
		t.Errorf("ReadLog: got %.20q, want none", log)
	}
	if _, err := s.Renew(t.Context(), held, []byte("renewed")); err != nil {
		t.Errorf("Renew: got error %v, want nil: nothing has happened", err)
	}
	if err := s.EditLog(t.Context(), "/jobs/a", become(long[1:])); err != nil || len(readLog(t, s, "/jobs/a")) != len(long)-1 {
		t.Errorf("EditLog of %d bytes: got error %v, want it written", len(long)-1, err)
	}
	wantNoDebris(t, dir)
}

func TestLogIsWritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openIn(t, dir)
	if err := s.EditLog(t.Context(), "/jobs/A", become("log")); err != nil {
		t.Fatalf("EditLog: got error %v, want nil", err)
	}
	file := filepath.Join(dir, "jobs/%41/.run_log")
	if data, err := os.ReadFile(file); err != nil || string(data) != "log" {
		t.Fatalf("got the file %q and error %v, want the log as it is", data, err)
	}
	written := time.Date(2026, 11, 25, 2, 0, 0, 0, time.UTC)
	if err := os.Chtimes(file, written, written); err != nil {
		t.Fatal(err)
	}
	e, err := s.ReadLog(t.Context(), leasehold.Entry{Path: "/jobs/A"})
	if err != nil || !e.Log.Written.Equal(written) {
		t.Fatalf("ReadLog: got written %v and error %v, want that of the file, %s", e.Log, err, written)
	}
}

// An edit that refuses, or changes nothing, makes no folder.
func TestEditLeavesNoTrace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openIn(t, dir)
	refused := errors.New("refused")
	if err := s.EditLog(t.Context(), "/jobs/a", func([]byte) ([]byte, error) { return nil, refused }); err != refused {
		t.Errorf("EditLog: got error %v, want edit's own", err)
	}
	if err := s.EditLog(t.Context(), "/jobs/a", become("")); err != nil {
		t.Errorf("EditLog that changes nothing: got error %v, want nil", err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 0 {
		t.Fatalf("got %v and error %v, want an empty directory", files, err)
	}
}

// In a folder with the sticky bit nobody can replace another user's file. A log
// that is another's keeps nobody from the lease.
func TestLogOfAnotherUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Log("not root: no file could be made another user's")
		return
	}
	parent, binary := publicDir(t)
	dir := filepath.Join(parent, "leases")
	if err := errors.Join(os.Mkdir(dir, 0o700), os.Chown(dir, nobody, nogroup)); err != nil {
		t.Fatal(err)
	}
	c := startChild(t, binary, otherUser(t, nobody, nogroup))
	c.must(request{Op: "open", Dir: dir})
	c.must(request{Op: "grant", Path: "/jobs/a", Data: "held"})
	folder := filepath.Join(dir, "jobs/a")
	write(t, filepath.Join(folder, ".run_log"), "log")
	if err := errors.Join(os.Chown(folder, 0, 0), os.Chmod(folder, fs.ModeSticky|0o777), os.Chmod(filepath.Join(folder, ".run_log"), 0o644)); err != nil {
		t.Fatal(err)
	}
	for _, o := range []request{
		{Op: "release", Data: "wrong", Log: "wrong"},
		{Op: "edit", Path: "/jobs/a", Log: "wrong"},
		{Op: "grant", Path: "/jobs/a", Data: "wrong", Log: "wrong"},
	} {
		if a := c.ask(o); !a.Permission || !strings.Contains(a.Err, `run log of "/jobs/a"`) {
			t.Errorf("%s: got error %q, want a *LogError that matches ErrPermission", o.Op, a.Err)
		}
		if a := c.must(request{Op: "read", Path: "/jobs/a"}); a.Data != "held" {
			t.Errorf("read after %s: got data %q, want %q", o.Op, a.Data, "held")
		}
		wantNoDebris(t, dir)
	}
	c.must(request{Op: "grant", Path: "/jobs/a", Data: "again"})
	c.must(request{Op: "release", Data: "released"})
}
