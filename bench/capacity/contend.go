package main

import "slices"

// Work is the processor time of one request, in seconds.
type Work struct {
	Pipeline float64 // in the busier of the server's two threads that every request passes
	Server   float64 // in all the server's other threads
	Client   float64
}

func (w Work) plus(v Work, times float64) Work {
	return Work{w.Pipeline + times*v.Pipeline, w.Server + times*v.Server, w.Client + times*v.Client}
}

// Costs are what the requests of one client cost.
type Costs struct {
	Open, Close Work // of a session
	Read, Write Work // Write: of a small node
	Grant       Work // Leasehold's guarded transaction
	Child       Work // of each child in a list, beyond a Read
	Flush       float64
}

// times returns what the same costs on processors that are slower by a factor.
func (c Costs) times(slower float64) Costs {
	for _, w := range []*Work{&c.Open, &c.Close, &c.Read, &c.Write, &c.Grant, &c.Child} {
		*w = Work{}.plus(*w, slower)
	}
	return c
}

// A crowd is a number of starts of one job, or of several, in which each asks
// for its lease in a session of its own: who has it already is another.
type crowd struct {
	starts     int
	jobs       int     // lease paths, each with its share of the starts
	delay      float64 // every start is put off by a random time up to that, in seconds
	kazoo      bool    // by kazoo's protocol
	expired    bool    // nobody has the leases (Leasehold's protocol only)
	processors int     // of the server
	local      bool    // the clients share these processors, as they do where it was measured
	roundTrip  float64
}

// An outcome says how long things took, in seconds.
type outcome struct {
	opened   []float64 // from each start to its session, sorted
	answered []float64 // from each start to its answer, sorted
	last     float64   // from the first moment to the last answer
	granted  int
	failed   int // guarded transactions that came too late
}

func quantile(sorted []float64, q float64) float64 {
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// simulate plays a crowd.
func simulate(c crowd, costs Costs) outcome {
	s := newSimulation(1)
	m := &machine{simulation: s, idle: c.processors}
	r := &run{crowd: c, costs: costs, pipeline: &pipeline{machine: m, flush: costs.Flush}}
	r.paths = make([]leasePath, c.jobs)
	delays := make([]float64, c.starts)
	for i := range delays {
		delays[i] = s.random.Float64() * c.delay
	}
	slices.Sort(delays)
	var begin func(i int)
	begin = func(i int) { // each sees to the next, which keeps the heap small
		if i+1 < c.starts {
			s.after(delays[i+1]-delays[i], func() { begin(i + 1) })
		}
		r.start(&r.paths[i%c.jobs])
	}
	s.after(delays[0], func() { begin(0) })
	s.run()
	slices.Sort(r.opened)
	slices.Sort(r.answered)
	return r.outcome
}

type run struct {
	crowd
	outcome
	costs    Costs
	pipeline *pipeline
	paths    []leasePath
}

type leasePath struct {
	granted bool

	// kazoo's lock nodes are those from first up to next; watches holds what
	// to do when one of them goes.
	first, next int
	watches     map[int]func()
}

// ask sends a request: applied is called when the server has done it, and then
// when the client has the answer.
func (r *run) ask(w Work, transaction bool, applied, then func()) {
	send := func() {
		r.pipeline.after(r.roundTrip/2, func() {
			r.pipeline.work(w.Server, false, func() {
				r.pipeline.pass(request{w.Pipeline, transaction, func() {
					applied()
					r.pipeline.after(r.roundTrip/2, then)
				}})
			})
		})
	}
	r.client(w.Client, send)
}

// client calls then when a client has worked for that many seconds.
func (r *run) client(seconds float64, then func()) {
	if r.local {
		r.pipeline.work(seconds, false, then)
	} else {
		r.pipeline.after(seconds, then)
	}
}

func (r *run) read(then func()) { r.ask(r.costs.Read, false, func() {}, then) }

// start opens the session; to connect is a round trip more.
func (r *run) start(p *leasePath) {
	began := r.pipeline.now
	answer := func() {
		r.answered = append(r.answered, r.pipeline.now-began)
		r.last = max(r.last, r.pipeline.now)
		r.ask(r.costs.Close, true, func() {}, func() {})
	}
	r.pipeline.after(r.roundTrip, func() {
		r.ask(r.costs.Open, true, func() {}, func() {
			r.opened = append(r.opened, r.pipeline.now-began)
			if r.kazoo {
				r.queue(p, answer)
			} else {
				r.try(p, answer)
			}
		})
	})
}

// try is Leasehold's attempt: docs/protocol.md, "A grant".
func (r *run) try(p *leasePath, answer func()) {
	free := false
	r.ask(r.costs.Read, false, func() { free = r.expired && !p.granted }, func() {
		if !free {
			answer()
			return
		}
		r.read(func() { // the children
			won := false
			r.ask(r.costs.Grant, true, func() {
				won = !p.granted
				p.granted = true
			}, func() {
				if !won {
					r.failed++
					r.try(p, answer)
					return
				}
				r.granted++
				answer()
			})
		})
	})
}

// queue is kazoo's attempt: it looks twice whether the path exists, and
// creates its lock node.
func (r *run) queue(p *leasePath, answer func()) {
	r.read(func() {
		r.read(func() {
			own := 0
			r.ask(r.costs.Write, true, func() { own = p.next; p.next++ }, func() { r.look(p, own, answer) })
		})
	})
}

// look reads the children. If no lock node is lower than its own it looks for
// the record, reads it and deletes its lock node; else it waits for the one
// before its own to go, and looks again.
func (r *run) look(p *leasePath, own int, answer func()) {
	lowest := false
	list := r.costs.Read.plus(r.costs.Child, float64(p.next-p.first))
	r.ask(list, false, func() { lowest = p.first == own }, func() {
		if lowest {
			r.read(func() { r.read(func() { r.ask(r.costs.Write, true, func() { r.unlock(p) }, answer) }) })
			return
		}
		gone := false
		again := func() { r.look(p, own, answer) }
		r.ask(r.costs.Read, false, func() {
			gone = p.first == own
			if !gone {
				if p.watches == nil {
					p.watches = map[int]func(){}
				}
				p.watches[own-1] = func() {
					r.pipeline.after(r.roundTrip/2, func() { r.client(r.costs.Read.Client, again) }) // an event is like an answer
				}
			}
		}, func() {
			if gone {
				again()
			}
		})
	})
}

// unlock deletes the lowest lock node.
func (r *run) unlock(p *leasePath) {
	wake := p.watches[p.first]
	delete(p.watches, p.first)
	p.first++
	if wake != nil {
		wake()
	}
}
