package soak_test

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"leasehold.example/leasehold/soak/history"
	"leasehold.example/leasehold/soak/points"
)

// A fault is one kind of fault.
type fault struct {
	name     string
	min, max time.Duration // how long it lasts
	choose   func(r *soakRun) (target string, inflict, heal func())
}

var faults = []fault{
	{"kill a server", 500 * time.Millisecond, 4 * time.Second, func(r *soakRun) (string, func(), func()) {
		return r.onServer(r.lab.Kill, r.lab.Restart)
	}},
	{"kill the leader", 500 * time.Millisecond, 4 * time.Second, func(r *soakRun) (string, func(), func()) {
		return r.onLeader(r.lab.Kill, r.lab.Restart)
	}},
	{"stop a server", time.Second, 6 * time.Second, func(r *soakRun) (string, func(), func()) {
		return r.onServer(r.lab.Pause, r.lab.Resume)
	}},
	{"stop the leader", time.Second, 6 * time.Second, func(r *soakRun) (string, func(), func()) {
		return r.onLeader(r.lab.Pause, r.lab.Resume)
	}},
	{"cut a server off", time.Second, 6 * time.Second, func(r *soakRun) (string, func(), func()) {
		return r.onServer(r.lab.CutServer, r.lab.HealServer)
	}},
	{"cut the leader off", time.Second, 6 * time.Second, func(r *soakRun) (string, func(), func()) {
		return r.onLeader(r.lab.CutServer, r.lab.HealServer)
	}},
	{"fill a server's disk", 2 * time.Second, 5 * time.Second, func(r *soakRun) (string, func(), func()) {
		// A server that survives it writes on behind half a record, and could not
		// read its own log again (ZooKeeper 3.8.0). So it is killed first.
		return r.onServer(r.lab.FillDisk, func(i int) { r.lab.Kill(i); r.lab.FreeDisk(i) })
	}},
	{"cut a client off", time.Second, 8 * time.Second, func(r *soakRun) (string, func(), func()) {
		return r.onClient(r.rng.IntN(goHolders+kazooHolders), r.lab.CutClient, r.lab.HealClient)
	}},
	{"drop replies", 300 * time.Millisecond, 5 * time.Second, func(r *soakRun) (string, func(), func()) {
		return r.onClient(r.rng.IntN(goHolders+kazooHolders), r.lab.DropReplies, r.lab.HealReplies)
	}},
	// Past its session and its lease. kazoo is spared that: see docs/faults.md.
	{"stop a holder", 7 * time.Second, 10 * time.Second, func(r *soakRun) (string, func(), func()) {
		p := r.holders[r.rng.IntN(goHolders)]
		return p.run, p.proc.Pause, p.proc.Resume
	}},
	{"stop a holder for a moment", 100 * time.Millisecond, 1500 * time.Millisecond, func(r *soakRun) (string, func(), func()) {
		p := r.holders[r.rng.IntN(goHolders+kazooHolders)]
		return p.run, p.proc.Pause, p.proc.Resume
	}},
	{"kill a holder", 0, 3 * time.Second, func(r *soakRun) (string, func(), func()) {
		i := r.rng.IntN(goHolders + kazooHolders)
		p := r.holders[i]
		return p.run, p.kill, func() { r.startHolder(i) }
	}},
	// Past its session, which must be connected when that begins: see
	// docs/faults.md.
	{history.StoodStill, 7 * time.Second, 10 * time.Second, func(r *soakRun) (string, func(), func()) {
		r.lab.AwaitSettled(r.T)
		time.Sleep(2 * time.Second)
		i := r.alteredHolder()
		p, c := r.holders[i], &r.clocks[i]
		var resume func() (points.Clocks, error)
		inflict := func() { resume = standStill(p, c.file, c.Clocks) }
		return p.run, inflict, func() {
			var err error
			if c.Clocks, err = resume(); err != nil {
				r.Error(err)
			}
		}
	}},
	{"a clock runs far ahead", time.Second, 4 * time.Second, func(r *soakRun) (string, func(), func()) {
		return r.aheadHolder(false)
	}},
	{"a clock runs far ahead, and its host dies before it undoes", time.Second, 4 * time.Second, func(r *soakRun) (string, func(), func()) {
		return r.aheadHolder(true)
	}},
}

// onServer chooses a server. It waits until all have settled, since what happens
// to them otherwise is known: see docs/faults.md.
func (r *soakRun) onServer(inflict, heal func(int)) (string, func(), func()) {
	r.lab.AwaitSettled(r.T)
	i := r.rng.IntN(r.lab.Servers())
	return fmt.Sprintf("server %d", i), func() { inflict(i) }, func() { heal(i) }
}

// onLeader chooses the server that leads, or any if none does.
func (r *soakRun) onLeader(inflict, heal func(int)) (string, func(), func()) {
	r.lab.AwaitSettled(r.T)
	i := r.lab.Leader()
	if i < 0 {
		return r.onServer(inflict, heal)
	}
	return fmt.Sprintf("server %d", i), func() { inflict(i) }, func() { heal(i) }
}

func (r *soakRun) onClient(i int, inflict, heal func(int)) (string, func(), func()) {
	return r.holders[i].run, func() { inflict(i) }, func() { heal(i) }
}

// farAhead is so much that every lease seems to be over.
const farAhead = 10 * time.Second

// aheadHolder chooses a Go holder, which is started again with a clock that is far
// ahead. If dies is set, it stops where it would undo its first grant, and is killed
// there. In the end it is started again with a clock that is right.
func (r *soakRun) aheadHolder(dies bool) (string, func(), func()) {
	i := r.rng.IntN(goHolders)
	name := holderName(i)
	inflict := func() {
		env := []string{}
		if dies {
			dir := r.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "undo"), nil, 0o600); err != nil {
				r.Fatal(err)
			}
			env = append(env, "LEASEHOLD_POINTS="+dir)
		}
		r.startGo(i, r.binaries[len(r.binaries)-1], points.Clocks{Ahead: farAhead}, env...)
	}
	return name, inflict, func() { r.startHolder(i) }
}

// alteredHolder chooses a Go holder whose clocks can be wrong.
func (r *soakRun) alteredHolder() int {
	n := len(r.binaries)
	return n - 1 + n*r.rng.IntN(goHolders/n)
}

// putClocksRight sets all wall clocks to the right time. Steady clocks that stood
// still stay behind.
func (r *soakRun) putClocksRight() {
	for i := range r.clocks {
		c := &r.clocks[i]
		if c.Ahead = 0; c.file != "" {
			if err := c.Write(c.file); err != nil {
				r.Error(err)
			}
		}
	}
}

// injectFaults inflicts one fault, or two that overlap, heals them, and waits a
// moment.
func (r *soakRun) injectFaults() {
	r.Helper()
	first := faults[r.rng.IntN(len(faults))]
	second := faults[r.rng.IntN(len(faults))]
	both := r.rng.IntN(3) == 0 && first.name != second.name && first.name != history.StoodStill && second.name != history.StoodStill
	firstTime, secondTime, quietTime := r.between(first.min, first.max), r.between(second.min, second.max), r.between(500*time.Millisecond, 4*time.Second)

	end := r.begin(first)
	if both {
		time.Sleep(firstTime / 2)
		endSecond := r.begin(second)
		time.Sleep(secondTime)
		endSecond()
	}
	time.Sleep(firstTime)
	end()
	time.Sleep(quietTime)
	r.putClocksRight()
}

func (r *soakRun) begin(f fault) (end func()) {
	target, inflict, heal := f.choose(r)
	r.log.addNow(history.Event{Kind: history.Fault, Fault: f.name, On: target})
	inflict()
	return func() {
		r.log.addNow(history.Event{Kind: history.Healed, Fault: f.name, On: target}) // before it shows
		heal()
	}
}

func (r *soakRun) between(min, max time.Duration) time.Duration {
	return min + time.Duration(r.rng.Int64N(int64(max-min)))
}
