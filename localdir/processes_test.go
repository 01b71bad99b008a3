//go:build unix

package localdir_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/localdir"
)

func TestOneWinnerAmongProcesses(t *testing.T) {
	t.Parallel()
	const rounds, processes = 30, 6
	dir := t.TempDir()
	var children []*child
	for range processes {
		c := startChild(t, "", nil)
		c.must(request{Op: "open", Dir: dir})
		children = append(children, c)
	}
	for round := range rounds {
		// A new path every third round: then its folders are made in the race.
		path := fmt.Sprintf("/jobs/%d/cleanup", round/3)
		for i, c := range children {
			// What an earlier round left is free for all.
			c.send(request{Op: "grant", Path: path, Holder: fmt.Sprint("host-", i), Data: fmt.Sprintf("host-%d", i), Others: true})
		}
		winner := -1
		for i, c := range children {
			a, _ := c.receive()
			switch {
			case a.Err == "" && winner >= 0:
				t.Fatalf("round %d: both %d and %d were granted, want one winner", round, winner, i)
			case a.Err == "":
				winner = i
				if want := int64(round%3 + 1); a.Token != want {
					t.Fatalf("round %d: got token %d, want %d", round, a.Token, want)
				}
			case a.Err != errOthers.Error():
				t.Fatalf("round %d: got error %s, want a grant or a denial", round, a.Err)
			}
		}
		if winner < 0 {
			t.Fatalf("round %d: nobody was granted, want one winner", round)
		}
		a := children[winner].must(request{Op: "read", Path: path})
		if want := fmt.Sprintf("host-%d", winner); a.Data != want {
			t.Fatalf("round %d: got the record %q, want %q", round, a.Data, want)
		}
		if round%3 < 2 {
			children[winner].must(request{Op: "release"})
			if err := os.Remove(filepath.Join(dir, filepath.FromSlash(path), "lease_holder")); err != nil {
				t.Fatal(err) // so that Others finds nothing; the tokens go on
			}
		}
	}
	wantNoDebris(t, dir)
}

// A call returns soon after its context ends, though another process has the
// folder locked and does not move.
func TestContextEndsWhileLocked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openIn(t, dir)
	e := grant(t, s, "/jobs/a", "first")
	c := startChild(t, "", nil)
	c.must(request{Op: "open", Dir: dir})
	c.must(request{Op: "hold the lock", Path: "/jobs/a", Holder: "host-b"})

	calls := map[string]func(context.Context) error{
		"Grant": func(ctx context.Context) error {
			_, _, err := s.Grant(ctx, leasehold.Entry{Path: "/jobs/a"}, func(leasehold.Entry) (leasehold.Proposal, error) {
				return leasehold.Proposal{Data: []byte("wrong")}, nil
			})
			return err
		},
		"Renew": func(ctx context.Context) error {
			_, err := s.Renew(ctx, e, []byte("wrong"))
			return err
		},
		"Release": func(ctx context.Context) error { return s.Release(ctx, e, []byte("wrong"), nil) },
		"Grant below": func(ctx context.Context) error { // its folder must be made, under the same lock
			_, _, err := s.Grant(ctx, leasehold.Entry{Path: "/jobs/a/b"}, func(leasehold.Entry) (leasehold.Proposal, error) {
				return leasehold.Proposal{Data: []byte("wrong")}, nil
			})
			return err
		},
	}
	for name, call := range calls { // the lock stays held, so that each returns because ctx ends
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		err := call(ctx)
		cancel()
		if !errors.Is(err, leasehold.ErrUnreachable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: got error %v, want ErrUnreachable and ctx's", name, err)
		}
	}
	// Reads and denials wait for nobody.
	if got, err := s.Read(t.Context(), "/jobs/a"); err != nil || string(got.Data) != "first" || got.Token != e.Token {
		t.Errorf("Read: got data %q, token %d and error %v, want %q, %d", got.Data, got.Token, err, "first", e.Token)
	}
	denied := errors.New("held")
	_, _, err := s.Grant(t.Context(), leasehold.Entry{Path: "/jobs/a"}, func(leasehold.Entry) (leasehold.Proposal, error) {
		return leasehold.Proposal{}, denied
	})
	if err != denied {
		t.Errorf("Grant that is denied: got error %v, want decide's own", err)
	}

	c.kill() // which ends its lock
	if _, err := s.Renew(t.Context(), e, []byte("renewed")); err != nil {
		t.Errorf("Renew after the other process was killed: got error %v, want nil", err)
	}
}

// Whoever has given up waiting has the grant undone that comes too late.
func TestAbandonedGrantIsUndone(t *testing.T) {
	t.Parallel()
	stuck, goOn := make(chan struct{}), make(chan struct{})
	dir := t.TempDir()
	var once sync.Once
	s, err := localdir.OpenHooked(dir, 0, func(op, name string, call func() error) error {
		if op == "rename" && filepath.Base(name) == ".token" {
			once.Do(func() {
				close(stuck)
				<-goOn // like a disk that hangs
			})
		}
		return call()
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-stuck
		cancel()
	}()
	_, _, err = s.Grant(ctx, leasehold.Entry{Path: "/jobs/a"}, func(leasehold.Entry) (leasehold.Proposal, error) {
		return leasehold.Proposal{Data: []byte("granted"), Undo: []byte("undone")}, nil
	})
	if !errors.Is(err, leasehold.ErrOutcomeUnknown) || !errors.Is(err, context.Canceled) {
		t.Fatalf("Grant: got error %v, want ErrOutcomeUnknown and ctx's", err)
	}
	_, changed, err := s.Watch(t.Context(), "/jobs/a")
	if err != nil {
		t.Fatal(err)
	}
	close(goOn)
	<-changed
	if err := s.Close(); err != nil { // waits for the undoing
		t.Fatalf("Close: got error %v, want nil", err)
	}
	if _, err := s.Read(t.Context(), "/jobs/a"); !errors.Is(err, fs.ErrClosed) {
		t.Fatalf("Read after Close: got error %v, want fs.ErrClosed", err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "jobs/a/lease_holder"))
	if err != nil || string(data) != "undone" {
		t.Fatalf("got the record %q and error %v, want %q", data, err, "undone")
	}
}

// A full disk leaves the old record, and whoever has it can go on.
func TestWriteFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := startChild(t, "", nil)
	c.must(request{Op: "open", Dir: dir, Limit: 1 << 10})
	first := c.must(request{Op: "grant", Path: "/jobs/a", Holder: "host", Data: "first"})
	big := strings.Repeat("too much ", 1000)
	for _, o := range []request{
		{Op: "grant", Path: "/jobs/a", Holder: "host", Data: big},
		{Op: "renew", Data: big},
		{Op: "release", Data: big},
	} {
		if a := c.ask(o); !strings.Contains(a.Err, "file too large") || a.Lost {
			t.Fatalf("%s: got error %q, want that of a write that failed", o.Op, a.Err)
		}
		if a := c.must(request{Op: "read", Path: "/jobs/a"}); a.Data != "first" || a.Token != first.Token {
			t.Fatalf("read after a %s that failed: got data %.20q, token %d, want %q, %d", o.Op, a.Data, a.Token, "first", first.Token)
		}
		wantNoDebris(t, dir)
	}
	c.must(request{Op: "renew", Data: "renewed"})
}
