package main

import (
	"math"
	"reflect"
	"testing"
)

// costs are near to what is measured.
var costs = Costs{
	Open:  Work{25e-6, 100e-6, 150e-6},
	Close: Work{25e-6, 100e-6, 150e-6},
	Read:  Work{4e-6, 27e-6, 35e-6},
	Write: Work{12e-6, 30e-6, 100e-6},
	Grant: Work{45e-6, 190e-6, 75e-6},
	Child: Work{0.2e-6, 0.2e-6, 0.7e-6},
	Flush: 200e-6,
}

func near(t *testing.T, what string, got, want, within float64) {
	t.Helper()
	if math.Abs(got-want) > within*want {
		t.Errorf("%s: got %g, want %g within %g %%", what, got, want, within*100)
	}
}

// A crowd at once is answered at the rate of the formula: by the processors
// where the other threads do most of the work, by the one thread where it does.
func TestCrowdAtOnceGoesByTheRate(t *testing.T) {
	t.Parallel()
	thread := costs
	for _, w := range []*Work{&thread.Open, &thread.Read, &thread.Close} {
		w.Pipeline, w.Server = w.Server, w.Pipeline
	}
	for name, c := range map[string]Costs{"processors": costs, "thread": thread} {
		o := simulate(crowd{starts: 5000, jobs: 1, processors: 2}, c)
		near(t, name+": the last session", longest(o.opened), 5000/rate(c.Open, 2), 0.1)
		near(t, name+": the last answer", o.last, 5000/rate(c.Open.plus(c.Read, 1), 2), 0.1)
	}
}

// Below the rate nobody waits, above it the queue grows for as long as starts come.
func TestDelaySpreadsTheLoad(t *testing.T) {
	t.Parallel()
	perSecond := rate(denial(costs), 2)
	calm := simulate(crowd{starts: int(0.7 * perSecond * 10), jobs: 1, delay: 10, processors: 2}, costs)
	if got := quantile(calm.answered, 0.99); got > 0.02 {
		t.Errorf("at 70 %% of the rate: got a wait of %g s, want some ms", got)
	}
	over := simulate(crowd{starts: int(1.5 * perSecond * 10), jobs: 1, delay: 10, processors: 2}, costs)
	near(t, "at 150 % of the rate: the last answer", over.last, 15, 0.15)
}

// One server, one thread, random arrivals, constant work: the mean wait of the
// queue M/D/1 is known.
func TestQueueOfKnownLength(t *testing.T) {
	t.Parallel()
	const service, load, n = 1e-3, 0.8, 200_000
	s := newSimulation(3)
	p := &pipeline{machine: &machine{simulation: s, idle: 1}}
	waited := 0.0
	var arrive func(left int)
	arrive = func(left int) {
		began := s.now
		p.pass(request{service, false, func() { waited += s.now - began - service }})
		if left > 1 {
			s.after(s.random.ExpFloat64()*service/load, func() { arrive(left - 1) })
		}
	}
	arrive(n)
	s.run()
	near(t, "mean wait", waited/n, service*load/(2*(1-load)), 0.05)
}

// Transactions that come together share a sync, at most 1,000 of them.
func TestSyncIsShared(t *testing.T) {
	t.Parallel()
	for n, syncs := range map[int]float64{1: 1, 1000: 1, 1001: 2, 2500: 3} {
		s := newSimulation(1)
		p := &pipeline{machine: &machine{simulation: s, idle: 1}, flush: 1}
		answers, read := 0, 0.0
		for range n {
			p.pass(request{0, true, func() { answers++ }})
		}
		p.pass(request{0, false, func() { read = s.now }}) // behind them
		s.run()
		if answers != n || s.now != syncs || read != syncs {
			t.Errorf("%d transactions: got %d answers in %g s, and one to the read after %g; want all in %g", n, answers, s.now, read, syncs)
		}
	}
}

func TestOneOfAFreeLeasesCrowdGetsIt(t *testing.T) {
	t.Parallel()
	o := simulate(crowd{starts: 3000, jobs: 3, delay: 0.5, expired: true, processors: 2, roundTrip: 1e-3}, costs)
	if o.granted != 3 || len(o.answered) != 3000 {
		t.Errorf("got %d grants and %d answers, want 3 and 3000", o.granted, len(o.answered))
	}
	if o.failed > 300 {
		t.Errorf("got %d failed transactions, want only those of contenders in flight", o.failed)
	}
	if held := simulate(crowd{starts: 3000, jobs: 3, processors: 2}, costs); held.granted != 0 || held.failed != 0 {
		t.Errorf("another has it: got %d grants and %d failed transactions, want none", held.granted, held.failed)
	}
}

// The queue of kazoo's lock takes what the formula says, one path at a time.
func TestKazooQueues(t *testing.T) {
	t.Parallel()
	const roundTrip = 0.5e-3
	c := crowd{starts: 4000, jobs: 1, kazoo: true, processors: 2, roundTrip: roundTrip}
	one := simulate(c, costs)
	near(t, "one queue", one.last, queueing(costs, roundTrip, 4000), 0.15)
	c.jobs = 10
	if ten := simulate(c, costs); ten.last > one.last/4 || len(ten.answered) != 4000 {
		t.Errorf("ten queues: got %d answers in %g s, want 4000, much faster than one queue's %g", len(ten.answered), ten.last, one.last)
	}
}

func TestSameEveryTime(t *testing.T) {
	t.Parallel()
	c := crowd{starts: 500, jobs: 2, delay: 1, expired: true, processors: 2, roundTrip: 1e-3}
	if a, b := simulate(c, costs), simulate(c, costs); !reflect.DeepEqual(a, b) {
		t.Errorf("got two outcomes, %v and %v", a.last, b.last)
	}
}

func TestCapacity(t *testing.T) {
	t.Parallel()
	slow := costs.times(20) // so that it takes few starts
	m := Measurement{Processors: 2, Leasehold: slow, Kazoo: slow}
	perSecond := rate(denial(slow), 2)
	once, spread := m.capacity(false, 0), m.capacity(false, 10)
	near(t, "at once", float64(once), min(sessionLimit*rate(slow.Open, 2), answerLimit*rate(slow.Open.plus(slow.Read, 1), 2)), 0.1)
	if low, high := 0.9*perSecond*10, perSecond*(10+answerLimit); float64(spread) < low || float64(spread) > high {
		t.Errorf("within 10 s: got %d starts, want %g to %g", spread, low, high)
	}
	kazoo := m.capacity(true, 0)
	near(t, "kazoo: the time of its greatest crowd", queueing(slow, 0.5e-3, kazoo), answerLimit, 0.25)
	for n, want := range map[int]int{7: 7, 99: 99, 101: 100, 12_345: 12_000} {
		if got := twoDigits(n); got != want {
			t.Errorf("twoDigits(%d): got %d, want %d", n, got, want)
		}
	}
}

func TestNumbersAreReadable(t *testing.T) {
	t.Parallel()
	for s, want := range map[float64]string{0.000175: "0.17 ms", 0.0123: "12.3 ms", 4.04: "4 s", 600: "10 min", 20_000: "6 h"} {
		if got := seconds(s); got != want {
			t.Errorf("seconds(%g): got %q, want %q", s, got, want)
		}
	}
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1_234_567: "1,234,567"} {
		if got := number(n); got != want {
			t.Errorf("number(%d): got %q, want %q", n, got, want)
		}
	}
}
