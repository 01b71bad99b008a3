package soak_test

import (
	"time"

	"leasehold.example/leasehold/internal/kazootest"
	"leasehold.example/leasehold/soak/history"
)

// long is how long a lease lasts that somebody still has when another acts on
// it.
const long = 5 * time.Second

// kazoo takes the expired lease over when ours has read all that it reads. Its
// new record looks the same to a check of the version.
func kazooBetweenReadAndCommit(s *scene) { overtaken(s, "commit") }

// kazoo takes it over between our first look at the record and that at the
// children.
func kazooBetweenTheReads(s *scene) { overtaken(s, "children") }

func overtaken(s *scene, point string) {
	k := s.kazoo("kazoo", s.hosts, nil)
	former := s.kazoo("former", s.hosts, nil)
	g := s.golang("go", s.withPoints())
	s.expired(former)
	s.arm(point)
	s.ask(g, "try", long)
	s.awaitPoint(point)
	s.ask(k, "try", long)
	s.want(k.answer(s.T, "try", 1), history.Granted)
	s.pass(point)
	g.answer(s.T, "try", 1)
	s.letAct()
}

// A renewal is under way until another has the lease. Then its sender, told
// that it is lost, asks for the lease: where its late renewal has put its name
// into the record, it is granted.
func renewalArrivesLate(s *scene) {
	late := s.golang("late", s.withPoints())
	other := s.golang("other", nil)
	s.ask(late, "try", 3*time.Second)
	s.want(late.answer(s.T, "try", 1), history.Granted)
	time.Sleep(1100 * time.Millisecond) // for another second in the record
	s.arm("renew")
	s.ask(late, "renew", 0)
	s.awaitPoint("renew")
	s.ask(other, "acquire", long)
	s.want(other.answer(s.T, "acquire", 1), history.Granted)
	s.pass("renew")
	late.answer(s.T, "renew", 1)
	s.ask(late, "try", long)
	late.answer(s.T, "try", 2)
	s.letAct()
}

// One that has kazoo's lock stands still before it commits, past the end of its
// session. On a connection of the client library's own, what it sends then goes
// out in the next session.
func pausedPastTheSession(s *scene) {
	k := s.kazoo("kazoo", s.hosts, nil)
	former := s.kazoo("former", s.hosts, nil)
	peer := kazootest.Start(s.T, s.hosts)
	g := s.golang("go", s.withPoints(), "-borrowed", "-session", "2s")
	s.expired(former)
	lock, err := peer.Lock(s.path, "first")
	if err != nil {
		s.Fatal(err)
	}
	s.arm("commit")
	s.ask(g, "try", 3*long) // its answer can take a while
	s.awaitLocks(2)
	if err := lock.Unlock(); err != nil {
		s.Fatal(err)
	}
	s.awaitPoint("commit")
	s.sleepPastSession(g, func() {
		s.ask(k, "try", 3*long)
		s.want(k.answer(s.T, "try", 1), history.Granted)
	})
	s.pass("commit")
	g.answer(s.T, "try", 1)
	s.letAct()
}

// The same with kazoo's own client, which has no fence.
func kazooPausedPastTheSession(s *scene) {
	k := s.kazoo("kazoo", s.hosts, nil)
	former := s.kazoo("former", s.hosts, nil)
	stalled := s.kazoo("stalled", s.hosts, s.withPoints(), "--session", "2")
	s.expired(former)
	s.arm("delete")
	s.ask(stalled, "try", long)
	s.awaitPoint("delete")
	s.sleepPastSession(stalled, func() {
		s.ask(k, "try", long)
		s.want(k.answer(s.T, "try", 1), history.Granted)
	})
	s.pass("delete")
	stalled.answer(s.T, "try", 1)
	s.letAct()
}

// kazoo takes an expired lease over, which a lagging server does not know of.
func takenBehindALaggingServer(s *scene) {
	k := s.kazoo("kazoo", s.hosts, nil)
	former := s.kazoo("former", s.hosts, nil)
	g := s.golang("go", []string{"LEASEHOLD_SECOND=" + s.lag.follower}, "-session", "30s")
	s.expired(former)
	s.awaitCaughtUp()
	s.lag.link.hold(true)
	defer s.lag.link.hold(false)
	s.ask(k, "try", long)
	s.want(k.answer(s.T, "try", 1), history.Granted)
	s.ask(g, "try", long)
	g.answer(s.T, "try", 1)
	s.letAct()
}

// kazoo has its lock on a server that lags, and reads the record, as it was
// before its renewal, after its end.
func kazooHasReadBeforeTheRenewal(s *scene) {
	k := s.kazoo("kazoo", s.lag.follower, s.withPoints(), "--session", "30")
	g := s.golang("go", nil, "-session", "30s")
	s.ask(g, "try", long)
	granted := s.want(g.answer(s.T, "try", 1), history.Granted)
	s.awaitCaughtUp()
	s.arm("now")
	s.arm("delete")
	s.ask(k, "try", long)
	s.awaitPoint("now")
	s.lag.link.hold(true)
	defer s.lag.link.hold(false)
	time.Sleep(time.Until(time.Unix(granted.End, 0)) - 2*time.Second)
	s.ask(g, "renew", 0)
	s.untilEnd(granted)
	s.pass("now")
	s.awaitPoint("delete")
	s.lag.link.hold(false)
	s.pass("delete")
	s.want(k.answer(s.T, "try", 1), history.Granted)
	g.answer(s.T, "renew", 1)
	s.letAct()
}

// A host whose clock runs ahead asks for a lease that others still see held.
func clockRunsAhead(s *scene) {
	g := s.golang("go", nil)
	ahead := s.golang("ahead", []string{"LEASEHOLD_CLOCK_AHEAD=2s"}, "-skew", "2500ms")
	s.ask(g, "try", long)
	s.want(g.answer(s.T, "try", 1), history.Granted)
	s.ask(ahead, "acquire", long)
	s.want(ahead.answer(s.T, "acquire", 1), history.Granted)
	s.letAct()
}

// kazooAhead is less than the scene's MaxClockSkew of a second.
const kazooAhead = 900 * time.Millisecond

// A kazoo host whose clock runs ahead, by no more than is allowed for, asks
// until it is granted.
func kazooClockRunsAhead(s *scene) {
	k := s.kazoo("kazoo", s.hosts, nil, "--ahead", "0.9")
	g := s.golang("go", nil, "-skew", "1s")
	s.ask(g, "try", long)
	s.want(g.answer(s.T, "try", 1), history.Granted)
	s.ask(k, "insist", long)
	s.log.await(s.T, "grant to kazoo", func(e history.Event) bool {
		return e.Run == k.run && e.Outcome == history.Granted
	})
	s.letAct()
	time.Sleep(kazooAhead)
}

// The reply to a renewal is read long after the commit, if before the old end.
// Another acquires the lease as soon as it has ended.
func replyComesLate(s *scene) {
	g := s.golang("go", s.withPoints())
	other := s.golang("other", nil)
	s.ask(g, "try", long)
	s.want(g.answer(s.T, "try", 1), history.Granted)
	s.arm("renewed")
	s.ask(g, "renew", 0)
	s.awaitPoint("renewed")
	time.Sleep(long / 2)
	s.pass("renewed")
	s.want(g.answer(s.T, "renew", 1), history.Renewed)
	s.ask(other, "acquire", long)
	s.want(other.answer(s.T, "acquire", 1), history.Granted)
	s.letAct()
}
