package soak_test

import (
	"fmt"
	"time"

	"leasehold.example/leasehold/soak/history"
)

// A breakage is one kind of fault.
type breakage struct {
	name     string
	min, max time.Duration // how long it lasts
	on       func(c *contest) (target string, inflict, heal func())
}

var breakages = []breakage{
	{"kill a server", 500 * time.Millisecond, 4 * time.Second, func(c *contest) (string, func(), func()) {
		return c.server(c.lab.Kill, c.lab.Restart)
	}},
	{"kill the leader", 500 * time.Millisecond, 4 * time.Second, func(c *contest) (string, func(), func()) {
		return c.leader(c.lab.Kill, c.lab.Restart)
	}},
	{"stop a server", time.Second, 6 * time.Second, func(c *contest) (string, func(), func()) {
		return c.server(c.lab.Pause, c.lab.Resume)
	}},
	{"stop the leader", time.Second, 6 * time.Second, func(c *contest) (string, func(), func()) {
		return c.leader(c.lab.Pause, c.lab.Resume)
	}},
	{"cut a server off", time.Second, 6 * time.Second, func(c *contest) (string, func(), func()) {
		return c.server(c.lab.CutServer, c.lab.HealServer)
	}},
	{"cut the leader off", time.Second, 6 * time.Second, func(c *contest) (string, func(), func()) {
		return c.leader(c.lab.CutServer, c.lab.HealServer)
	}},
	{"fill a server's disk", 2 * time.Second, 5 * time.Second, func(c *contest) (string, func(), func()) {
		// One that lives through it writes on behind half a record, and could
		// not read its own log again (ZooKeeper 3.8.0): so it is killed first.
		return c.server(c.lab.FillDisk, func(i int) { c.lab.Kill(i); c.lab.FreeDisk(i) })
	}},
	{"cut a client off", time.Second, 8 * time.Second, func(c *contest) (string, func(), func()) {
		return c.client(c.chance.IntN(goHolders+kazooHolders), c.lab.CutClient, c.lab.HealClient)
	}},
	{"drop replies", 300 * time.Millisecond, 5 * time.Second, func(c *contest) (string, func(), func()) {
		return c.client(c.chance.IntN(goHolders+kazooHolders), c.lab.DropReplies, c.lab.HealReplies)
	}},
	// Past its session and its lease, which kazoo doesn't survive: see docs/faults.md.
	{"stop a holder", 7 * time.Second, 10 * time.Second, func(c *contest) (string, func(), func()) {
		p := c.holders[c.chance.IntN(goHolders)]
		return p.run, p.proc.Pause, p.proc.Resume
	}},
	{"stop a holder for a moment", 100 * time.Millisecond, 1500 * time.Millisecond, func(c *contest) (string, func(), func()) {
		p := c.holders[c.chance.IntN(goHolders+kazooHolders)]
		return p.run, p.proc.Pause, p.proc.Resume
	}},
	{"kill a holder", 0, 3 * time.Second, func(c *contest) (string, func(), func()) {
		i := c.chance.IntN(goHolders + kazooHolders)
		p := c.holders[i]
		return p.run, p.kill, func() { c.enter(i) }
	}},
}

// server is for any server. It waits for all to be settled, since what happens
// to them otherwise is known: see docs/faults.md.
func (c *contest) server(inflict, heal func(int)) (string, func(), func()) {
	c.lab.AwaitSettled(c.T)
	i := c.chance.IntN(c.lab.Servers())
	return fmt.Sprintf("server %d", i), func() { inflict(i) }, func() { heal(i) }
}

// leader is for whichever server leads when the fault comes; any, if none does.
func (c *contest) leader(inflict, heal func(int)) (string, func(), func()) {
	c.lab.AwaitSettled(c.T)
	i := c.lab.Leader()
	if i < 0 {
		return c.server(inflict, heal)
	}
	return fmt.Sprintf("server %d", i), func() { inflict(i) }, func() { heal(i) }
}

func (c *contest) client(i int, inflict, heal func(int)) (string, func(), func()) {
	return c.holders[i].run, func() { inflict(i) }, func() { heal(i) }
}

// breakSomething inflicts one fault, or two that overlap, heals them, and
// leaves everybody in peace for a moment.
func (c *contest) breakSomething() {
	c.Helper()
	first := breakages[c.chance.IntN(len(breakages))]
	second := breakages[c.chance.IntN(len(breakages))]
	both := c.chance.IntN(3) == 0 && first.name != second.name
	firstTime, secondTime, peace := c.between(first.min, first.max), c.between(second.min, second.max), c.between(500*time.Millisecond, 4*time.Second)

	end := c.begin(first)
	if both {
		time.Sleep(firstTime / 2)
		endSecond := c.begin(second)
		time.Sleep(secondTime)
		endSecond()
	}
	time.Sleep(firstTime)
	end()
	time.Sleep(peace)
}

func (c *contest) begin(b breakage) (end func()) {
	target, inflict, heal := b.on(c)
	c.log.note(history.Event{Kind: history.Fault, Fault: b.name, On: target})
	inflict()
	return func() {
		heal()
		c.log.note(history.Event{Kind: history.Healed, Fault: b.name, On: target})
	}
}

func (c *contest) between(min, max time.Duration) time.Duration {
	return min + time.Duration(c.chance.Int64N(int64(max-min)))
}
