package soak_test

import (
	"time"

	"leasehold.example/leasehold/soak/history"
	"leasehold.example/leasehold/soak/points"
)

// How long leases last: long where nobody waits for the end, and so that none
// ends before another acts on it, however slow the machine; short where the end
// is waited for. short is less than what a renewal needs to count without
// another look (Options.Lag).
const (
	long  = 40 * time.Second
	short = 9 * time.Second
)

// kazoo takes the expired lease over when ours has read all that it reads. Its
// new record looks the same to a check of the version.
func kazooBetweenReadAndCommit(s *scenario) { overtaken(s, "commit") }

// kazoo takes it over between our reads of the record and of the children.
func kazooBetweenTheReads(s *scenario) { overtaken(s, "children") }

func overtaken(s *scenario, point string) {
	k := s.kazoo("kazoo", s.hosts, nil)
	former := s.kazoo("former", s.hosts, nil)
	g := s.golang("go", s.withPoints())
	s.expired(former)
	s.arm(point)
	s.tell(g, "try", long)
	s.awaitPoint(point)
	s.tell(k, "try", long)
	s.want(k.result(s.T, "try", 1), history.Granted)
	s.pass(point)
	g.result(s.T, "try", 1)
	s.awaitSamples()
}

// A renewal arrives when another has the lease. Then its sender, which sees that
// the lease is lost, tries to get it: where its late renewal has put its
// name into the record, it is granted.
func renewalArrivesLate(s *scenario) {
	late := s.golang("late", s.withPoints())
	other := s.golang("other", nil)
	s.tell(late, "try", short)
	granted := s.want(late.result(s.T, "try", 1), history.Granted)
	s.awaitLaterEnd(granted, short)
	s.arm("renew")
	s.tell(late, "renew", 0)
	s.awaitPoint("renew")
	s.tell(other, "acquire", long)
	s.want(other.result(s.T, "acquire", 1), history.Granted)
	s.pass("renew")
	late.result(s.T, "renew", 1)
	s.tell(late, "try", long)
	late.result(s.T, "try", 2)
	s.awaitSamples()
}

// A holder of kazoo's lock stops before it commits, past the end of its
// session.
func pausedPastTheSession(s *scenario) {
	k := s.kazoo("kazoo", s.hosts, nil)
	former := s.kazoo("former", s.hosts, nil)
	g := s.golang("go", s.withPoints(), "-hosts", s.hosts+"?guard=off", "-session", "4s")
	s.expired(former)
	s.arm("commit")
	s.tell(g, "try", long)
	s.awaitPoint("commit")
	s.sleepPastSession(g, k)
	s.pass("commit")
	g.result(s.T, "try", 1)
	s.awaitSamples()
}

// The same with kazoo's own client, which does not check that it still has the
// lock.
func kazooPausedPastTheSession(s *scenario) {
	k := s.kazoo("kazoo", s.hosts, nil)
	former := s.kazoo("former", s.hosts, nil)
	stalled := s.kazoo("stalled", s.hosts, s.withPoints(), "--session", "8")
	s.expired(former)
	s.arm("delete")
	s.tell(stalled, "try", long)
	s.awaitPoint("delete")
	sessions := s.sleepPastSession(stalled, k)
	s.awaitSession(stalled, sessions+1) // in which the deletion goes out
	s.pass("delete")
	stalled.result(s.T, "try", 1)
	s.awaitSamples()
}

// kazoo takes an expired lease over, which a lagging server does not know of.
func takenBehindALaggingServer(s *scenario) {
	k := s.kazoo("kazoo", s.hosts, nil)
	former := s.kazoo("former", s.hosts, nil)
	g := s.golang("go", []string{"LEASEHOLD_SECOND=" + s.lagging.follower})
	s.expired(former)
	s.awaitCaughtUp()
	s.lagging.proxy.hold(true)
	defer s.lagging.proxy.hold(false)
	s.tell(k, "try", long)
	s.want(k.result(s.T, "try", 1), history.Granted)
	s.tell(g, "try", long)
	g.result(s.T, "try", 1)
	s.awaitSamples()
}

// kazoo has its lock on a server that lags, and reads the record, as it was
// before its renewal, after its end.
func kazooHasReadBeforeTheRenewal(s *scenario) {
	k := s.kazoo("kazoo", s.lagging.follower, s.withPoints())
	g := s.golang("go", nil)
	s.tell(g, "try", short)
	granted := s.want(g.result(s.T, "try", 1), history.Granted)
	s.awaitCaughtUp()
	s.arm("now")
	s.arm("delete")
	s.tell(k, "try", long)
	s.awaitPoint("now")
	s.lagging.proxy.hold(true)
	defer s.lagging.proxy.hold(false)
	s.sleepUntilLeft(granted, short/2) // the renewed lease lasts for as long behind the old end
	s.tell(g, "renew", 0)
	s.sleepUntilLeft(granted, 0)
	s.pass("now")
	s.awaitPoint("delete")
	s.lagging.proxy.hold(false)
	s.pass("delete")
	s.want(k.result(s.T, "try", 1), history.Granted)
	g.result(s.T, "renew", 1)
	s.awaitSamples()
}

// A host whose clock runs ahead wants a lease that others still see held.
func clockRunsAhead(s *scenario) {
	g := s.golang("go", nil)
	ahead := s.golang("ahead", s.withClocks("ahead", points.Clocks{Ahead: 6 * time.Second}), "-skew", "7s")
	s.tell(g, "try", short)
	s.want(g.result(s.T, "try", 1), history.Granted)
	s.tell(ahead, "acquire", long)
	s.want(ahead.result(s.T, "acquire", 1), history.Granted)
	s.awaitSamples()
}

// A host whose clock is far ahead takes the lease over, and dies before it can
// undo that. Its clock is put right, and the same holder asks again.
func earlyTakeoverThatNobodyUndid(s *scenario) {
	g := s.golang("go", nil)
	s.tell(g, "try", long)
	s.want(g.result(s.T, "try", 1), history.Granted)
	ahead := s.golang("ahead", append(s.withClocks("ahead", points.Clocks{Ahead: time.Hour}), s.withPoints()...))
	s.arm("undo")
	s.tell(ahead, "try", long)
	s.awaitPoint("undo")
	ahead.kill()
	s.pass("undo")
	again := s.golang("again", nil, "-holder", "ahead")
	s.tell(again, "try", long)
	again.result(s.T, "try", 1)
	s.awaitSamples()
	s.awaitNextSample(g) // what it learns by the renewal is no proof for before
	s.tell(g, "renew", 0)
	g.result(s.T, "renew", 1)
}

// A host is paused, its clocks too, until its session has expired and another
// has its lease.
func clocksStoodStill(s *scenario) {
	g := s.golang("go", s.withClocks("go", points.Clocks{}), "-session", "4s")
	other := s.golang("other", nil)
	s.tell(g, "try", short)
	s.want(g.result(s.T, "try", 1), history.Granted)
	s.awaitSamples()
	s.log.addNow(history.Event{Kind: history.Fault, Fault: history.StoodStill, On: g.run})
	resume := standStill(g, s.clocksFile("go"), points.Clocks{})
	s.tell(other, "acquire", long)
	s.want(other.result(s.T, "acquire", 1), history.Granted)
	s.awaitSamples()
	s.log.addNow(history.Event{Kind: history.Healed, Fault: history.StoodStill, On: g.run})
	if _, err := resume(); err != nil {
		s.Fatal(err)
	}
	s.log.await(s.T, "end of the lease by the clocks that stood still", func(e history.Event) bool {
		return e.Run == g.run && e.Kind == history.Sample && e.Left == 0
	})
}

// kazooAhead is less than that scenario's MaxClockSkew of 5 s.
const kazooAhead = 4500 * time.Millisecond

// A kazoo host whose clock runs ahead, by no more than is allowed for, tries
// until it is granted.
func kazooClockRunsAhead(s *scenario) {
	k := s.kazoo("kazoo", s.hosts, nil, "--ahead", "4.5")
	g := s.golang("go", nil, "-skew", "5s")
	s.tell(g, "try", short)
	s.want(g.result(s.T, "try", 1), history.Granted)
	s.tell(k, "insist", long)
	s.log.await(s.T, "grant to kazoo", func(e history.Event) bool {
		return e.Run == k.run && e.Outcome == history.Granted
	})
	s.awaitSamples()
}

// The reply to a renewal is read long after the commit, if before the old end.
// Another acquires the lease as soon as it has ended.
func replyComesLate(s *scenario) {
	g := s.golang("go", s.withPoints())
	other := s.golang("other", nil)
	s.tell(g, "try", short)
	granted := s.want(g.result(s.T, "try", 1), history.Granted)
	s.arm("renewed")
	s.tell(g, "renew", 0)
	s.awaitPoint("renewed")
	s.sleepUntilLeft(granted, short/2)
	s.pass("renewed")
	s.want(g.result(s.T, "renew", 1), history.Renewed)
	s.tell(other, "acquire", long)
	s.want(other.result(s.T, "acquire", 1), history.Granted)
	s.awaitSamples()
}
