//go:build unix

package localdir_test

import (
	"bytes"
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
		"Release": func(ctx context.Context) error { return s.Release(ctx, e, []byte("wrong"), become("wrong")) },
		"EditLog": func(ctx context.Context) error { return s.EditLog(ctx, "/jobs/a", become("wrong")) },
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
	if log := readLog(t, s, "/jobs/a"); log != "" {
		t.Errorf("ReadLog: got %q, want none", log)
	}
	denied := errors.New("held")
	_, _, err := s.Grant(t.Context(), leasehold.Entry{Path: "/jobs/a"}, func(old leasehold.Entry) (leasehold.Proposal, error) {
		if old.Log == nil {
			return leasehold.Proposal{}, leasehold.ErrNeedsLog
		}
		return leasehold.Proposal{}, denied
	})
	if err != denied {
		t.Errorf("Grant that is denied: got error %v, want decide's own", err)
	}
	if err := s.EditLog(t.Context(), "/jobs/a", become("")); err != nil {
		t.Errorf("EditLog that changes nothing: got error %v, want nil", err)
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
	if err := openUnsynced(t, dir).EditLog(t.Context(), "/jobs/a", become("former log")); err != nil {
		t.Fatalf("EditLog: got error %v, want nil", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-stuck
		cancel()
	}()
	_, _, err = s.Grant(ctx, leasehold.Entry{Path: "/jobs/a"}, proposeLog("granted", "attempt"))
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
	if log := readLog(t, openUnsynced(t, dir), "/jobs/a"); log != "former log" {
		t.Fatalf("ReadLog: got %q, want %q as before the grant", log, "former log")
	}
}

// A grant that comes too late, and that another has replaced before it could be
// undone, is still taken out of the log.
func TestAbandonedGrantIsWithdrawnFromTheLog(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	other := openUnsynced(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	granted, returned := false, make(chan struct{})
	s, err := localdir.OpenHooked(dir, 0, func(op, name string, call func() error) error {
		switch {
		case op == "rename" && filepath.Base(name) == "lease_holder" && !granted:
			cancel()
			<-returned
			granted = true
		case op == "flock" && granted && returned != nil:
			returned = nil
			_, _, err := other.Grant(t.Context(), leasehold.Entry{Path: "/jobs/a"}, proposeLog("of another", "attempt, another"))
			if err != nil {
				t.Errorf("Grant by another: got error %v, want a grant", err)
			}
		}
		return unsynced(op, name, call)
	})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = s.Grant(ctx, leasehold.Entry{Path: "/jobs/a"}, func(leasehold.Entry) (leasehold.Proposal, error) {
		withdraw := func(data []byte) ([]byte, error) { return bytes.TrimPrefix(data, []byte("attempt, ")), nil }
		return leasehold.Proposal{Data: []byte("granted"), Undo: []byte("wrong"), Log: []byte("attempt, "), UndoLog: withdraw}, nil
	})
	if !errors.Is(err, leasehold.ErrOutcomeUnknown) {
		t.Fatalf("Grant: got error %v, want ErrOutcomeUnknown", err)
	}
	close(returned)
	if err := s.Close(); err != nil { // waits for the undoing
		t.Fatalf("Close: got error %v, want nil", err)
	}
	if log := readLog(t, other, "/jobs/a"); log != "another" {
		t.Errorf("ReadLog: got %q, want %q without the attempt that was taken back", log, "another")
	}
	if e, err := other.Read(t.Context(), "/jobs/a"); err != nil || string(e.Data) != "of another" {
		t.Errorf("Read: got data %q and error %v, want %q", e.Data, err, "of another")
	}
}

// A full disk leaves the old record and log, and whoever has it can go on.
func TestWriteFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openIn(t, dir)
	c := startChild(t, "", nil)
	c.must(request{Op: "open", Dir: dir, Limit: 1 << 10})
	first := c.must(request{Op: "grant", Path: "/jobs/a", Holder: "host", Data: "first"})
	big := strings.Repeat("too much ", 1000)
	for _, o := range []request{
		{Op: "grant", Path: "/jobs/a", Holder: "host", Data: big},
		{Op: "renew", Data: big},
		{Op: "release", Data: big},
		{Op: "grant", Path: "/jobs/a", Data: "wrong", Log: big},
		{Op: "release", Data: "wrong", Log: big},
		{Op: "edit", Path: "/jobs/a", Log: big},
		{Op: "edit", Path: "/jobs/new", Log: big},
	} {
		if a := c.ask(o); !strings.Contains(a.Err, "file too large") || a.Lost {
			t.Fatalf("%s: got error %q, want that of a write that failed", o.Op, a.Err)
		}
		if a := c.must(request{Op: "read", Path: "/jobs/a"}); a.Data != "first" || a.Token != first.Token {
			t.Fatalf("read after a %s that failed: got data %.20q, token %d, want %q, %d", o.Op, a.Data, a.Token, "first", first.Token)
		}
		if log := readLog(t, s, "/jobs/a"); log != "" {
			t.Fatalf("ReadLog after a %s that failed: got %.20q, want none", o.Op, log)
		}
		wantNoDebris(t, dir)
	}
	c.must(request{Op: "renew", Data: "renewed"})
}
