package board_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/board"
	"leasehold.example/leasehold/cmd/leasehold/internal/jobs"
	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/leasetest"
)

// A teller is a store that tells what a test wants.
type teller struct {
	leasehold.Store
	news chan leasehold.News
}

func (s teller) Follow(ctx context.Context, _ string, tell func(leasehold.News)) error {
	for {
		select {
		case n := <-s.news:
			tell(n)
		case <-ctx.Done():
			return nil
		}
	}
}

// The picture is known for as long as the store says so, and not a moment longer;
// and there is another one only when something has changed.
func TestKnown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := teller{leasetest.NewStore(), make(chan leasehold.News)}
		b := run(t, store, "/")
		former, changed := b.Snapshot()
		check := func(what string, isNew, known bool, since time.Time, err error) {
			t.Helper()
			synctest.Wait()
			isClosed := false
			select {
			case <-changed:
				isClosed = true
			default:
			}
			var now *board.Snapshot
			now, changed = b.Snapshot()
			if now.Known != known || !now.UnknownSince.Equal(since) || now.Err != err || isClosed != isNew || (now != former) != isNew {
				t.Fatalf("%s: got %s, new %t and told %t, want known %t, unknown since %s, error %v, new %t", what, show(now), now != former, isClosed, known, since, err, isNew)
			}
			former = now
		}
		tell := func(n leasehold.News) {
			store.news <- n
			synctest.Wait()
		}
		none := time.Time{}
		check("the beginning", false, false, none, nil)
		tell(leasehold.News{Leases: []leasehold.Sighting{{Entry: leasehold.Entry{Path: "/a", Data: []byte("{}")}}}})
		check("a part", true, false, none, nil)
		tell(leasehold.News{AsOf: leasehold.ReadInstant()})
		check("all", true, true, none, nil)
		time.Sleep(time.Second)
		asOf := leasehold.ReadInstant()
		tell(leasehold.News{AsOf: asOf})
		check("a second later", false, true, none, nil)
		time.Sleep(1700 * time.Millisecond)
		check("still", false, true, none, nil)
		time.Sleep(300 * time.Millisecond)
		check("two seconds later", true, false, asOf.Wall(), nil)
		tell(leasehold.News{AsOf: leasehold.ReadInstant()})
		check("again", true, true, none, nil)
		asOf = leasehold.ReadInstant()
		lost := errors.New("connection lost")
		tell(leasehold.News{Err: lost})
		check("lost", true, false, asOf.Wall(), lost)
		tell(leasehold.News{Err: lost})
		check("still lost", false, false, asOf.Wall(), lost)
		tell(leasehold.News{Leases: []leasehold.Sighting{{Entry: leasehold.Entry{Path: "/a"}}}})
		tell(leasehold.News{AsOf: leasehold.ReadInstant()})
		check("found", true, true, none, nil)
		if len(former.Jobs) != 0 {
			t.Errorf("got %s, want no job", show(former))
		}
	})
}

// hidden is a store that can't be looked into for a while.
type hidden struct {
	leasehold.Store
	why chan error // has the reason while it can't
}

func (s hidden) List(ctx context.Context, prefix string) ([]string, error) {
	paths, err := s.Store.List(ctx, prefix)
	if len(s.why) > 0 {
		why := <-s.why
		s.why <- why
		return nil, why
	}
	return paths, err
}

// A store that can't be looked into is not taken for empty.
func TestPollFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := hidden{leasetest.NewStore(), make(chan error, 1)}
		_, err := (&leasehold.Client{Store: store, Holder: "host-a"}).TryAcquire(t.Context(), "/a", time.Hour)
		must(t, err)
		b := run(t, store, "/")
		want(t, b, "one", "/a held host-a")
		why := errors.New("a file system that hangs")
		store.why <- why
		s := await(t, b, "hidden", func(s *board.Snapshot) bool { return !s.Known })
		if s.Err != why || len(s.Jobs) != 1 || s.UnknownSince.IsZero() {
			t.Errorf("got %s, want the job, and since when it is not known, and why", show(s))
		}
		<-store.why
		want(t, b, "seen again", "/a held host-a")
	})
}

// What no other attempt changes ends Run.
func TestRunFails(t *testing.T) {
	t.Parallel()
	old := zktest.StartFake(t, zktest.AnswerRequests(func(r zktest.Request) []byte { return zktest.Reply(r, -6) }))
	err := board.New(open(t, old.Address(), "", nil), "/jobs", jobs.DefaultGrace).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "ZooKeeper 3.6") || !strings.Contains(err.Error(), `"/jobs"`) {
		t.Errorf("got error %v, want one that names ZooKeeper 3.6 and /jobs", err)
	}
}
