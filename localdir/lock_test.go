//go:build unix

package localdir_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/localdir"
)

// Who may only read a store can lock all that they can open, and keep nobody
// from writing.
func TestReadersCannotLock(t *testing.T) {
	t.Parallel()
	for mode, want := range map[fs.FileMode]fs.FileMode{0o600: 0o600, 0o640: 0o600, 0o644: 0o600, 0o660: 0o660, 0o664: 0o660} {
		parent, binary := publicDir(t)
		dir := filepath.Join(parent, "leases")
		s, err := localdir.Open(dir, &localdir.Options{Mode: mode})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		held := grant(t, s, "/jobs/a", "data")
		for _, folder := range []string{"", "jobs", "jobs/a"} {
			wantMode(t, filepath.Join(dir, folder, ".lock"), want)
		}
		if mode != 0o644 {
			continue
		}
		if os.Geteuid() != 0 {
			t.Log("not root: no other user could try to lock")
			continue
		}
		reader := startChild(t, binary, otherUser(t, nobody, nogroup))
		if locks := reader.must(request{Op: "lock all", Dir: dir}).Token; locks < 5 {
			t.Fatalf("got %d files and folders locked by a reader, want 3 folders and 2 files", locks)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if held, err = s.Renew(ctx, held, []byte("renewed")); err != nil {
			t.Errorf("Renew: got error %v, want nil", err)
		}
		if err := s.Release(ctx, held, []byte("released"), nil); err != nil {
			t.Errorf("Release: got error %v, want nil", err)
		}
		for _, path := range []string{"/jobs/a", "/jobs/b", "/new/c"} {
			if _, _, err := s.Grant(ctx, leasehold.Entry{Path: path}, func(leasehold.Entry) (leasehold.Proposal, error) {
				return leasehold.Proposal{Data: []byte("data"), Undo: []byte(undone)}, nil
			}); err != nil {
				t.Errorf("Grant(%q): got error %v, want a grant", path, err)
			}
		}
	}
}

// A lock file that was removed by hand is made anew, also while somebody waits
// for the old one.
func TestLockFileIsRemoved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openIn(t, dir)
	first := grant(t, s, "/jobs/a", "data")
	lock := filepath.Join(dir, "jobs/a/.lock")
	if err := os.Remove(lock); err != nil {
		t.Fatal(err)
	}
	write(t, lock+".0123456789abcdef.new", "") // of a maker that was killed
	if e := grant(t, s, "/jobs/a", "data"); e.Token != first.Token+1 {
		t.Errorf("Grant: got token %d, want %d", e.Token, first.Token+1)
	}
	wantNoDebris(t, dir)

	c := startChild(t, "", nil)
	c.must(request{Op: "open", Dir: dir})
	c.must(request{Op: "hold the lock", Path: "/jobs/a"})
	opened, err := os.Open(lock) // so that its inode is not used again
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	old, err := opened.Stat()
	if err != nil {
		t.Fatal(err)
	}
	waits := make(chan struct{})
	waiter, err := localdir.OpenHooked(dir, 0, func(op, name string, call func() error) error {
		err := call()
		if op == "flock" && name == lock && waits != nil {
			close(waits)
			waits = nil
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer waiter.Close()
	waiting, done := waits, make(chan struct{})
	go func() {
		defer close(done)
		grant(t, waiter, "/jobs/a", "new")
	}()
	<-waiting
	if err := os.Remove(lock); err != nil {
		t.Fatal(err)
	}
	c.kill()
	<-done
	if now, err := os.Stat(lock); err != nil || os.SameFile(old, now) {
		t.Errorf("lock file: got the old one or error %v, want a new one", err)
	}
}

func TestLockFileIsNone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openIn(t, dir)
	held := grant(t, s, "/jobs/a", "data")
	lock := filepath.Join(dir, "jobs/a/.lock")
	for why, replace := range map[string]func() error{
		"is a symbolic link":    func() error { return os.Symlink("nothing", lock) },
		"is not a regular file": func() error { return os.Mkdir(lock, 0o700) },
	} {
		if err := errors.Join(os.Remove(lock), replace()); err != nil {
			t.Fatal(err)
		}
		_, err := s.Renew(t.Context(), held, []byte("wrong"))
		var record *leasehold.RecordError
		if !errors.As(err, &record) || !strings.Contains(err.Error(), lock) || !strings.Contains(err.Error(), why) {
			t.Errorf("Renew: got error %v, want a *RecordError that names %q and says %q", err, lock, why)
		}
	}
}
