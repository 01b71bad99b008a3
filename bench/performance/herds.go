package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/client/v3/concurrency"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/bench/figures"
	"leasehold.example/leasehold/bench/lab"
)

// contenders are those of one peer, with a session each, that want one lease at the same
// moment.
type contenders interface {
	// gather has n contenders ready; it only ever adds some.
	gather(n int) error

	// race lets all of them try to acquire the free lease at path at start, an
	// instant of the monotonic clock, and returns when the last had its answer
	// and how many were granted it.
	race(path string, start int64) (end int64, granted int, err error)
}

// An attempt is one contender's of this process: it reports whether it was
// granted.
type attempt func(path string) (bool, error)

// localHerd is contenders of this process.
type localHerd struct {
	open   func(i int) (attempt, error)
	settle func() error // after a race; nil for nothing
	all    []attempt
	winner atomic.Int64 // of the last race
}

func (h *localHerd) gather(n int) error {
	have := len(h.all)
	h.all = append(h.all, make([]attempt, max(0, n-have))...)
	return lab.Each(len(h.all)-have, 50, func(i int) (err error) {
		h.all[have+i], err = h.open(have + i)
		return err
	})
}

func (h *localHerd) race(path string, start int64) (end int64, granted int, err error) {
	h.winner.Store(-1)
	end, granted, err = h.run(path, start)
	if h.settle != nil {
		err = errors.Join(err, h.settle())
	}
	return end, granted, err
}

// run lets all but the winner of the last race try.
func (h *localHerd) run(path string, start int64) (end int64, granted int, err error) {
	var last, won atomic.Int64
	winner := h.winner.Load()
	err = lab.Each(len(h.all), len(h.all), func(i int) error {
		if int64(i) == winner {
			return nil
		}
		time.Sleep(time.Duration(start - lab.Monotonic()))
		got, err := h.all[i](path)
		now := lab.Monotonic()
		for was := last.Load(); was < now && !last.CompareAndSwap(was, now); was = last.Load() {
		}
		if got {
			won.Add(1)
			h.winner.Store(int64(i))
		}
		return err
	})
	return last.Load(), int(won.Load()), err
}

// driverHerd is contenders spread over processes.
type driverHerd []*lab.Driver

func (h driverHerd) gather(n int) error {
	return lab.Each(len(h), len(h), func(i int) error {
		_, err := h[i].Ask("herd", fmt.Sprintf("p%d-", i), (n+len(h)-1-i)/len(h))
		return err
	})
}

func (h driverHerd) race(path string, start int64) (end int64, granted int, err error) {
	answers := make([][]int64, len(h))
	err = lab.Each(len(h), len(h), func(i int) (err error) {
		answers[i], err = h[i].Ask("race", path, start)
		return err
	})
	for _, a := range answers {
		if len(a) == 2 {
			end, granted = max(end, a[0]), granted+int(a[1])
		}
	}
	return end, granted, err
}

// A contest is a herd of one peer, the lease that it wants, and how that
// becomes free.
type contest struct {
	peer string
	contenders
	path    string
	free    func(path string) error // nil where a race leaves it so
	samples []time.Duration
	cost    map[string]int64 // by work: the most of any round
}

// measureHerds has herds of growing size race for one lease.
func measureHerds(ctx context.Context, s *setting) error {
	bareConn, err := s.openBare()
	if err != nil {
		return err
	}
	var kazoos driverHerd
	for range runtime.NumCPU() { // one process of Python uses one processor
		d, err := s.startKazoo()
		if err != nil {
			return err
		}
		kazoos = append(kazoos, d)
	}
	curator, err := s.startCurator()
	if err != nil {
		return err
	}
	contests := []*contest{
		{peer: ours, contenders: s.leaseholdHerd(ctx), path: "/bench/herd/leasehold", free: bareConn.expire},
		{peer: kazoo, contenders: kazoos, path: "/bench/herd/kazoo", free: bareConn.expire},
		{peer: mutex, contenders: driverHerd{curator}, path: "/bench/herd/curator"},
		{peer: etcd, contenders: s.etcdHerd(ctx), path: "herd"},
	}
	for i, size := range s.size.herds {
		if s.servers > 1 && i > 0 {
			break // only the smallest herd on three servers
		}
		s.say("  %d contenders", size.contenders)
		for _, c := range contests {
			if err := c.gather(size.contenders); err != nil {
				return fmt.Errorf("gather %d contenders of %s: %w", size.contenders, c.peer, err)
			}
		}
		if err := s.raceInTurn(ctx, contests, size); err != nil {
			return err
		}
	}
	return nil
}

func (s *setting) leaseholdHerd(ctx context.Context) *localHerd {
	return &localHerd{open: func(i int) (attempt, error) {
		c, err := s.openLeasehold(ctx, fmt.Sprintf("contender-%d", i))
		return func(path string) (bool, error) {
			_, err := c.TryAcquire(ctx, path, leaseDuration)
			if errors.Is(err, leasehold.ErrHeld) {
				return false, nil
			}
			return err == nil, err
		}, err
	}}
}

func (s *setting) etcdHerd(ctx context.Context) *localHerd {
	var won atomic.Pointer[concurrency.Mutex]
	return &localHerd{
		open: func(int) (attempt, error) {
			session, err := s.openEtcd()
			return func(name string) (bool, error) {
				m := concurrency.NewMutex(session, name)
				err := m.TryLock(ctx)
				if errors.Is(err, concurrency.ErrLocked) {
					return false, nil
				}
				if err == nil {
					won.Store(m)
				}
				return err == nil, err
			}, err
		},
		settle: func() error { return won.Load().Unlock(ctx) },
	}
}

// raceInTurn lets the herds race in turn, until the time is up at the latest.
// What comes before the first round that counts warms up.
func (s *setting) raceInTurn(ctx context.Context, contests []*contest, size herdSize) error {
	for _, c := range contests {
		c.samples, c.cost = nil, map[string]int64{}
	}
	const warmUp = 2
	for round, begin := -warmUp, time.Now(); round < size.rounds; round++ {
		if round > 0 && time.Since(begin) > s.size.limit/4 {
			break
		}
		for _, c := range contests {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := s.race(c, size.contenders, round >= 0); err != nil {
				return fmt.Errorf("%d contenders of %s: %w", size.contenders, c.peer, err)
			}
		}
	}
	for _, c := range contests {
		k := figures.Key{Work: herd, Peer: c.peer, Servers: s.servers, Size: size.contenders}
		s.AddSamples(k, c.samples)
		for work, most := range c.cost {
			k.Work = work
			s.Add(k, float64(most))
		}
	}
	return nil
}

// race has one herd race once, and notes that if it counts.
func (s *setting) race(c *contest, n int, counts bool) error {
	if c.free != nil {
		if err := c.free(c.path); err != nil {
			return err
		}
	}
	start := func() int64 { // all are to stand ready by then
		return lab.Monotonic() + (50*time.Millisecond + time.Duration(n)*500*time.Microsecond).Nanoseconds()
	}
	var took time.Duration
	requests, commits, err := s.zookeeper.Cost(func() error {
		begin := start()
		end, granted, err := c.race(c.path, begin)
		took = time.Duration(end - begin)
		if err == nil && granted != 1 {
			return fmt.Errorf("it was granted to %d at once", granted)
		}
		return err
	})
	if err != nil {
		return err
	}
	note := func(work string, n int64) {
		if counts {
			c.cost[work] = max(c.cost[work], n)
		}
	}
	if counts {
		c.samples = append(c.samples, took)
	}
	if c.peer != etcd { // which has other servers
		note(herdRequests, requests)
		note(herdCommits, commits)
	}
	if c.peer != ours {
		return nil
	}
	_, late, err := s.zookeeper.Cost(func() error {
		_, granted, err := c.contenders.(*localHerd).run(c.path, start())
		if granted > 0 {
			return fmt.Errorf("it was granted to %d more while it was held", granted)
		}
		return err
	})
	note(herdLate, late)
	return err
}
