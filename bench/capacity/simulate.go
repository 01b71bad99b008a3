package main

import "math/rand/v2"

// A simulation is a virtual clock, in seconds, and what is to happen by it.
// With one seed it goes the same way every time.
type simulation struct {
	now    float64
	events events
	count  int
	random *rand.Rand
}

type event struct {
	at    float64
	order int // of two at one time, the one that was asked for first
	do    func()
}

func (e event) before(f event) bool { return e.at < f.at || e.at == f.at && e.order < f.order }

// events is a heap, the next event first. (container/heap would allocate for
// each event, and there are millions.)
type events []event

func (e *events) push(v event) {
	h := append(*e, v)
	i := len(h) - 1
	for i > 0 && v.before(h[(i-1)/2]) {
		h[i] = h[(i-1)/2]
		i = (i - 1) / 2
	}
	h[i] = v
	*e = h
}

func (e *events) pop() event {
	h := *e
	first, v := h[0], h[len(h)-1]
	h[len(h)-1] = event{}
	h = h[:len(h)-1]
	for i := 0; len(h) > 0; {
		child := 2*i + 1
		if child+1 < len(h) && h[child+1].before(h[child]) {
			child++
		}
		if child >= len(h) || !h[child].before(v) {
			h[i] = v
			break
		}
		h[i] = h[child]
		i = child
	}
	*e = h
	return first
}

func newSimulation(seed uint64) *simulation {
	return &simulation{random: rand.New(rand.NewPCG(seed, 1))}
}

// after calls do when that many seconds have gone by.
func (s *simulation) after(seconds float64, do func()) {
	s.count++
	s.events.push(event{s.now + seconds, s.count, do})
}

// run returns when nothing is left to happen.
func (s *simulation) run() {
	for len(s.events) > 0 {
		next := s.events.pop()
		s.now = next.at
		next.do()
	}
}

// A machine is a number of processors, and what waits for one.
type machine struct {
	*simulation
	idle          int
	urgent, other []task
}

type task struct {
	seconds float64
	done    func()
}

// work calls done when a processor has worked for that many seconds. What is
// urgent goes before what is not: the kernel favours a thread that seldom runs.
func (m *machine) work(seconds float64, urgent bool, done func()) {
	if urgent {
		m.urgent = append(m.urgent, task{seconds, done})
	} else {
		m.other = append(m.other, task{seconds, done})
	}
	m.next()
}

func (m *machine) next() {
	for m.idle > 0 {
		queue := &m.urgent
		if len(*queue) == 0 {
			queue = &m.other
		}
		if len(*queue) == 0 {
			return
		}
		t := (*queue)[0]
		*queue = (*queue)[1:]
		m.idle--
		m.after(t.seconds, func() {
			m.idle++
			t.done()
			m.next()
		})
	}
}

// A pipeline is the part of a server that every request passes in turn. A
// transaction waits for a sync of the log, which is one for all that came since
// the last, at most 1,000, and stops the pipeline; so does whatever comes
// after it.
type pipeline struct {
	*machine
	flush   float64 // seconds
	queue   []request
	busy    bool
	unsaved []func() // the answers that wait for the sync
}

type request struct {
	seconds     float64 // of work in the pipeline
	transaction bool
	answer      func()
}

const maxBatch = 1000 // zookeeper.maxBatchSize

func (p *pipeline) pass(r request) {
	p.queue = append(p.queue, r)
	if !p.busy {
		p.step()
	}
}

func (p *pipeline) step() {
	p.busy = true
	switch {
	case len(p.unsaved) == maxBatch || len(p.unsaved) > 0 && len(p.queue) == 0:
		saved := p.unsaved
		p.unsaved = nil
		p.after(p.flush, func() {
			for _, answer := range saved {
				answer()
			}
			p.step()
		})
	case len(p.queue) > 0:
		r := p.queue[0]
		p.queue = p.queue[1:]
		p.work(r.seconds, true, func() {
			if r.transaction || len(p.unsaved) > 0 {
				p.unsaved = append(p.unsaved, r.answer)
			} else {
				r.answer()
			}
			p.step()
		})
	default:
		p.busy = false
	}
}
