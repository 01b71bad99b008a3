package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-zookeeper/zk"
	"go.etcd.io/etcd/client/v3/concurrency"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/bench/lab"
)

// clients are one of each peer, with its session open. The other has what the
// first is denied.
type clients struct {
	bare            bareConn
	kazoo, curator  *lab.Driver
	ours, other     *leasehold.Client
	etcd, otherEtcd *concurrency.Session
}

// measureRequests measures what takes a few requests on an open session.
func measureRequests(ctx context.Context, s *setting) error {
	var c clients
	var errs [7]error
	c.bare, errs[0] = s.openBare()
	c.kazoo, errs[1] = s.startKazoo()
	c.curator, errs[2] = s.startCurator()
	c.ours, errs[3] = s.openLeasehold(ctx, "leasehold")
	c.other, errs[4] = s.openLeasehold(ctx, "other")
	c.etcd, errs[5] = s.openEtcd()
	c.otherEtcd, errs[6] = s.openEtcd()
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	var steps []step
	for _, more := range []func(context.Context) ([]step, error){
		c.bareSteps, c.leaseholdSteps, c.tickSteps, c.kazooSteps, c.curatorSteps, c.etcdSteps, c.slotSteps,
	} {
		add, err := more(ctx)
		if err != nil {
			return err
		}
		steps = append(steps, add...)
	}
	return interleave(ctx, &s.Run, s.servers, s.size.warmUp, s.size.rounds/s.servers, s.size.limit, append(steps, c.handoverSteps(ctx)...))
}

// heldPath is the lease that another has. Else each peer has paths of its own,
// since the nodes that one leaves behind are not to cost another time.
const heldPath = "/bench/held"

func (c *clients) bareSteps(context.Context) ([]step, error) {
	const written = "/bench/bare"
	if err := c.bare.hold(heldPath); err != nil {
		return nil, err
	}
	if err := c.bare.hold(written); err != nil {
		return nil, err
	}
	data, _, err := c.bare.Get(recordNode(written))
	if err != nil {
		return nil, err
	}
	return []step{
		{peer: bare, works: []string{get}, do: func(int) ([]time.Duration, error) {
			return timed(func() error { _, _, err := c.bare.Get(recordNode(heldPath)); return err })
		}},
		{peer: bare, works: []string{set}, do: func(int) ([]time.Duration, error) {
			return timed(func() error { _, err := c.bare.Set(recordNode(written), data, -1); return err })
		}},
		{peer: bare, works: []string{create, ""}, do: func(int) ([]time.Duration, error) {
			const node = written + "/node"
			return cycle(
				func() error { _, err := c.bare.Create(node, data, 0, zk.WorldACL(zk.PermAll)); return err },
				func() error { return c.bare.Delete(node, -1) })
		}},
	}, nil
}

func (c *clients) leaseholdSteps(ctx context.Context) ([]step, error) {
	const root = "/bench/leasehold"
	kept, err := c.ours.TryAcquire(ctx, root+"/renewed", leaseDuration)
	if err != nil {
		return nil, err
	}
	acquire := func(path string) ([]time.Duration, error) {
		return timed(func() error { _, err := c.ours.TryAcquire(ctx, path, leaseDuration); return err })
	}
	return []step{
		{peer: ours, works: []string{deny}, do: func(int) ([]time.Duration, error) {
			return timed(func() error { return denied(c.ours.TryAcquire(ctx, heldPath, leaseDuration)) })
		}},
		{peer: ours, works: []string{renew}, do: func(int) ([]time.Duration, error) {
			return timed(func() error { return kept.Renew(ctx) })
		}},
		{peer: ours, works: []string{grant, release, bothWays}, do: func(int) ([]time.Duration, error) {
			side := leaseholdSide(ctx, c.ours, root+"/cycle")
			return cycle(side.acquire, side.release)
		}},
		{peer: ours, works: []string{grantNew}, do: func(round int) ([]time.Duration, error) {
			return acquire(fmt.Sprintf("%s/new-%d", root, round))
		}},
		{peer: ours, works: []string{takeover}, do: func(int) ([]time.Duration, error) {
			if err := c.bare.expire(root + "/taken"); err != nil {
				return nil, err
			}
			return acquire(root + "/taken")
		}},
	}, nil
}

func (c *clients) kazooSteps(context.Context) ([]step, error) {
	const root = "/bench/kazoo"
	lease := func(granted bool, path string) ([]time.Duration, error) {
		return one(c.kazoo.Took(granted, "lease", path, "kazoo"))
	}
	if _, err := lease(true, root+"/renewed"); err != nil {
		return nil, err
	}
	return []step{
		{peer: kazoo, works: []string{deny}, do: func(int) ([]time.Duration, error) { return lease(false, heldPath) }},
		{peer: kazoo, works: []string{renew}, do: func(int) ([]time.Duration, error) { return lease(true, root+"/renewed") }},
		{peer: kazoo, works: []string{grant}, do: func(int) ([]time.Duration, error) {
			if err := c.bare.free(root+"/free", "kazoo"); err != nil {
				return nil, err
			}
			return lease(true, root+"/free")
		}},
		{peer: kazoo, works: []string{grantNew}, do: func(round int) ([]time.Duration, error) {
			return lease(true, fmt.Sprintf("%s/new-%d", root, round))
		}},
		{peer: kazoo, works: []string{takeover}, do: func(int) ([]time.Duration, error) {
			if err := c.bare.expire(root + "/taken"); err != nil {
				return nil, err
			}
			return lease(true, root+"/taken")
		}},
	}, nil
}

func (c *clients) curatorSteps(context.Context) ([]step, error) {
	const root = "/bench/curator"
	if _, err := c.curator.Ask("hold", root+"/denied"); err != nil {
		return nil, err
	}
	if _, err := c.curator.Ask("holdall", root+"/permits", 1); err != nil {
		return nil, err
	}
	lock := func(path string) ([]time.Duration, error) {
		answer, err := c.curator.Ask("lock", path)
		if err != nil {
			return nil, err
		}
		acquire, release := time.Duration(answer[0]), time.Duration(answer[1])
		return []time.Duration{acquire, release, acquire + release}, nil
	}
	return []step{
		{peer: mutex, works: []string{deny}, do: func(int) ([]time.Duration, error) {
			return one(c.curator.Took(false, "try", root+"/denied"))
		}},
		{peer: mutex, works: []string{grant, release, bothWays}, do: func(int) ([]time.Duration, error) { return lock(root + "/free") }},
		{peer: mutex, works: []string{grantNew}, do: func(round int) ([]time.Duration, error) {
			return lock(fmt.Sprintf("%s/new-%d", root, round))
		}},
		{peer: semaphore, works: []string{deny}, do: func(int) ([]time.Duration, error) {
			return one(c.curator.Took(false, "trysem", root+"/permits", 1))
		}},
	}, nil
}

func (c *clients) etcdSteps(ctx context.Context) ([]step, error) {
	if err := concurrency.NewMutex(c.otherEtcd, "denied").Lock(ctx); err != nil {
		return nil, err
	}
	lock := func(name string) ([]time.Duration, error) {
		side := etcdSide(ctx, c.etcd, name)
		return cycle(side.acquire, side.release)
	}
	return []step{
		{peer: etcd, works: []string{deny}, do: func(int) ([]time.Duration, error) {
			return timed(func() error {
				if err := concurrency.NewMutex(c.etcd, "denied").TryLock(ctx); err != concurrency.ErrLocked {
					return fmt.Errorf("got error %w, want %w", err, concurrency.ErrLocked)
				}
				return nil
			})
		}},
		{peer: etcd, works: []string{renew}, do: func(int) ([]time.Duration, error) {
			return timed(func() error { _, err := c.etcd.Client().KeepAliveOnce(ctx, c.etcd.Lease()); return err })
		}},
		{peer: etcd, works: []string{grant, release, bothWays}, do: func(int) ([]time.Duration, error) { return lock("free") }},
		{peer: etcd, works: []string{grantNew}, do: func(round int) ([]time.Duration, error) { return lock(fmt.Sprintf("new-%d", round)) }},
	}, nil
}

// slotSteps are denials where all of n slots are held. The more of them, the
// more seldom: kazoo takes a quarter of a second for a hundred.
func (c *clients) slotSteps(ctx context.Context) (steps []step, err error) {
	for _, n := range []int{1, 10, 100} {
		path, permits := fmt.Sprintf("/bench/slots-%d", n), fmt.Sprintf("/bench/curator/permits-%d", n)
		for i := range n {
			if err := c.bare.hold(fmt.Sprintf("%s/%d", path, i)); err != nil {
				return nil, err
			}
		}
		if _, err := c.curator.Ask("holdall", permits, n); err != nil {
			return nil, err
		}
		add := func(peer string, do func() ([]time.Duration, error)) {
			steps = append(steps, step{
				peer: peer, works: []string{denySlots}, size: n, every: max(1, n/10),
				do: func(int) ([]time.Duration, error) { return do() },
			})
		}
		add(ours, func() ([]time.Duration, error) {
			return timed(func() error { return denied(c.ours.TryAcquireSlot(ctx, path, n, leaseDuration)) })
		})
		add(kazoo, func() ([]time.Duration, error) { return one(c.kazoo.Took(false, "slots", path, n, "kazoo")) })
		add(semaphore, func() ([]time.Duration, error) { return one(c.curator.Took(false, "trysem", permits, n)) })
	}
	return steps, nil
}

// handoverSteps hand a lease from one session to another that waits for it.
func (c *clients) handoverSteps(ctx context.Context) (steps []step) {
	const lease, lock = "/bench/leasehold/handover", "handover"
	add := func(peer string, do func() (time.Duration, error)) {
		steps = append(steps, step{
			peer: peer, works: []string{handover}, every: 6,
			do: func(int) ([]time.Duration, error) { return one(do()) },
		})
	}
	leaseholds := relay{sides: [2]contender{leaseholdSide(ctx, c.ours, lease), leaseholdSide(ctx, c.other, lease)}}
	etcds := relay{sides: [2]contender{etcdSide(ctx, c.etcd, lock), etcdSide(ctx, c.otherEtcd, lock)}}
	add(ours, leaseholds.next)
	add(etcd, etcds.next)
	add(mutex, func() (time.Duration, error) { return c.curator.Took(true, "handmutex", "/bench/curator/handmutex") })
	add(semaphore, func() (time.Duration, error) { return c.curator.Took(true, "handsem", "/bench/curator/handsem") })
	return steps
}
