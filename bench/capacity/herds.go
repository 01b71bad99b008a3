package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

// answers are the times of one round of a herd, in seconds.
type answers struct {
	median, last float64
	cpu          float64 // of the processes of ours that are not this one
}

// rounds plays h as often as it says, and keeps the medians.
func (b *bench) rounds(h Herd, play func(round int) (answers, error)) (Herd, error) {
	var available, medians, lasts []float64
	for round := range h.Rounds {
		ours, all, err := b.usage()
		if err != nil {
			return h, err
		}
		began := time.Now()
		a, err := play(round)
		if err != nil {
			return h, err
		}
		took := time.Since(began).Seconds()
		oursThen, allThen, err := b.usage()
		if err != nil {
			return h, err
		}
		others := (allThen - all) - (oursThen - ours) - a.cpu
		available = append(available, float64(processors())-max(0, others/took))
		medians, lasts = append(medians, a.median), append(lasts, a.last)
	}
	for _, s := range [][]float64{available, medians, lasts} {
		slices.Sort(s)
	}
	h.Available, h.Median, h.Last = quantile(available, 0.5), quantile(medians, 0.5), quantile(lasts, 0.5)
	return h, nil
}

// leaseholdHerds are of 1,000, and one of 5,000 to see whether what holds for
// these still does.
func (b *bench) leaseholdHerds(m *Measurement) error {
	if err := b.leaseholdHerd(m, Herd{Starts: 1000, Rounds: 9}); err != nil {
		return err
	}
	if err := b.leaseholdHerd(m, Herd{Starts: 1000, Rounds: 9, Expired: true}); err != nil {
		return err
	}
	if err := b.leaseholdHerd(m, Herd{Starts: 1000, Rounds: 3, Delay: 2}); err != nil {
		return err
	}
	return b.leaseholdHerd(m, Herd{Starts: 5000, Rounds: 3})
}

// backlogHerds are the same on a server with the default backlog.
func (*bench) backlogHerds(m *Measurement) error {
	dir, err := os.MkdirTemp("", "capacity-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s, err := startServer(dir, "")
	if err != nil {
		return err
	}
	defer s.proc.Kill()
	b := &bench{server: s}
	if err := b.warm(m); err != nil {
		return err
	}
	return b.leaseholdHerd(m, Herd{Starts: 1000, Rounds: 5, Backlog: true})
}

func (b *bench) leaseholdHerd(m *Measurement, h Herd) error {
	h, err := b.rounds(h, func(round int) (answers, error) {
		path := fmt.Sprintf("/capacity/herd-%d-%d", len(m.Herds), round)
		if err := b.take(path); err != nil {
			return answers{}, err
		}
		if h.Expired {
			if err := b.free(path); err != nil {
				return answers{}, err
			}
		}
		return b.herd(h, path)
	})
	m.Herds = append(m.Herds, h)
	return err
}

// herd has everybody open a session, ask for the lease and close the session.
func (b *bench) herd(h Herd, path string) (a answers, err error) {
	waits := make([]float64, h.Starts)
	ends := make([]float64, h.Starts)
	granted := make([]int, h.Starts)
	begin := time.Now().Add(200 * time.Millisecond)
	starts := make([]time.Time, h.Starts)
	random := newSimulation(1).random
	for i := range starts {
		starts[i] = begin.Add(time.Duration(random.Float64() * h.Delay * float64(time.Second)))
	}
	err = together(h.Starts, func(i int) error {
		time.Sleep(time.Until(starts[i]))
		s, err := b.open()
		if err != nil {
			return err
		}
		err = b.attempt(s, fmt.Sprintf("host-%d", i), path)
		waits[i], ends[i] = time.Since(starts[i]).Seconds(), time.Since(begin).Seconds()
		if err == nil {
			granted[i] = 1
		} else {
			err = wantHeld(err)
		}
		return errors.Join(err, s.Close())
	})
	if err != nil {
		return a, err
	}
	won, want := 0, 0
	for _, n := range granted {
		won += n
	}
	if h.Expired {
		want = 1
	}
	if won != want {
		return a, fmt.Errorf("%d of the herd got the lease, want %d", won, want)
	}
	slices.Sort(waits)
	return answers{median: quantile(waits, 0.5), last: slices.Max(ends)}, nil
}

// kazooHerds are of threads with a client each, in four Python processes.
func (b *bench) kazooHerds(m *Measurement) error {
	all := make([]*python, 4)
	for i := range all {
		p, err := startPython(b.addr)
		if err != nil {
			return err
		}
		defer p.proc.Kill()
		all[i] = p
	}
	for _, starts := range []int{50, 100, 200} {
		h, err := b.rounds(Herd{Starts: starts, Kazoo: true, Rounds: 3}, func(int) (answers, error) {
			return kazooHerd(all, starts)
		})
		if err != nil {
			return err
		}
		m.Herds = append(m.Herds, h)
	}
	return nil
}

func kazooHerd(all []*python, starts int) (a answers, err error) {
	orders := make([]order, len(all))
	begin := time.Now().Add(500 * time.Millisecond)
	for i := range starts {
		o := &orders[i%len(all)]
		o.Op, o.Path, o.Start = "herd", taken, float64(begin.UnixNano())/1e9
		o.Holders = append(o.Holders, fmt.Sprintf("host-%d", i))
	}
	results := make([]herdResult, len(all))
	cpu := make([]float64, len(all))
	err = together(len(all), func(i int) (err error) {
		results[i], cpu[i], err = all[i].do(orders[i])
		return err
	})
	if err != nil {
		return a, err
	}
	var waits []float64
	for i, r := range results {
		if r.Granted > 0 {
			return a, errors.New("kazoo was granted a lease that another has")
		}
		waits = append(waits, r.Seconds...)
		a.cpu += cpu[i]
	}
	slices.Sort(waits)
	a.median, a.last = quantile(waits, 0.5), waits[len(waits)-1]
	return a, nil
}
