package main

import (
	"fmt"
	"math"

	"leasehold.example/leasehold/bench/figures"
)

// The kinds of work.
const (
	get       = "get"    // the floor: one read,
	set       = "set"    // one write,
	create    = "create" // one creation through go-zookeeper
	deny      = "deny"
	renew     = "renew"
	grant     = "grant" // of a lease that this peer has given up
	grantNew  = "grant, new path"
	takeover  = "takeover" // of a lease that another let expire
	release   = "release"
	bothWays  = "acquire+release"
	handover  = "handover"
	denySlots = "deny on slots"
	herd      = "herd"

	tickGranted     = "tick granted" // the next one after one that was run
	tickFinished    = "tick finished"
	tickDenied      = "tick denied" // by the record: another runs it, or has run it
	tickDeniedByLog = "tick denied by the log"

	herdRequests = "herd, requests"
	herdCommits  = "herd, committed writes"
	herdLate     = "herd, committed writes of losers that come later"

	processConnect = "process, connects and closes"
	processStart   = "process, says its version" // what starting it takes
	processDenied  = "process, denied"
	processGranted = "process, granted"

	holdLate       = "hold, renewed late"
	holdLost       = "hold, lost"
	holdBytes      = "hold, bytes"
	holdGoroutines = "hold, goroutines"
	holdCPU        = "hold, processors"
	holdRequests   = "hold, requests/s"
	holdCommits    = "hold, commits/s"
)

// The peers.
const (
	bare      = "bare request"
	ours      = "Leasehold"
	kazoo     = "kazoo"
	mutex     = "Curator mutex"
	semaphore = "Curator semaphore"
	etcd      = "etcd"
)

// peers are all of them, in the order of tables.
var peers = []string{bare, ours, kazoo, mutex, semaphore, etcd}

// A promise is one thing that must hold, and what a run found.
type promise struct {
	work, must string
	is         float64 // NaN where it was not measured
	kept       bool
}

// promises is the table of what must hold.
func promises(run *figures.Run) (all []promise) {
	var servers int
	add := func(work, must string, is float64, kept bool) {
		all = append(all, promise{work + on(servers), must, is, kept})
	}
	// A comparison with NaN is false.
	most := func(work string, limit float64, must string, is float64) {
		add(work, fmt.Sprintf("≤ %g %s", limit, must), is, is <= limit)
	}
	least := func(work string, limit float64, must string, is float64) {
		add(work, fmt.Sprintf("≥ %g %s", limit, must), is, is >= limit)
	}
	value := func(work, peer string, size int) float64 {
		return run.Value(figures.Key{Work: work, Peer: peer, Servers: servers, Size: size})
	}
	// faster says that Leasehold is that many times faster than a peer.
	faster := func(name, work string, size int, times float64, peer string) {
		least(name, times, "× faster than "+peer, value(work, peer, size)/value(work, ours, size))
	}

	for _, servers = range []int{1, 3} {
		aGet, aSet, aCycle := value(get, bare, 0), value(set, bare, 0), value(bothWays, mutex, 0)
		most(deny, 1.15, "× a bare get", value(deny, ours, 0)/aGet)
		faster(deny, deny, 0, 10, kazoo)
		for _, peer := range []string{etcd, mutex, semaphore} {
			faster(deny, deny, 0, 1, peer)
		}
		most(renew, 1.25, "× a bare set", value(renew, ours, 0)/aSet)
		for _, work := range []string{takeover, grant, grantNew} {
			took := value(work, ours, 0)
			most(work, 2.2, "× (bare get + bare set)", took/(aGet+aSet))
			faster(work, work, 0, 3, kazoo)
			most(work, 1.1, "× Curator's acquire+release", took/aCycle)
		}
		for _, c := range []struct {
			tick, plain string
			limit       float64
		}{{tickGranted, grant, 2}, {tickFinished, release, 2}, {tickDenied, deny, 1.15}, {tickDeniedByLog, deny, 3}} {
			most(c.tick, c.limit, "× a plain "+c.plain, value(c.tick, ours, 0)/value(c.plain, ours, 0))
		}
		for _, peer := range []string{mutex, etcd} {
			faster(handover, handover, 0, 1, peer)
		}
		for _, peer := range []string{mutex, etcd} {
			faster("herd of 10", herd, 10, 1, peer)
		}
		faster("deny on 100 slots", denySlots, 100, 30, kazoo)
		most(denySlots, 1, "is the exponent of its growth",
			figures.Exponent(run.Sizes(figures.Key{Work: denySlots, Peer: ours, Servers: servers})))
	}

	servers = 1
	faster("herd of 200", herd, 200, 8, kazoo)
	most("herd of 200", 201, "committed writes, for 1 + contenders", value(herdCommits, ours, 200))
	most("herd of 200", 0, "committed writes of losers that come later", value(herdLate, ours, 200))
	denied := value(processDenied, ours, 0)
	most(processDenied, 0.125, "of Python with kazoo", denied/value(processDenied, kazoo, 0))
	most(processDenied, 1.3, "× one that only connects and closes", denied/value(processConnect, bare, 0))
	const leases, work = 10_000, "10,000 leases"
	most(work, 0, "renewed late", value(holdLate, ours, leases))
	most(work, 0, "lost", value(holdLost, ours, leases))
	most(work, 4096, "bytes of memory for each", value(holdBytes, ours, leases)/leases)
	most(work, 1, "goroutines for each", value(holdGoroutines, ours, leases)/leases)
	return all
}

func on(servers int) string {
	if servers == 1 {
		return ""
	}
	return ", three servers"
}

// verdict says what a run found.
func (p promise) verdict() string {
	switch {
	case math.IsNaN(p.is):
		return "**not measured**"
	case !p.kept:
		return "**" + figures.Number(p.is) + ", missed**"
	}
	return figures.Number(p.is)
}
