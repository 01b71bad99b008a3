package board_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/board"
	"leasehold.example/leasehold/cmd/leasehold/internal/jobs"
	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/leasetest"
	"leasehold.example/leasehold/localdir"
	"leasehold.example/leasehold/zookeeper"
)

func TestMain(m *testing.M) { zktest.Main(m) }

// limit is how long a test waits for what is to happen.
const limit = time.Minute

// stores are stores of each kind, empty ones.
var stores = map[string]func(t *testing.T) leasehold.Store{
	"zookeeper": func(t *testing.T) leasehold.Store {
		return open(t, zktest.Shared(t).Addr(), "/"+strings.ReplaceAll(t.Name(), "/", "-"), nil)
	},
	"localdir": func(t *testing.T) leasehold.Store {
		s, err := localdir.Open(t.TempDir(), nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	},
	"memory": func(t *testing.T) leasehold.Store { return leasetest.NewStore() },
}

func open(t *testing.T, address, chroot string, options *zookeeper.Options) *zookeeper.Store {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	s, err := zookeeper.Open(ctx, "zk://"+address+chroot, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// run runs a board until the test ends.
func run(t *testing.T, store leasehold.Store, prefix string) *board.Board {
	t.Helper()
	b := board.New(store, prefix, jobs.DefaultGrace)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: got error %v, want nil", err)
		}
	})
	return b
}

// await waits until the picture is what it should be.
func await(t *testing.T, b *board.Board, what string, ok func(*board.Snapshot) bool) *board.Snapshot {
	t.Helper()
	timeout := time.After(limit)
	for {
		s, changed := b.Snapshot()
		if ok(s) {
			return s
		}
		select {
		case <-changed:
		case <-timeout:
			t.Fatalf("%s: got %s", what, show(s))
		}
	}
}

// want waits until the picture is known and shows these jobs.
func want(t *testing.T, b *board.Board, what string, lease ...string) {
	t.Helper()
	await(t, b, fmt.Sprintf("%s: want %q", what, lease), func(s *board.Snapshot) bool {
		return s.Known && s.Err == nil && slices.Equal(lines(s), lease)
	})
}

func show(s *board.Snapshot) string {
	return fmt.Sprintf("%q, known %t, unknown since %s, error %v", lines(s), s.Known, s.UnknownSince, s.Err)
}

// lines are the jobs, each with what was seen of it.
func lines(s *board.Snapshot) (all []string) {
	for _, j := range s.Jobs {
		line := fmt.Sprintf("%s %s %s", j.Path, j.State, j.Holder)
		if p := j.Log.Head.Paused; p != nil {
			line += " paused: " + p.Reason
		}
		if j.LogError != nil {
			line += " no log"
		}
		all = append(all, strings.TrimSpace(line))
	}
	return all
}

// What happens to leases is seen, whatever keeps them.
func TestChanges(t *testing.T) {
	t.Parallel()
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, store := t.Context(), open(t)
			a := &leasehold.Client{Store: store, Holder: "host-a"}
			b := run(t, store, "/")
			want(t, b, "nothing")
			lease, err := a.TryAcquire(ctx, "/jobs/one", time.Minute)
			must(t, err)
			want(t, b, "a grant on a new path", "/jobs/one held host-a")
			s, _ := b.Snapshot()
			if got := s.Jobs[0]; got.Token != lease.Token() || !got.End.Equal(lease.End()) || got.Slot != -1 {
				t.Errorf("got %+v, want the token %d and the end %s", got.Status, lease.Token(), lease.End())
			}
			_, err = a.TryAcquireSlot(ctx, "/jobs/slots", 2, time.Minute)
			must(t, err)
			want(t, b, "a slot", "/jobs/one held host-a", "/jobs/slots/0 held host-a")
			must(t, a.Pause(ctx, "/jobs/one", "ann", "repair"))
			want(t, b, "a pause", "/jobs/one held host-a paused: repair", "/jobs/slots/0 held host-a")
			must(t, a.ReleaseSlots(ctx, "/jobs/slots", 2))
			want(t, b, "a release", "/jobs/one held host-a paused: repair", "/jobs/slots/0 free")
			must(t, lease.Renew(ctx))
			await(t, b, "a renewal", func(s *board.Snapshot) bool {
				return s.Jobs[0].End.Equal(lease.End()) && s.Jobs[0].Token == lease.Token()
			})
			must(t, a.Resume(ctx, "/jobs/one", "ann", "done"))
			want(t, b, "the end of the pause", "/jobs/one held host-a", "/jobs/slots/0 free")
			want(t, run(t, store, "/jobs/one"), "a prefix that is a lease", "/jobs/one held host-a")
			must(t, a.Pause(ctx, "/paused", "ann", "not yet"))
			paused := run(t, store, "/paused")
			want(t, paused, "a path that has only a run log", "/paused free  paused: not yet")
			must(t, a.Resume(ctx, "/paused", "ann", ""))
			want(t, paused, "the end of that pause", "/paused free")
			later := run(t, store, "/later")
			want(t, later, "a prefix that does not exist")
			_, err = a.TryAcquire(ctx, "/later/one", time.Minute)
			must(t, err)
			want(t, later, "a prefix that exists by now", "/later/one held host-a")
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
