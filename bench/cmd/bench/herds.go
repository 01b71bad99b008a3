package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"leasehold.example/leasehold/bench/ensemble"
	"leasehold.example/leasehold/bench/peer"
	"leasehold.example/leasehold/bench/result"
)

// A contest is a herd of one peer, the lease that it wants, and how that
// becomes free.
type contest struct {
	peer    string
	herd    peer.Herd
	path    string
	free    func(path string) error // nil where the last race has left it so
	counted bool                    // by ZooKeeper's servers
}

// A herding is the herds that race in turn.
type herding struct {
	*setting
	contests []contest
	ours     *peer.LeaseholdHerd
}

// measureHerds has herds of growing size race for one lease.
func measureHerds(ctx context.Context, b *bench, s *setting) (err error) {
	bare, err := peer.OpenBare(s.zookeeper.Addr())
	if err != nil {
		return err
	}
	defer bare.Conn.Close()
	var kazoos peer.DriverHerd
	for range runtime.NumCPU() { // one process of Python uses one processor
		d, err := peer.StartKazoo(s.dir, s.zookeeper.Addr())
		if err != nil {
			return err
		}
		defer d.Stop()
		kazoos = append(kazoos, d)
	}
	curator, err := peer.StartCurator(s.dir, s.zookeeper.Addr())
	if err != nil {
		return err
	}
	defer curator.Stop()
	ours := peer.NewLeaseholdHerd(ctx, s.zookeeper.Addr())
	defer func() { err = errors.Join(err, ours.Close()) }()
	etcds := peer.NewEtcdHerd(ctx, s.etcd.URL())
	defer func() { err = errors.Join(err, etcds.Close()) }()
	h := &herding{setting: s, ours: ours}
	h.contests = []contest{
		{result.Leasehold, ours, "/bench/herd/leasehold", bare.Expire, true},
		{result.Kazoo, kazoos, "/bench/herd/kazoo", bare.Expire, true},
		{result.Mutex, peer.DriverHerd{curator}, "/bench/herd/curator", nil, true},
		{result.Etcd, etcds, "herd", nil, false},
	}
	for i, size := range b.size.herds {
		b.say("  %d contenders", size.contenders)
		for _, c := range h.contests {
			if err := c.herd.Gather(size.contenders); err != nil {
				return fmt.Errorf("gather %d contenders of %s: %w", size.contenders, c.peer, err)
			}
		}
		warmUp := 1
		if i == 0 {
			warmUp = 3
		}
		herds, err := h.raceAll(ctx, warmUp, size, b.size.limit/4)
		if err != nil {
			return err
		}
		b.file.Herds = append(b.file.Herds, herds...)
	}
	return nil
}

// raceAll lets the herds race in turn, until the time is up at the latest.
func (h *herding) raceAll(ctx context.Context, warmUp int, size herdSize, limit time.Duration) ([]result.Herd, error) {
	took := make([][]time.Duration, len(h.contests))
	herds := make([]result.Herd, len(h.contests))
	for round, begin := 0, time.Now(); round < warmUp+size.rounds; round++ {
		if round > warmUp && time.Since(begin) > limit {
			break
		}
		for i, c := range h.contests {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			t, cost, late, err := h.race(c, size.contenders)
			if err != nil {
				return nil, fmt.Errorf("%d contenders of %s: %w", size.contenders, c.peer, err)
			}
			if round < warmUp {
				continue
			}
			took[i] = append(took[i], t)
			herds[i].Requests = max(herds[i].Requests, cost.Requests)
			herds[i].Commits = max(herds[i].Commits, cost.Commits)
			herds[i].Late = max(herds[i].Late, late)
		}
	}
	for i, c := range h.contests {
		r := &herds[i]
		r.Peer, r.Servers, r.Contenders, r.Rounds = c.peer, h.servers, size.contenders, len(took[i])
		r.Median, r.P99 = result.Summarize(took[i])
	}
	return herds, nil
}

// race has one herd race once. late is what ours committed when its losers
// tried again.
func (h *herding) race(c contest, n int) (took time.Duration, cost ensemble.Counters, late int64, err error) {
	if c.free != nil {
		if err := c.free(c.path); err != nil {
			return 0, cost, 0, err
		}
	}
	race := func(run func(start int64) error) (ensemble.Counters, error) {
		before, err := h.zookeeper.Counters()
		if err != nil {
			return before, err
		}
		// All are to stand ready by then.
		if err := run(peer.Monotonic() + (50 * time.Millisecond).Nanoseconds() + int64(n)*(500*time.Microsecond).Nanoseconds()); err != nil {
			return before, err
		}
		after, err := h.zookeeper.Counters()
		return after.Minus(before), err
	}
	cost, err = race(func(start int64) error {
		end, granted, err := c.herd.Race(c.path, start)
		took = time.Duration(end - start)
		if err == nil && granted != 1 {
			return fmt.Errorf("it was granted to %d at once", granted)
		}
		return err
	})
	if err != nil || !c.counted {
		return took, ensemble.Counters{}, 0, err
	}
	if c.herd == peer.Herd(h.ours) {
		again, err := race(func(start int64) error { return h.ours.RaceLate(c.path, start) })
		return took, cost, again.Commits, err
	}
	return took, cost, 0, nil
}
