package board_test

import (
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/board"
	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/zookeeper"
)

// A scene is a board that can be cut off from its server, and a client that can't.
type scene struct {
	t      *testing.T
	server *zktest.Server
	proxy  *zktest.Proxy
	client *leasehold.Client
	lease  *leasehold.Lease
	board  *board.Board
}

// Whatever happens to the server, or on the way to it: the board says since when it
// does not know, shows what it has, and then catches up.
func TestFaults(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(*scene){
		"connection lost": func(s *scene) {
			s.proxy.Cut()
			s.wantUnknown()
			s.change()
			s.wantOld()
			s.proxy.Restore()
		},
		"session expired": func(s *scene) {
			before := s.server.Counters(s.t).Zxid
			s.proxy.Cut()
			s.wantUnknown()
			for s.server.Counters(s.t).Zxid == before { // ended by the server, after a second
				time.Sleep(20 * time.Millisecond)
			}
			s.change()
			s.proxy.Restore()
		},
		"server killed": func(s *scene) {
			s.server.Kill()
			s.wantUnknown()
			s.wantOld()
			s.server.Restart(s.t)
			s.change()
		},
		"server hangs": func(s *scene) {
			s.server.Pause()
			time.Sleep(2 * time.Second)
			if now, _ := s.board.Snapshot(); now.Known {
				s.t.Error("after two seconds: got a picture that is known")
			}
			s.wantOld()
			s.server.Resume()
			s.change()
		},
		"network hangs": func(s *scene) {
			s.proxy.Mute(true)
			s.wantUnknown()
			s.change()
			s.wantOld()
			s.proxy.Mute(false)
		},
		"answers are lost": func(s *scene) {
			s.proxy.DropReplies(true)
			s.change()
			s.wantUnknown()
			s.wantOld()
			s.proxy.DropReplies(false)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := begin(t)
			s.wantOld()
			fault(s)
			want(t, s.board, "caught up", "/jobs/kept held host-a paused: repair", "/jobs/new held host-a", "/jobs/released free")
		})
	}
}

func begin(t *testing.T) *scene {
	s := &scene{t: t, server: zktest.Start(t)}
	s.proxy = zktest.NewProxy(t, s.server.Addr())
	s.client = &leasehold.Client{Store: open(t, s.server.Addr(), "", nil), Holder: "host-a"}
	for _, path := range []string{"/jobs/gone", "/jobs/kept", "/jobs/released"} {
		var err error
		s.lease, err = s.client.TryAcquire(t.Context(), path, time.Hour)
		must(t, err)
	}
	s.board = run(t, open(t, s.proxy.Addr(), "", &zookeeper.Options{SessionTimeout: time.Second}), "/jobs")
	await(t, s.board, "everything is known", func(now *board.Snapshot) bool { return now.Known })
	return s
}

// change does what is to be caught up on.
func (s *scene) change() {
	s.t.Helper()
	ctx := s.t.Context()
	must(s.t, s.lease.Release(ctx))
	must(s.t, s.client.Pause(ctx, "/jobs/kept", "ann", "repair"))
	_, err := s.client.TryAcquire(ctx, "/jobs/new", time.Hour)
	must(s.t, err)
	conn := zktest.Conn(s.t, s.server.Addr())
	names, _, err := conn.Children("/jobs/gone")
	must(s.t, err)
	for _, name := range names {
		must(s.t, conn.Delete("/jobs/gone/"+name, -1))
	}
	must(s.t, conn.Delete("/jobs/gone", -1))
}

// wantUnknown waits until the board says that it does not know, and since when.
func (s *scene) wantUnknown() {
	s.t.Helper()
	now := await(s.t, s.board, "want it unknown", func(now *board.Snapshot) bool { return !now.Known })
	if ago := time.Since(now.UnknownSince); ago < 0 || ago > limit {
		s.t.Errorf("got %s, want it unknown since some moment ago", show(now))
	}
}

// wantOld fails the test unless the picture is as in the beginning.
func (s *scene) wantOld() {
	s.t.Helper()
	now, _ := s.board.Snapshot()
	if got := len(now.Jobs); got != 3 || now.Jobs[0].Path != "/jobs/gone" || now.Jobs[2].State != leasehold.Held {
		s.t.Errorf("got %s, want the picture as it was", show(now))
	}
}
