package main

import "math"

// A work is the processor time of one request, in seconds.
type work struct {
	pipeline float64 // in the busier of the server's two threads that every request passes
	server   float64 // in all the server's other threads
	client   float64
}

func (w work) plus(v work, times float64) work {
	return work{w.pipeline + times*v.pipeline, w.server + times*v.server, w.client + times*v.client}
}

func (w work) total() float64 { return w.pipeline + w.server + w.client }

// costs are what the requests of one peer cost.
type costs struct {
	open, close work // of a session
	read, write work // write: of a small node
	child       work // of each child in a list, beyond a read
	flush       float64
}

// denial is all that a start of Leasehold's costs: a session, and one read.
func denial(c costs) work { return c.open.plus(c.read, 1).plus(c.close, 1) }

// rate returns how many a second a server carries: its pipeline is one thread,
// and all else has the processors.
func rate(w work, processors int) float64 {
	return 1 / max(w.pipeline, (w.pipeline+w.server)/float64(processors))
}

// roundTrip is that of hosts in the server's network.
const roundTrip = 0.5e-3

// link returns how long kazoo's queue stands still for one contender, with
// waiting others in it: it learns that the lock node before its own is gone,
// lists all lock nodes, looks for the record, reads it, and deletes its lock
// node.
func link(c costs, trip float64, waiting int) float64 {
	requests := c.read.plus(c.read, 2).plus(c.write, 1).plus(c.child, float64(waiting))
	return requests.total() + c.read.client + c.flush + 4.5*trip
}

// queueing returns how long kazoo's queue of n takes. What each adds is the
// list of those that are still behind it, hence the square of n.
func queueing(c costs, trip float64, n int) float64 {
	return float64(n) * (link(c, trip, 0) + link(c, trip, n)) / 2
}

// What counts as carried: nobody waits longer for a session than Leasehold's
// client lets a server take (a third of the session timeout of 10 s), nor for
// the answer than --timeout allows by default. kazoo waits for sessions up to
// 15 s, and for its lock without end.
const (
	sessionLimit = 10.0 / 3
	answerLimit  = 10.0
)

// A model is what the costs were measured to be.
type model struct {
	processors       int
	leasehold, kazoo costs
}

// wait returns how long the last of n starts at once waits for its answer.
func (m model) wait(kazoo bool, n int) float64 {
	c := m.leasehold
	if kazoo {
		c = m.kazoo
		return 4*roundTrip + float64(n)/rate(c.open, m.processors) + queueing(c, roundTrip, n)
	}
	first := c.open.plus(c.read, 1)
	return 3*roundTrip + c.flush + first.total() + float64(n)/rate(first, m.processors)
}

// carried returns how many starts the server carries, to two digits, if each
// is put off by a random time of up to delay. Of those that come faster than
// they are answered, as many can wait as are carried at once.
func (m model) carried(kazoo bool, delay float64) int {
	if kazoo {
		c := m.kazoo
		l, k := link(c, roundTrip, 0), c.child.total()
		waiting := (math.Sqrt(l*l+2*k*answerLimit) - l) / k // queueing(waiting) is answerLimit
		return twoDigits(waiting + delay*waiting/answerLimit)
	}
	c := m.leasehold
	once := min(sessionLimit*rate(c.open, m.processors), answerLimit*rate(c.open.plus(c.read, 1), m.processors))
	return twoDigits(max(once, (delay+sessionLimit)*rate(denial(c), m.processors)))
}

// here returns how long n starts at once take where they were measured: the
// clients share the server's processors, and the network takes no time.
func (m model) here(kazoo bool, n int) float64 {
	if kazoo {
		c := m.kazoo
		// Before the queue: the session, two reads, the lock node, the list.
		before := c.open.plus(c.read, 3).plus(c.write, 1).plus(c.child, float64(n)/2)
		return float64(n)*before.total()/float64(m.processors) + queueing(c, 0, n)
	}
	return float64(n) * m.leasehold.open.plus(m.leasehold.read, 1).total() / float64(m.processors)
}

// twoDigits cuts n off after its first two digits.
func twoDigits(n float64) int {
	unit := 1
	for int(n)/unit >= 100 {
		unit *= 10
	}
	return int(n) / unit * unit
}
