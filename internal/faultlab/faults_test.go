package faultlab_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"leasehold.example/leasehold/internal/faultlab"
)

// TestFaults shows each fault's effect, as a client sees it from its own
// namespace, and that of its cure.
func TestFaults(t *testing.T) {
	t.Parallel()
	began := time.Now()
	l := faultlab.Start(t, faultlab.Config{Clients: 2})
	t.Logf("started after %v", time.Since(began))
	f := &faults{Lab: l, conn: l.Conn(t), clients: []*client{startClient(t, l, 0), startClient(t, l, 1)}}
	if _, err := f.conn.Create("/x", nil, 0, zk.WorldACL(zk.PermAll)); err != nil {
		t.Fatal(err)
	}
	for _, fault := range []struct {
		name string
		test func(*faults, *testing.T)
	}{
		{"kill", (*faults).kill},
		{"pause", (*faults).pause},
		{"cut off", (*faults).cutOff},
		{"no quorum", (*faults).noQuorum},
		{"client cut off", (*faults).clientCutOff},
		{"replies dropped", (*faults).repliesDropped},
		{"disk full", (*faults).diskFull},
	} {
		t.Run(fault.name, func(t *testing.T) {
			for _, c := range f.clients {
				c.t = t
			}
			fault.test(f, t)
			began := time.Now()
			l.Heal()
			t.Logf("healed after %v", time.Since(began))
			for i := range 3 {
				if got, want := f.clients[1].ask("ruok "+l.Addr(i)), "imok"; got != want {
					t.Errorf("got %q from server %d after Heal, want %q", got, i, want)
				}
			}
			if serving := l.Serving(); len(serving) != 3 {
				t.Errorf("got servers %v that serve after Heal, want all three", serving)
			}
		})
	}
}

type faults struct {
	*faultlab.Lab
	conn    *zk.Conn // the observer's
	clients []*client
}

// leader returns the leader, with client 0 connected to it.
func (f *faults) leader(t *testing.T) int {
	t.Helper()
	leader := f.Leader()
	if leader < 0 {
		t.Fatal("got no leader, want one")
	}
	if got, want := f.clients[0].ask("through "+f.Addr(leader)), f.Addr(leader); got != want {
		t.Fatalf("got a connection to %q, want %s", got, want)
	}
	return leader
}

// succeeded checks that the others of the ensemble take over, and client 0
// with them.
func (f *faults) succeeded(t *testing.T, old int) {
	t.Helper()
	began := time.Now()
	works := f.clients[0].insist("set /x " + strings.ReplaceAll(t.Name(), "/", "-"))
	f.AwaitQuorum(t)
	if leader := f.Leader(); leader < 0 || leader == old {
		t.Errorf("got leader %d, want another than %d", leader, old)
	}
	if server := f.clients[0].ask("server"); server == f.Addr(old) {
		t.Errorf("got the client at %s still, want it at another server", server)
	}
	if serving := f.Serving(); len(serving) != 2 || slices.Contains(serving, old) {
		t.Errorf("got servers %v that serve, want the two but %d", serving, old)
	}
	t.Logf("the client works again after %v, a leader was seen after %v", works, time.Since(began))
}

func (f *faults) kill(t *testing.T) {
	leader := f.leader(t)
	f.Kill(leader)
	f.Kill(leader) // again does no harm, here and below
	if f.Running(leader) {
		t.Errorf("server %d runs after Kill", leader)
	}
	if got, want := f.clients[1].ask("ruok "+f.Addr(leader)), "connection refused"; !strings.Contains(got, want) {
		t.Errorf("got %q from a killed server, want %q", got, want)
	}
	f.succeeded(t, leader)
	f.Restart(leader)
	f.Restart(leader)
	f.AwaitSettled(t)
	if serving := f.Serving(); len(serving) != 3 {
		t.Errorf("got servers %v that serve when they have settled, want all three", serving)
	}
}

func (f *faults) pause(t *testing.T) {
	leader := f.leader(t)
	f.Pause(leader)
	f.Pause(leader)
	if got, want := f.clients[1].ask("ruok "+f.Addr(leader)), "error: read tcp"; !strings.HasPrefix(got, want) {
		t.Errorf("got %q from a paused server, want a connection that stays mute, %q", got, want)
	}
	f.succeeded(t, leader)
	f.Resume(leader)
	f.Resume(leader)
}

func (f *faults) cutOff(t *testing.T) {
	leader := f.leader(t)
	f.CutServer(leader)
	f.CutServer(leader)
	if got, want := f.clients[1].ask("ruok "+f.Addr(leader)), "error: dial tcp"; !strings.HasPrefix(got, want) || strings.Contains(got, "refused") {
		t.Errorf("got %q from a server cut off, want no connection and no reset, %q", got, want)
	}
	f.succeeded(t, leader)
	if !f.Running(leader) {
		t.Errorf("server %d has ended, want it to run", leader)
	}
	f.HealServer(leader)
	f.HealServer(leader)
}

func (f *faults) noQuorum(t *testing.T) {
	leader := f.leader(t)
	for i := range 3 {
		if i != leader {
			f.Pause(i)
		}
	}
	// The leader takes itself for one until the syncLimit is over.
	if serving := f.Serving(); len(serving) != 0 {
		t.Errorf("got servers %v that serve, want none without a quorum", serving)
	}
	for began := time.Now(); f.Leader() >= 0; time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > 20*time.Second {
			t.Fatalf("got leader %d after 20 s without a quorum, want -1", f.Leader())
		}
	}
}

// data returns what the observer reads.
func (f *faults) data(t *testing.T) string {
	t.Helper()
	if _, err := f.conn.Sync("/x"); err != nil {
		t.Fatal(err)
	}
	data, _, err := f.conn.Get("/x")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func (f *faults) clientCutOff(t *testing.T) {
	f.clients[0].insist("set /x before")
	f.CutClient(0)
	f.CutClient(0)
	if got := f.clients[0].ask("set /x lost"); !strings.HasPrefix(got, "error: ") {
		t.Errorf("got %q from a client cut off, want an error", got)
	}
	if got, want := f.data(t), "before"; got != want {
		t.Errorf("got data %q, want %q", got, want)
	}
	if got, want := f.clients[1].ask("set /x other"), "done"; got != want {
		t.Errorf("got %q from the other client, want %q", got, want)
	}
	f.HealClient(0)
	f.HealClient(0)
	t.Logf("the client works again after %v", f.clients[0].insist("set /x after"))
}

func (f *faults) repliesDropped(t *testing.T) {
	f.clients[0].insist("set /x before")
	f.DropReplies(0)
	f.DropReplies(0)
	f.clients[0].send("set /x unheard")
	for began := time.Now(); f.data(t) != "unheard"; time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > 5*time.Second {
			t.Fatalf("got data %q, want what the client has sent", f.data(t))
		}
	}
	if got := f.clients[0].answer(); !strings.HasPrefix(got, "error: ") {
		t.Errorf("got %q from a client that hears nothing, want an error", got)
	}
	if got, want := f.clients[0].ask("ruok "+f.Addr(0)), "error: dial tcp"; !strings.HasPrefix(got, want) {
		t.Errorf("got %q from a new connection, want %q", got, want)
	}
	if got, want := f.clients[1].ask("set /x other"), "done"; got != want {
		t.Errorf("got %q from the other client, want %q", got, want)
	}
	f.HealReplies(0)
	f.HealReplies(0)
	t.Logf("the client works again after %v", f.clients[0].insist("set /x after"))
}

func (f *faults) diskFull(t *testing.T) {
	for _, victim := range []int{(f.Leader() + 1) % 3, f.leader(t)} {
		f.FillDisk(victim)
		f.FillDisk(victim)
		// It has a page to write to yet, perhaps.
		large := strings.Repeat("x", 10_000)
		f.clients[0].insist("set /x " + large)
		for began := time.Now(); slices.Contains(f.Serving(), victim); time.Sleep(10 * time.Millisecond) {
			if time.Since(began) > 10*time.Second {
				t.Fatalf("server %d serves on with a full disk", victim)
			}
		}
		began := time.Now()
		f.clients[0].insist("set /x full")
		f.AwaitSettled(t) // the others
		t.Logf("the client works again after %v; server %d leads, server %d runs: %v", time.Since(began), f.Leader(), victim, f.Running(victim))
		if leader := f.Leader(); leader == victim {
			t.Errorf("got leader %d, want one with space on its disk", leader)
		}
		if got, want := f.data(t), "full"; got != want {
			t.Errorf("got data %q, want %q", got, want)
		}
		f.FreeDisk(victim)
		f.FreeDisk(victim)
		for began := time.Now(); !slices.Contains(f.Serving(), victim); time.Sleep(10 * time.Millisecond) {
			if time.Since(began) > 20*time.Second {
				t.Fatalf("server %d does not serve 20 s after FreeDisk, running: %v", victim, f.Running(victim))
			}
		}
	}
}
