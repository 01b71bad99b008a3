package leasetest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"leasehold.example/leasehold"
)

func testReadNothing(_ *testing.T, f *fixture) {
	f.wantNothing(f.path)
	f.wantNothing(f.path + "/below/where/nothing/is")
}

func testGrantIsReadBack(t *testing.T, f *fixture) {
	const data = `{"version": 1, "holder": "host-\u00e9 <&>", "end": "2026-11-22T18:34:12"}`
	e := f.grant(f.path, data)
	if string(e.Data) != data || e.Path != f.path || e.Token <= 0 || e.Since.IsZero() {
		t.Fatalf("Grant: got path %q, data %q, token %d, since %s, want %q, %q, a positive token and a time", e.Path, e.Data, e.Token, e.Since, f.path, data)
	}
	f.wantUnchanged(e)
	g := f.another()
	if got := g.read(f.path); got.Data == nil {
		t.Fatal("another handle does not see the grant: open must return handles on one and the same Store")
	}
	g.wantUnchanged(e)
}

func testReplaced(t *testing.T, f *fixture) {
	replace := func(by *fixture, data, want string) {
		t.Helper()
		before := by.read(f.path)
		_, replaced, err := by.Grant(by.context(), before, propose(data))
		if err != nil {
			t.Fatalf("Grant: got error %v, want a grant", err)
		}
		if replaced.Path != f.path || string(replaced.Data) != want || (replaced.Data == nil) != (want == "") || replaced.Token != before.Token {
			t.Fatalf("Grant: got what it replaced at path %q, data %q, token %d, want %q, %q, %d", replaced.Path, replaced.Data, replaced.Token, f.path, want, before.Token)
		}
	}
	replace(f, "first", "")
	replace(f.another(), "second", "first")

	// What the caller has read before may be old.
	seen := f.read(f.path)
	f.renew(f.grant(f.path, "third"), "renewed")
	_, replaced, err := f.Grant(f.context(), seen, propose("fourth"))
	if err != nil || string(replaced.Data) != "renewed" {
		t.Fatalf("Grant after an old look: got %q replaced and error %v, want %q", replaced.Data, err, "renewed")
	}
}

func testDataSizes(_ *testing.T, f *fixture) {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	for i, data := range []string{"x", string(every), strings.Repeat("8 KB is \n", 8<<10/9), strings.Repeat("\xff", 8<<10)} {
		path := fmt.Sprintf("%s/%d", f.path, i)
		e := f.grant(path, data)
		f.wantRecord(path, data, e.Token)
		f.renew(e, data[:1])
		f.wantRecord(path, data[:1], e.Token)
	}
}

func testDataIsCopied(t *testing.T, f *fixture) {
	proposed := []byte("granted")
	e, _, err := f.Grant(f.context(), leasehold.Entry{Path: f.path}, func(leasehold.Entry) (leasehold.Proposal, error) {
		return leasehold.Proposal{Data: proposed, Undo: []byte("undone")}, nil
	})
	if err != nil {
		t.Fatalf("Grant: got error %v, want a grant", err)
	}
	copy(proposed, "changed")
	copy(f.read(f.path).Data, "changed")
	f.wantRecord(f.path, "granted", e.Token)
	renewal := []byte("renewed")
	if _, err := f.Renew(f.context(), e, renewal); err != nil {
		t.Fatalf("Renew: got error %v, want a renewal", err)
	}
	copy(renewal, "changed")
	f.wantRecord(f.path, "renewed", e.Token)
}

func testDecideSeesOld(t *testing.T, f *fixture) {
	look := func() (old leasehold.Entry) {
		t.Helper()
		_, _, err := f.Grant(f.context(), leasehold.Entry{Path: f.path}, func(e leasehold.Entry) (leasehold.Proposal, error) {
			old = e
			return leasehold.Proposal{}, errors.New("only looking")
		})
		if err == nil {
			t.Fatal("Grant: got nil, want decide's error")
		}
		return old
	}
	if old := look(); old.Path != f.path || old.Data != nil || old.Token != 0 {
		t.Fatalf("decide: got path %q, data %q, token %d, want %q and nothing", old.Path, old.Data, old.Token, f.path)
	}
	e := f.grant(f.path, "first")
	e = f.renew(e, "second")
	old := look()
	if old.Path != f.path || string(old.Data) != "second" || old.Token != e.Token || !old.Since.Equal(e.Since) {
		t.Fatalf("decide: got path %q, data %q, token %d, since %s, want %q, %q, %d, %s", old.Path, old.Data, old.Token, old.Since, f.path, e.Data, e.Token, e.Since)
	}
	f.release(e, "third")
	if old := look(); string(old.Data) != "third" {
		t.Fatalf("decide: got data %q after a release, want %q", old.Data, "third")
	}
}

func testDecideError(t *testing.T, f *fixture) {
	denied := &leasehold.HeldError{Path: f.path}
	deny := func() {
		t.Helper()
		_, _, err := f.Grant(f.context(), leasehold.Entry{Path: f.path}, func(leasehold.Entry) (leasehold.Proposal, error) {
			return leasehold.Proposal{Data: []byte("wrong"), Undo: []byte("wrong")}, denied
		})
		if err != error(denied) {
			t.Fatalf("Grant: got error %#v, want decide's own %#v, not wrapped", err, denied)
		}
	}
	deny()
	f.wantNothing(f.path)
	if paths, err := f.List(f.context(), f.path); err != nil || len(paths) != 0 {
		t.Fatalf("List after a denial where nothing was: got %q and error %v, want none", paths, err)
	}
	e := f.grant(f.path, "first")
	deny()
	f.wantUnchanged(e)
	f.renew(e, "renewed after the denial")
}

func testTokensIncrease(t *testing.T, f *fixture) {
	g := f.another()
	var last leasehold.Entry
	for i := range 12 {
		by := []*fixture{f, g}[i%2]
		e := by.grant(f.path, fmt.Sprint("grant ", i))
		if e.Token <= last.Token {
			t.Fatalf("Grant %d: got token %d, want more than the %d of the one before", i, e.Token, last.Token)
		}
		if e.Since.Before(last.Since) {
			t.Fatalf("Grant %d: got since %s, want no earlier than the %s of the one before", i, e.Since, last.Since)
		}
		if i%3 == 1 {
			e = by.renew(e, "renewed")
		}
		if i%3 != 0 {
			by.release(e, "released")
		}
		last = e
	}
}

func testStamps(t *testing.T, f *fixture) {
	check := func(what string, s leasehold.Stamp) {
		t.Helper()
		switch {
		case s.At.IsZero() || s.Resolution <= 0:
			t.Fatalf("%s: got a stamp at %s to %s, want a time and a positive resolution", what, s.At, s.Resolution)
		case s.Sent.IsZero() || s.Received.IsZero() || s.Received.Wall().Before(s.Sent.Wall()):
			t.Fatalf("%s: got a stamp sent %s, received %s, want two times in this order", what, s.Sent.Wall(), s.Received.Wall())
		case !s.At.Equal(s.At.Truncate(s.Resolution)):
			t.Fatalf("%s: got a stamp at %s, want it cut off to %s", what, s.At, s.Resolution)
		}
	}
	e := f.grant(f.path, "first")
	check("Grant", e.Stamp)
	later := f.renew(e, "second")
	check("Renew", later.Stamp)
	if later.Stamp.Sent.Wall().Before(e.Stamp.Received.Wall()) {
		t.Fatalf("Renew: got a stamp sent %s, want it after the grant was received at %s", later.Stamp.Sent.Wall(), e.Stamp.Received.Wall())
	}
	if got := f.LastStamp(); got != later.Stamp {
		t.Fatalf("LastStamp: got %v, want that of the renewal, %v", got, later.Stamp)
	}
	if got := f.read(f.path).Stamp; got != (leasehold.Stamp{}) {
		t.Fatalf("Read: got the stamp %v, want none: it has committed nothing", got)
	}
}

func testOneWinner(t *testing.T, f *fixture) {
	const rounds, contenders = 5, 8
	g := f.another()
	for round := range rounds {
		path := fmt.Sprintf("%s/%d", f.path, round)
		held := errors.New("held by another")
		var wg sync.WaitGroup
		winners := make(chan leasehold.Entry, contenders)
		for i := range contenders {
			by := []*fixture{f, g}[i%2]
			holder := fmt.Sprint("host-", i)
			wg.Go(func() {
				e, _, err := by.Grant(by.context(), leasehold.Entry{Path: path}, func(old leasehold.Entry) (leasehold.Proposal, error) {
					if old.Data != nil && string(old.Data) != holder {
						return leasehold.Proposal{}, held
					}
					return leasehold.Proposal{Data: []byte(holder), Undo: []byte("undone")}, nil
				})
				if err == nil {
					winners <- e
				} else if err != held { // as it is, not wrapped
					t.Errorf("Grant by %s: got error %v, want a grant or decide's error", holder, err)
				}
			})
		}
		wg.Wait()
		if n := len(winners); n != 1 {
			t.Fatalf("round %d: got %d winners, want 1", round, n)
		}
		f.wantUnchanged(<-winners)
	}
}

func testNoLostUpdate(t *testing.T, f *fixture) {
	const writers, updates = 4, 6
	g := f.another()
	tokens := make(chan int64, writers*updates)
	var wg sync.WaitGroup
	for i := range writers {
		by := []*fixture{f, g}[i%2]
		wg.Go(func() {
			for range updates {
				e, _, err := by.Grant(by.context(), leasehold.Entry{Path: f.path}, func(old leasehold.Entry) (leasehold.Proposal, error) {
					n := 0
					if old.Data != nil {
						var err error
						if n, err = strconv.Atoi(string(old.Data)); err != nil {
							return leasehold.Proposal{}, err
						}
					}
					return leasehold.Proposal{Data: []byte(strconv.Itoa(n + 1)), Undo: []byte("undone")}, nil
				})
				if err != nil {
					t.Errorf("Grant: got error %v, want a grant", err)
					return
				}
				tokens <- e.Token
			}
		})
	}
	wg.Wait()
	close(tokens)
	seen := map[int64]bool{}
	newest := int64(0)
	for token := range tokens {
		if seen[token] {
			t.Fatalf("got token %d twice, want each once", token)
		}
		seen[token], newest = true, max(newest, token)
	}
	f.wantRecord(f.path, strconv.Itoa(writers*updates), newest)
}
