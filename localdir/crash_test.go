//go:build unix

package localdir_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/localdir"
)

func grant(t *testing.T, s *localdir.Store, path, data string) leasehold.Entry {
	t.Helper()
	e, _, err := s.Grant(t.Context(), leasehold.Entry{Path: path}, func(leasehold.Entry) (leasehold.Proposal, error) {
		return leasehold.Proposal{Data: []byte(data), Undo: []byte("undone")}, nil
	})
	if err != nil {
		t.Fatalf("Grant(%q): got error %v, want a grant", path, err)
	}
	return e
}

// wantNoDebris looks for what a killed writer may leave, in every folder.
func wantNoDebris(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, _ os.DirEntry, err error) error {
		if strings.HasSuffix(name, ".new") {
			t.Errorf("got %q left behind, want nothing", name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A process that grants in a loop is killed at random moments. Whatever it
// reported stays true: tokens grow, and the record is whole.
func TestKilledAtRandom(t *testing.T) {
	t.Parallel()
	const rounds = 40
	dir := t.TempDir()
	s := openIn(t, dir)
	data := strings.Repeat("0123456789abcdef", 512) // 8 KB
	newest, killedInGrant := int64(0), 0
	for round := range rounds {
		// A path of its own every other round, so that the making of folders
		// is interrupted too.
		path := "/jobs/always"
		if round%2 == 1 {
			path = fmt.Sprintf("/jobs/%d/x/y", round)
			newest = 0
		} else if round > 0 {
			newest = grant(t, s, path, data).Token
		}
		c := startChild(t, "", nil)
		c.must(request{Op: "open", Dir: dir})
		c.send(request{Op: "grants", Path: path, Holder: "host", Data: data})
		if round%2 == 0 { // let it be in the middle of its loop
			a, _ := c.receive()
			newest = wantMore(t, newest, a)
		}
		time.Sleep(rand.N(6 * time.Millisecond)) // the moment is the point
		if err := c.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for a, more := c.receive(); more; a, more = c.receive() {
			newest = wantMore(t, newest, a)
		}
		c.kill()

		e, err := s.Read(t.Context(), path)
		if err != nil {
			t.Fatalf("Read after a kill: got error %v, want nil", err)
		}
		if e.Data != nil && string(e.Data) != data {
			t.Fatalf("Read after a kill: got %d bytes of data, want the %d that were granted", len(e.Data), len(data))
		}
		if e.Token < newest {
			t.Fatalf("Read after a kill: got token %d, want at least the %d that was given out", e.Token, newest)
		}
		if e.Token > newest {
			killedInGrant++
		}
		if got := grant(t, s, path, data); got.Token <= newest || got.Token <= e.Token {
			t.Fatalf("Grant after a kill: got token %d, want more than %d and %d", got.Token, newest, e.Token)
		}
		grant(t, s, filepath.Dir(path), "the folder above")
		grant(t, s, "/jobs", "the folder above")
	}
	wantNoDebris(t, filepath.Join(dir, "jobs"))
	t.Logf("%d of %d kills came after a token was counted and before it was reported", killedInGrant, rounds)
}

func wantMore(t *testing.T, newest int64, a response) int64 {
	t.Helper()
	if a.Err != "" || a.Token <= newest {
		t.Fatalf("Grant by a process about to be killed: got token %d and error %q, want more than %d", a.Token, a.Err, newest)
	}
	return a.Token
}

// What a killed writer can have left, all of it at once.
func TestDebrisIsCleared(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openIn(t, dir)
	grant(t, s, "/jobs/a", "first")
	debris := func() {
		t.Helper()
		for _, name := range []string{".lease_holder.new", ".token.new", ".run_log.new"} {
			write(t, filepath.Join(dir, "jobs/a", name), "half of someth")
		}
		if err := os.Mkdir(filepath.Join(dir, "jobs/a/.folder.new"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	debris()
	if paths, err := s.List(t.Context(), "/"); err != nil || len(paths) != 1 {
		t.Fatalf("List: got %q and error %v, want the one lease", paths, err)
	}
	if e := grant(t, s, "/jobs/a", "second"); e.Token != 2 {
		t.Fatalf("Grant: got token %d, want 2", e.Token)
	}
	wantNoDebris(t, dir)
	debris()
	grant(t, s, "/jobs/a/below", "first")
	grant(t, s, "/jobs/a", "third")
	wantNoDebris(t, dir)
}
