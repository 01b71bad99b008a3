//go:build unix

package localdir_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/localdir"
)

func write(t *testing.T, name, data string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Tokens must never start anew: what can't be read is an error.
func TestDamagedTokenFile(t *testing.T) {
	t.Parallel()
	const since = `"since":"2026-11-22T18:34:12Z"`
	for name, content := range map[string]string{
		"empty":       "",
		"torn":        `{"token":7,"sin`,
		"garbage":     "\x00\x00\x00\x00",
		"zero":        `{"token":0,` + since + `}`,
		"negative":    `{"token":-7,` + since + `}`,
		"too big":     `{"token":9223372036854775808,` + since + `}`,
		"no token":    `{` + since + `}`,
		"no since":    `{"token":7}`,
		"null":        `null`,
		"a number":    `7`,
		"twice":       `{"token":7,` + since + `}{"token":8,` + since + `}`,
		"another key": `{"token":7,` + since + `,"x":1}`,
		"huge":        `{"token":7,` + since + strings.Repeat(" ", 1<<20) + `}`,
		"missing":     "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := openIn(t, dir)
			e := grant(t, s, "/jobs/a", "data")
			token := filepath.Join(dir, "jobs/a/.token")
			write(t, token, content)
			if name == "missing" {
				if err := os.Remove(token); err != nil {
					t.Fatal(err)
				}
			}
			_, readErr := s.Read(t.Context(), "/jobs/a")
			_, _, grantErr := s.Grant(t.Context(), leasehold.Entry{Path: "/jobs/a"}, func(leasehold.Entry) (leasehold.Proposal, error) {
				return leasehold.Proposal{Data: []byte("wrong")}, nil
			})
			_, renewErr := s.Renew(t.Context(), e, []byte("wrong"))
			releaseErr := s.Release(t.Context(), e, []byte("wrong"), nil)
			for call, err := range map[string]error{"Read": readErr, "Grant": grantErr, "Renew": renewErr, "Release": releaseErr} {
				var record *leasehold.RecordError
				if !errors.As(err, &record) || record.Path != "/jobs/a" || !strings.Contains(err.Error(), token) {
					t.Errorf("%s: got error %v, want a *RecordError that names the path and %q", call, err, token)
				}
			}
			if data, err := os.ReadFile(filepath.Join(dir, "jobs/a/lease_holder")); err != nil || string(data) != "data" {
				t.Errorf("got the record %q and error %v, want it untouched", data, err)
			}
			if paths, err := s.List(t.Context(), "/"); err != nil || !slices.Equal(paths, []string{"/jobs/a"}) {
				t.Errorf("List: got %q and error %v, want the lease all the same", paths, err)
			}
			// The message says how to mend it.
			write(t, token, `{"token":41,"since":"2026-01-02T15:04:05Z"}`)
			if e := grant(t, s, "/jobs/a", "mended"); e.Token != 42 {
				t.Errorf("Grant after the file was mended: got token %d, want 42", e.Token)
			}
		})
	}
}

func TestUnfitRecord(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(file string) error{
		"huge":     func(file string) error { return os.Truncate(file, 1<<20+1) },
		"a folder": func(file string) error { return errors.Join(os.Remove(file), os.Mkdir(file, 0o700)) },
		"a FIFO":   func(file string) error { return errors.Join(os.Remove(file), syscall.Mkfifo(file, 0o600)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := openIn(t, dir)
			grant(t, s, "/jobs/a", "data")
			file := filepath.Join(dir, "jobs/a/lease_holder")
			if err := spoil(file); err != nil {
				t.Fatal(err)
			}
			before, err := os.Stat(file)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			_, readErr := s.Read(ctx, "/jobs/a")
			_, _, grantErr := s.Grant(ctx, leasehold.Entry{Path: "/jobs/a"}, func(leasehold.Entry) (leasehold.Proposal, error) {
				return leasehold.Proposal{Data: []byte("wrong")}, nil
			})
			for call, err := range map[string]error{"Read": readErr, "Grant": grantErr} {
				var record *leasehold.RecordError
				if !errors.As(err, &record) || record.Path != "/jobs/a" || !strings.Contains(err.Error(), file) {
					t.Errorf("%s: got error %v, want a *RecordError that names the path and %q", call, err, file)
				}
			}
			if after, err := os.Stat(file); err != nil || !os.SameFile(before, after) {
				t.Errorf("got another file and error %v, want it untouched", err)
			}
		})
	}
}

// The layout is a promise to people and their scripts.
func TestLayout(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openIn(t, dir)
	const record = `{"version": 1, "holder": "host-a", "end": "2026-11-22T18:34:12"}`
	e := grant(t, s, "/db_leases/Hourly", record)
	for file, want := range map[string]string{
		"lease_holder": record,
		".token":       `{"token":1,"since":"` + e.Since.Format(time.RFC3339Nano) + `"}` + "\n",
	} {
		got, err := os.ReadFile(filepath.Join(dir, "db_leases/%48ourly", file))
		if err != nil || string(got) != want {
			t.Errorf("%s: got %q and error %v, want %q", file, got, err, want)
		}
	}
	// What others put there is no lease, and no trouble.
	for _, foreign := range []string{"lost+found", "README", ".git", "db_leases/.x/lease_holder", "UPPER/lease_holder"} {
		if err := os.MkdirAll(filepath.Join(dir, foreign), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if paths, err := s.List(t.Context(), "/"); err != nil || !slices.Equal(paths, []string{"/db_leases/Hourly"}) {
		t.Errorf("List: got %q and error %v, want only the lease", paths, err)
	}
}

// A folder that was removed by hand while a writer waited for its lock is not
// written to: others would lock the new one.
func TestFolderIsReplaced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openIn(t, dir)
	grant(t, s, "/jobs/a", "data")
	c := startChild(t, "", nil)
	c.must(request{Op: "open", Dir: dir})
	c.must(request{Op: "hold the lock", Path: "/jobs/a", Holder: "host-b"})
	asked := make(chan struct{})
	done := make(chan error)
	go func() {
		calls := 0
		_, _, err := s.Grant(t.Context(), leasehold.Entry{Path: "/jobs/a"}, func(old leasehold.Entry) (leasehold.Proposal, error) {
			if calls++; calls == 1 {
				close(asked) // without the lock, which it waits for next
			} else if old.Data != nil {
				return leasehold.Proposal{}, errors.New("asked about the folder that was removed")
			}
			return leasehold.Proposal{Data: []byte("new")}, nil
		})
		done <- err
	}()
	<-asked
	time.Sleep(50 * time.Millisecond) // long enough to open the folder; too short would test less, not fail
	if err := os.RemoveAll(filepath.Join(dir, "jobs")); err != nil {
		t.Fatal(err)
	}
	c.kill()
	if err := <-done; err != nil {
		t.Fatalf("Grant: got error %v, want a grant", err)
	}
	if e, err := s.Read(t.Context(), "/jobs/a"); err != nil || string(e.Data) != "new" {
		t.Fatalf("Read: got data %q and error %v, want %q in the new folder", e.Data, err, "new")
	}
}

func TestWatchEndsWithTheStore(t *testing.T) {
	t.Parallel()
	s, err := localdir.Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, changed, err := s.Watch(t.Context(), "/jobs/a")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil { // waits for the goroutine
		t.Fatalf("Close: got error %v, want nil", err)
	}
	select {
	case <-changed:
	default:
		t.Fatal("Close: got a channel that is open, want it closed")
	}
}

func TestDenialLeavesNoTrace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openIn(t, dir)
	denied := errors.New("held")
	_, _, err := s.Grant(t.Context(), leasehold.Entry{Path: "/jobs/a"}, func(leasehold.Entry) (leasehold.Proposal, error) {
		return leasehold.Proposal{}, denied
	})
	if err != denied {
		t.Fatalf("Grant: got error %v, want decide's own", err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 0 {
		t.Fatalf("after a denial: got %v and error %v, want an empty directory", files, err)
	}
}
