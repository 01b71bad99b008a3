package board_test

import (
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/board"
	"leasehold.example/leasehold/leasetest"
)

// After a connection was lost all is read again: what has stayed the same is the same
// Job, and no listener is told that it has changed.
func TestReadAgain(t *testing.T) {
	t.Parallel()
	s := teller{leasetest.NewStore(), make(chan leasehold.News)}
	c := leasehold.Client{Store: s, Holder: "host-a", RunLog: true}
	lease, err := c.TryAcquire(t.Context(), "/a", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	read := func() leasehold.News {
		t.Helper()
		e, err := s.Read(t.Context(), "/a")
		if err == nil {
			e, err = s.ReadLog(t.Context(), e)
		}
		if err != nil {
			t.Fatal(err)
		}
		return leasehold.News{Leases: []leasehold.Sighting{{Entry: e}}, AsOf: leasehold.ReadInstant()}
	}
	b := run(t, s, "/")
	s.news <- read()
	first := await(t, b, "the lease", func(s *board.Snapshot) bool { return s.Job("/a") != nil })
	s.news <- read()
	second := await(t, b, "the next picture", func(s *board.Snapshot) bool { return s.Changed.After(first.Changed) })
	if first.Job("/a") != second.Job("/a") {
		t.Error("got another Job for what has stayed the same")
	}
	if err := lease.Finish(t.Context(), leasehold.Outcome{Result: "success"}); err != nil {
		t.Fatal(err)
	}
	s.news <- read()
	third := await(t, b, "the run's end", func(s *board.Snapshot) bool { return s.Changed.After(second.Changed) })
	if second.Job("/a") == third.Job("/a") {
		t.Error("got the same Job for one that has changed")
	}
}
