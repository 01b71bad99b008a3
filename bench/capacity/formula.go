package main

// What a start costs the server, and so how many it carries. The simulation
// must agree with these where there is nothing but their load; formula_test.go
// holds it to that.

// denial is all that a start costs of which the answer is no: a session, and
// one read.
func denial(c Costs) Work { return c.Open.plus(c.Read, 1).plus(c.Close, 1) }

// rate returns how many starts a second a server carries for good: its
// pipeline is one thread, and all else has the processors.
func rate(w Work, processors int) float64 {
	return 1 / max(w.Pipeline, (w.Pipeline+w.Server)/float64(processors))
}

// link returns how long kazoo's queue stands still for one contender, with
// waiting others in it: it learns that the lock node before its own is gone,
// lists all lock nodes, looks for the record, reads it, and deletes its lock
// node.
func link(c Costs, roundTrip float64, waiting int) float64 {
	requests := c.Read.plus(c.Read, 2).plus(c.Write, 1).plus(c.Child, float64(waiting))
	return requests.Pipeline + requests.Server + requests.Client + c.Read.Client + c.Flush + 4.5*roundTrip
}

// queueing returns how long kazoo's queue of n takes. What each adds is the
// list of those that are still behind it, hence the square of n.
func queueing(c Costs, roundTrip float64, n int) float64 {
	return float64(n) * (link(c, roundTrip, 0) + link(c, roundTrip, n)) / 2
}
