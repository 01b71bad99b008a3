package leasetest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"testing"
	"time"

	"leasehold.example/leasehold"
)

// promptly is what calls are given to return in where they must not wait for
// anything, on a machine that is busy with other tests.
var promptly = 10 * time.Second

// RunStore tests that a Store keeps what the documentation of
// [leasehold.Store] promises, by subtests that run in parallel.
//
// open returns a handle on the Store under test: whenever it is called, another
// one on the same Store, as another process would have it, or the same handle
// if the implementation knows no others. It fails t if it can't. The suite
// closes what it opened, twice. It uses paths of its own, at and below
// /leasetest-… with random digits, so the Store need not be empty, but nobody
// else may use these paths.
func RunStore(t *testing.T, open func(t *testing.T) leasehold.Store) {
	tests := []struct {
		name string
		run  func(*testing.T, *fixture)
	}{
		{"read of nothing", testReadNothing},
		{"grant is read back", testGrantIsReadBack},
		{"grant tells what it replaced", testReplaced},
		{"data up to 8 KB", testDataSizes},
		{"data is copied", testDataIsCopied},
		{"decide sees the old entry", testDecideSeesOld},
		{"decide's error writes nothing", testDecideError},
		{"tokens increase", testTokensIncrease},
		{"stamps", testStamps},

		{"renew", testRenew},
		{"renew after a later grant", testRenewAfterGrant},
		{"renew after release", testRenewAfterRelease},
		{"renew where nothing is", testRenewNothing},
		{"release", testRelease},
		{"release after a later grant", testReleaseAfterGrant},
		{"release twice", testReleaseTwice},
		{"release by another process", testReleaseByReader},
		{"release by another process, too late", testReleaseByReaderTooLate},
		{"release that puts the former record back", testReleaseToFormer},

		{"one winner", testOneWinner},
		{"no lost update", testNoLostUpdate},

		{"log of nothing", testLogNothing},
		{"log with a grant", testLogWithGrant},
		{"log for decide", testLogForDecide},
		{"log that changes before a grant", testLogChangesBeforeGrant},
		{"log with a release", testLogWithRelease},
		{"edit of a log", testEditLog},
		{"when a log was written", testLogWritten},
		{"long log", testLongLog},
		{"no lost change of a log", testNoLostLog},
		{"log of an abandoned grant", testLogOfAbandonedGrant},

		{"watch", testWatch},
		{"watch until ctx ends", testWatchEnds},

		{"independent paths", testIndependentPaths},
		{"nested paths", testNestedPaths},
		{"odd paths", testOddPaths},
		{"long paths", testLongPaths},
		{"list", testList},

		{"ended ctx", testEndedContext},
		{"close", testClose},
	}
	run := randomHex()
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, &fixture{
				t: t, open: open,
				Store: openStore(t, open),
				path:  fmt.Sprintf("/leasetest-%s-%d", run, i),
			})
		})
	}
}

// A fixture is a Store, and helpers that fail the test.
type fixture struct {
	leasehold.Store
	t    *testing.T
	open func(t *testing.T) leasehold.Store
	path string // the test's own, as is what is below
}

func openStore(t *testing.T, open func(t *testing.T) leasehold.Store) leasehold.Store {
	t.Helper()
	s := open(t)
	t.Cleanup(func() {
		for range 2 {
			if err := s.Close(); err != nil {
				t.Errorf("Close: got %v, want nil", err)
			}
		}
	})
	return s
}

// another returns the fixture with another handle on the same Store.
func (f *fixture) another() *fixture {
	f.t.Helper()
	g := *f
	g.Store = openStore(f.t, f.open)
	return &g
}

func (f *fixture) context() context.Context {
	ctx, cancel := context.WithTimeout(f.t.Context(), 2*time.Minute)
	f.t.Cleanup(cancel)
	return ctx
}

// grant makes a grant, whatever is there.
func (f *fixture) grant(path, data string) leasehold.Entry {
	f.t.Helper()
	e, _, err := f.Grant(f.context(), leasehold.Entry{Path: path}, propose(data))
	if err != nil {
		f.t.Fatalf("Grant(%.80q): got error %v, want a grant", path, err)
	}
	return e
}

// propose returns what proposes data without looking.
func propose(data string) func(leasehold.Entry) (leasehold.Proposal, error) {
	return func(leasehold.Entry) (leasehold.Proposal, error) {
		return leasehold.Proposal{Data: []byte(data), Undo: []byte("undone")}, nil
	}
}

func (f *fixture) renew(held leasehold.Entry, data string) leasehold.Entry {
	f.t.Helper()
	e, err := f.Renew(f.context(), held, []byte(data))
	if err != nil {
		f.t.Fatalf("Renew(%.80q): got error %v, want a renewal", held.Path, err)
	}
	return e
}

func (f *fixture) release(held leasehold.Entry, data string) {
	f.t.Helper()
	if err := f.Release(f.context(), held, []byte(data), nil); err != nil {
		f.t.Fatalf("Release(%.80q): got error %v, want nil", held.Path, err)
	}
}

func (f *fixture) read(path string) leasehold.Entry {
	f.t.Helper()
	e, err := f.Read(f.context(), path)
	if err != nil {
		f.t.Fatalf("Read(%.80q): got error %v, want nil", path, err)
	}
	return e
}

// wantRecord reads path and compares.
func (f *fixture) wantRecord(path, data string, token int64) leasehold.Entry {
	f.t.Helper()
	e := f.read(path)
	if e.Path != path {
		f.t.Fatalf("Read(%.80q): got path %.80q, want the same", path, e.Path)
	}
	if e.Data == nil || string(e.Data) != data {
		f.t.Fatalf("Read(%.80q): got data %.80q, want %.80q", path, e.Data, data)
	}
	if e.Token != token {
		f.t.Fatalf("Read(%.80q): got token %d, want %d", path, e.Token, token)
	}
	if e.Since.IsZero() {
		f.t.Fatalf("Read(%.80q): got no Since, want one", path)
	}
	return e
}

// wantNothing reads path, where nothing may be.
func (f *fixture) wantNothing(path string) {
	f.t.Helper()
	if e := f.read(path); e.Data != nil || e.Token != 0 || !e.Since.IsZero() || e.Path != path {
		f.t.Fatalf("Read(%.80q): got path %.80q, data %.80q, token %d, since %s, want only the path", path, e.Path, e.Data, e.Token, e.Since)
	}
}

// wantUnchanged reads path, where former must still be.
func (f *fixture) wantUnchanged(former leasehold.Entry) {
	f.t.Helper()
	if e := f.wantRecord(former.Path, string(former.Data), former.Token); !e.Since.Equal(former.Since) {
		f.t.Fatalf("Read(%.80q): got since %s, want %s as before", former.Path, e.Since, former.Since)
	}
}

func (f *fixture) wantLost(what string, err error) {
	f.t.Helper()
	if !errors.Is(err, leasehold.ErrLost) {
		f.t.Fatalf("%s: got error %v, want ErrLost", what, err)
	}
}

func randomHex() string {
	b := make([]byte, 4)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
