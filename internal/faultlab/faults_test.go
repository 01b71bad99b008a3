package faultlab_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"leasehold.example/leasehold/internal/faultlab"
)

// TestFaults shows each fault's effect, as a client sees it from its own
// namespace, and that of its end.
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
				f.await(t, fmt.Sprintf("imok from server %d after Heal", i), func() bool {
					return f.clients[1].do("ruok "+l.Addr(i)) == "imok"
				})
			}
			f.awaitServing(t, 0, 1, 2)
		})
	}
}

type faults struct {
	*faultlab.Lab
	conn    *zk.Conn // the observer's
	clients []*client
}

// await waits for a state. What servers report, one at a time, is not all of one
// moment, and on a busy machine a report can be missing.
func (f *faults) await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(waitLimit); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("got no %s in %v; servers %v serve, server %d leads", what, waitLimit, f.Serving(), f.Leader())
		}
	}
}

// awaitServing waits until these servers serve and no others.
func (f *faults) awaitServing(t *testing.T, servers ...int) {
	t.Helper()
	f.await(t, fmt.Sprintf("service by the servers %v alone", servers), func() bool { return slices.Equal(f.Serving(), servers) })
}

// awaitLeader waits for a leader, and returns it.
func (f *faults) awaitLeader(t *testing.T) int {
	t.Helper()
	leader := -1
	f.await(t, "leader", func() bool { leader = f.Leader(); return leader >= 0 })
	return leader
}

// leader returns the leader, with client 0 connected to it.
func (f *faults) leader(t *testing.T) int {
	t.Helper()
	leader := f.awaitLeader(t)
	if got, want := f.clients[0].do("through "+f.Addr(leader)), f.Addr(leader); got != want {
		t.Fatalf("got a connection to %q, want %s", got, want)
	}
	return leader
}

// awaitFailover waits until the other servers take over, and client 0 is with
// them.
func (f *faults) awaitFailover(t *testing.T, old int) {
	t.Helper()
	began := time.Now()
	works := f.clients[0].doUntilDone("set /x " + strings.ReplaceAll(t.Name(), "/", "-"))
	f.await(t, fmt.Sprintf("leader but server %d", old), func() bool { leader := f.Leader(); return leader >= 0 && leader != old })
	if server := f.clients[0].do("server"); server == f.Addr(old) {
		t.Errorf("got the client at %s still, want it at another server", server)
	}
	f.awaitServing(t, slices.DeleteFunc([]int{0, 1, 2}, func(i int) bool { return i == old })...)
	t.Logf("the client works again after %v, a leader was seen after %v", works, time.Since(began))
}

func (f *faults) kill(t *testing.T) {
	leader := f.leader(t)
	f.Kill(leader)
	f.Kill(leader) // again does no harm, here and below
	if f.Running(leader) {
		t.Errorf("server %d runs after Kill", leader)
	}
	if got, want := f.clients[1].do("ruok "+f.Addr(leader)), "connection refused"; !strings.Contains(got, want) {
		t.Errorf("got %q from a killed server, want %q", got, want)
	}
	f.awaitFailover(t, leader)
	f.Restart(leader)
	f.Restart(leader)
	f.AwaitSettled(t)
	f.awaitServing(t, 0, 1, 2)
}

func (f *faults) pause(t *testing.T) {
	leader := f.leader(t)
	f.Pause(leader)
	f.Pause(leader)
	if got, want := f.clients[1].do("ruok "+f.Addr(leader)), "error: read tcp"; !strings.HasPrefix(got, want) {
		t.Errorf("got %q from a paused server, want a connection without a reply, %q", got, want)
	}
	f.awaitFailover(t, leader)
	f.Resume(leader)
	f.Resume(leader)
}

func (f *faults) cutOff(t *testing.T) {
	leader := f.leader(t)
	f.CutServer(leader)
	f.CutServer(leader)
	if got, want := f.clients[1].do("ruok "+f.Addr(leader)), "error: dial tcp"; !strings.HasPrefix(got, want) || strings.Contains(got, "refused") {
		t.Errorf("got %q from a server cut off, want no connection and no reset, %q", got, want)
	}
	f.awaitFailover(t, leader)
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
	// The leader believes to lead until the syncLimit is over.
	if serving := f.Serving(); len(serving) != 0 {
		t.Errorf("got servers %v that serve, want none without a quorum", serving)
	}
	f.await(t, "end of the leader without a quorum", func() bool { return f.Leader() < 0 })
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
	f.clients[0].doUntilDone("set /x before")
	f.CutClient(0)
	f.CutClient(0)
	if got := f.clients[0].do("set /x lost"); !strings.HasPrefix(got, "error: ") {
		t.Errorf("got %q from a client cut off, want an error", got)
	}
	if got, want := f.data(t), "before"; got != want {
		t.Errorf("got data %q, want %q", got, want)
	}
	f.clients[1].doUntilDone("set /x other")
	f.HealClient(0)
	f.HealClient(0)
	t.Logf("the client works again after %v", f.clients[0].doUntilDone("set /x after"))
}

func (f *faults) repliesDropped(t *testing.T) {
	f.clients[0].doUntilDone("set /x before")
	f.DropReplies(0)
	f.DropReplies(0)
	f.clients[0].send("set /x unheard")
	f.await(t, "write by the client that hears nothing", func() bool { return f.data(t) == "unheard" })
	if got := f.clients[0].result(); !strings.HasPrefix(got, "error: ") {
		t.Errorf("got %q from a client that hears nothing, want an error", got)
	}
	if got, want := f.clients[0].do("ruok "+f.Addr(0)), "error: dial tcp"; !strings.HasPrefix(got, want) {
		t.Errorf("got %q from a new connection, want %q", got, want)
	}
	f.clients[1].doUntilDone("set /x other")
	f.HealReplies(0)
	f.HealReplies(0)
	t.Logf("the client works again after %v", f.clients[0].doUntilDone("set /x after"))
}

func (f *faults) diskFull(t *testing.T) {
	for _, victim := range []int{(f.awaitLeader(t) + 1) % 3, f.leader(t)} {
		f.FillDisk(victim)
		f.FillDisk(victim)
		// There may be space left in its last page.
		large := strings.Repeat("x", 10_000)
		f.clients[0].doUntilDone("set /x " + large)
		f.await(t, fmt.Sprintf("end of server %d with a full disk", victim), func() bool { return !slices.Contains(f.Serving(), victim) })
		began := time.Now()
		f.clients[0].doUntilDone("set /x full")
		f.AwaitSettled(t) // the others
		t.Logf("the client works again after %v; server %d runs: %v", time.Since(began), victim, f.Running(victim))
		if leader := f.awaitLeader(t); leader == victim {
			t.Errorf("got leader %d, want one with space on its disk", leader)
		}
		if got, want := f.data(t), "full"; got != want {
			t.Errorf("got data %q, want %q", got, want)
		}
		f.FreeDisk(victim)
		f.FreeDisk(victim)
		f.awaitServing(t, 0, 1, 2)
	}
}
