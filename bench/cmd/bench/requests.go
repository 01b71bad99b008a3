package main

import (
	"context"
	"fmt"
	"time"

	"leasehold.example/leasehold/bench/peer"
	"leasehold.example/leasehold/bench/result"
)

// A company is one client of each peer, with its session open.
type company struct {
	bare    *peer.Bare
	ours    *peer.Leasehold
	kazoo   *peer.Driver
	curator *peer.Driver
	etcd    *peer.Etcd
	other   *peer.Etcd // has what etcd is denied
	closers []func()
}

func (s *setting) gather(ctx context.Context) (c *company, err error) {
	c = &company{}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	if c.bare, err = peer.OpenBare(s.zookeeper.Addr()); err != nil {
		return c, err
	}
	c.closers = append(c.closers, c.bare.Conn.Close)
	if c.ours, err = peer.OpenLeasehold(ctx, s.zookeeper.Addr(), "leasehold"); err != nil {
		return c, err
	}
	c.closers = append(c.closers, func() { c.ours.Close() })
	if c.kazoo, err = peer.StartKazoo(s.dir, s.zookeeper.Addr()); err != nil {
		return c, err
	}
	c.closers = append(c.closers, c.kazoo.Stop)
	if c.curator, err = peer.StartCurator(s.dir, s.zookeeper.Addr()); err != nil {
		return c, err
	}
	c.closers = append(c.closers, c.curator.Stop)
	if c.etcd, err = peer.OpenEtcd(ctx, s.etcd.URL()); err != nil {
		return c, err
	}
	c.closers = append(c.closers, func() { c.etcd.Close() })
	if c.other, err = peer.OpenEtcd(ctx, s.etcd.URL()); err != nil {
		return c, err
	}
	c.closers = append(c.closers, func() { c.other.Close() })
	return c, nil
}

func (c *company) close() {
	for _, f := range c.closers {
		f()
	}
}

// measureRequests measures what takes a few requests on an open session.
func measureRequests(ctx context.Context, b *bench, s *setting) error {
	c, err := s.gather(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	var steps []step
	for _, more := range []func(context.Context) ([]step, error){c.bareSteps, c.ourSteps, c.kazooSteps, c.curatorSteps, c.etcdSteps} {
		add, err := more(ctx)
		if err != nil {
			return err
		}
		steps = append(steps, add...)
	}
	for _, slots := range []int{1, 10, 100} {
		add, err := c.slotSteps(ctx, slots)
		if err != nil {
			return err
		}
		steps = append(steps, add...)
	}
	measures, err := interleave(ctx, b.size.warmUp, b.size.rounds/s.servers, b.size.limit, steps)
	if err != nil {
		return err
	}
	for _, m := range measures {
		m.Servers = s.servers
		b.file.Measures = append(b.file.Measures, m)
	}
	return nil
}

// Paths of leases. A held one is shared; else each peer has its own, since the
// nodes that one leaves behind are not to cost another time.
const (
	heldPath   = "/bench/held"
	ourPaths   = "/bench/leasehold"
	kazooPaths = "/bench/kazoo"
)

func (c *company) bareSteps(context.Context) ([]step, error) {
	const written = "/bench/bare"
	if err := c.bare.Hold(heldPath); err != nil {
		return nil, err
	}
	if err := c.bare.Hold(written); err != nil {
		return nil, err
	}
	return []step{
		{peer: result.Bare, works: []string{result.Get}, do: func(int) ([]time.Duration, error) { return one(c.bare.Get(heldPath)) }},
		{peer: result.Bare, works: []string{result.Set}, do: func(int) ([]time.Duration, error) { return one(c.bare.Set(written)) }},
		{peer: result.Bare, works: []string{result.Create}, do: func(int) ([]time.Duration, error) { return one(c.bare.Create(written + "/node")) }},
	}, nil
}

func (c *company) ourSteps(ctx context.Context) ([]step, error) {
	kept, _, err := c.ours.Acquire(ctx, ourPaths+"/renewed")
	if err != nil {
		return nil, err
	}
	taken := ourPaths + "/taken"
	return []step{
		{peer: result.Leasehold, works: []string{result.Deny}, do: func(int) ([]time.Duration, error) {
			return one(c.ours.Denied(ctx, heldPath))
		}},
		{peer: result.Leasehold, works: []string{result.Renew}, do: func(int) ([]time.Duration, error) {
			begin := time.Now()
			err := kept.Renew(ctx)
			return one(time.Since(begin), err)
		}},
		{peer: result.Leasehold, works: []string{result.Grant, result.Release, result.Cycle}, do: func(int) ([]time.Duration, error) {
			lease, acquire, err := c.ours.Acquire(ctx, ourPaths+"/cycle")
			if err != nil {
				return nil, err
			}
			begin := time.Now()
			err = lease.Release(ctx)
			return cycle(acquire, time.Since(begin), err)
		}},
		{peer: result.Leasehold, works: []string{result.GrantNew}, do: func(round int) ([]time.Duration, error) {
			_, took, err := c.ours.Acquire(ctx, fmt.Sprintf("%s/new-%d", ourPaths, round))
			return one(took, err)
		}},
		{peer: result.Leasehold, works: []string{result.Takeover}, do: func(int) ([]time.Duration, error) {
			if err := c.bare.Expire(taken); err != nil {
				return nil, err
			}
			_, took, err := c.ours.Acquire(ctx, taken)
			return one(took, err)
		}},
	}, nil
}

func (c *company) kazooSteps(context.Context) ([]step, error) {
	lease := func(granted bool, path string) ([]time.Duration, error) {
		return one(c.kazoo.Timed(granted, "lease", path, "kazoo"))
	}
	renewed, taken, free := kazooPaths+"/renewed", kazooPaths+"/taken", kazooPaths+"/free"
	if _, err := lease(true, renewed); err != nil {
		return nil, err
	}
	return []step{
		{peer: result.Kazoo, works: []string{result.Deny}, do: func(int) ([]time.Duration, error) { return lease(false, heldPath) }},
		{peer: result.Kazoo, works: []string{result.Renew}, do: func(int) ([]time.Duration, error) { return lease(true, renewed) }},
		{peer: result.Kazoo, works: []string{result.Grant}, do: func(int) ([]time.Duration, error) {
			if err := c.bare.Free(free, "kazoo"); err != nil {
				return nil, err
			}
			return lease(true, free)
		}},
		{peer: result.Kazoo, works: []string{result.GrantNew}, do: func(round int) ([]time.Duration, error) {
			return lease(true, fmt.Sprintf("%s/new-%d", kazooPaths, round))
		}},
		{peer: result.Kazoo, works: []string{result.Takeover}, do: func(int) ([]time.Duration, error) {
			if err := c.bare.Expire(taken); err != nil {
				return nil, err
			}
			return lease(true, taken)
		}},
	}, nil
}

func (c *company) curatorSteps(context.Context) ([]step, error) {
	const denied, free, added, permits = "/bench/curator/denied", "/bench/curator/free", "/bench/curator/new", "/bench/curator/permits"
	if _, err := c.curator.Ask("hold", denied); err != nil {
		return nil, err
	}
	if _, err := c.curator.Ask("holdall", permits, 1); err != nil {
		return nil, err
	}
	lock := func(path string) (acquire, release time.Duration, err error) {
		answer, err := c.curator.Ask("lock", path)
		if err != nil {
			return 0, 0, err
		}
		return time.Duration(answer[0]), time.Duration(answer[1]), nil
	}
	return []step{
		{peer: result.Mutex, works: []string{result.Deny}, do: func(int) ([]time.Duration, error) {
			return one(c.curator.Timed(false, "try", denied))
		}},
		{peer: result.Mutex, works: []string{result.Grant, result.Release, result.Cycle}, do: func(int) ([]time.Duration, error) {
			return cycle(lock(free))
		}},
		{peer: result.Mutex, works: []string{result.GrantNew, "", ""}, do: func(round int) ([]time.Duration, error) {
			return cycle(lock(fmt.Sprintf("%s-%d", added, round)))
		}},
		{peer: result.Semaphore, works: []string{result.Deny}, do: func(int) ([]time.Duration, error) {
			return one(c.curator.Timed(false, "trysem", permits, 1))
		}},
	}, nil
}

func (c *company) etcdSteps(ctx context.Context) ([]step, error) {
	const denied, free, added = "denied", "free", "new"
	if err := c.other.Hold(ctx, denied); err != nil {
		return nil, err
	}
	return []step{
		{peer: result.Etcd, works: []string{result.Deny}, do: func(int) ([]time.Duration, error) { return one(c.etcd.Denied(ctx, denied)) }},
		{peer: result.Etcd, works: []string{result.Renew}, do: func(int) ([]time.Duration, error) { return one(c.etcd.KeepAlive(ctx)) }},
		{peer: result.Etcd, works: []string{result.Grant, result.Release, result.Cycle}, do: func(int) ([]time.Duration, error) {
			return cycle(c.etcd.Lock(ctx, free))
		}},
		{peer: result.Etcd, works: []string{result.GrantNew, "", ""}, do: func(round int) ([]time.Duration, error) {
			return cycle(c.etcd.Lock(ctx, fmt.Sprintf("%s-%d", added, round)))
		}},
	}, nil
}

// slotSteps are denials where all of n slots are held. The more of them, the
// seldomer: kazoo takes a quarter of a second for a hundred.
func (c *company) slotSteps(ctx context.Context, n int) ([]step, error) {
	path, permits := fmt.Sprintf("/bench/slots-%d", n), fmt.Sprintf("/bench/curator/permits-%d", n)
	for i := range n {
		if err := c.bare.Hold(fmt.Sprintf("%s/%d", path, i)); err != nil {
			return nil, err
		}
	}
	if _, err := c.curator.Ask("holdall", permits, n); err != nil {
		return nil, err
	}
	as := step{works: []string{result.DenySlots}, slots: n, every: max(1, n/10)}
	ours, kazoo, curator := as, as, as
	ours.peer, ours.do = result.Leasehold, func(int) ([]time.Duration, error) { return one(c.ours.DeniedSlots(ctx, path, n)) }
	kazoo.peer, kazoo.do = result.Kazoo, func(int) ([]time.Duration, error) { return one(c.kazoo.Timed(false, "slots", path, n, "kazoo")) }
	curator.peer, curator.do = result.Semaphore, func(int) ([]time.Duration, error) { return one(c.curator.Timed(false, "trysem", permits, n)) }
	return []step{ours, kazoo, curator}, nil
}
