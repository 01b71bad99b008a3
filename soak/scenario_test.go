package soak_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/kazoo"
	"leasehold.example/leasehold/soak/history"
	"leasehold.example/leasehold/soak/points"
	"leasehold.example/leasehold/soak/txnlog"
)

// A scenario is a course of events on a path of its own.
type scenario struct {
	*testing.T
	binary  string
	hosts   string
	dirs    []string // of the servers' logs
	points  string   // directory of the files that points.Stop waits for
	path    string
	lagging *laggingEnsemble
	skew    time.Duration
	log     *eventLog
}

// check runs the scenario and checks its history.
func (s *scenario) check(run func(*scenario)) []history.Violation {
	s.Helper()
	s.path = "/" + strings.NewReplacer("/", "-", "_", "-").Replace(s.Name())
	s.log = newEventLog()
	run(s)
	h := s.history()
	got := history.Check(h)
	if s.Failed() {
		logHistory(s.T, h.Events)
	}
	return got
}

func (s *scenario) history() history.History {
	s.Helper()
	logs := txnlog.NewCollector(s.dirs...)
	if err := logs.Poll(); err != nil {
		s.Fatal(err)
	}
	h := history.History{Events: s.log.all(), KazooSkew: s.skew}
	for _, c := range logs.Changes() {
		if strings.HasPrefix(c.Path, s.path+"/") {
			h.Changes = append(h.Changes, c)
		}
	}
	return h
}

// A command is a line of input for a holder without a plan.
type command struct {
	Op       string        `json:"op"`
	Path     string        `json:"path"`
	Duration time.Duration `json:"duration"`
	Within   time.Duration `json:"within"`
}

// tell has a holder without a plan do something with the scenario's lease. It
// doesn't wait.
func (s *scenario) tell(p *process, op string, d time.Duration) {
	s.Helper()
	line, err := json.Marshal(command{Op: op, Path: s.path, Duration: d, Within: waitLimit})
	if err != nil {
		s.Fatal(err)
	}
	if _, err := p.stdin.Write(append(line, '\n')); err != nil {
		s.Fatalf("tell %s: %v", p.run, err)
	}
}

// golang starts a holder of ours. It has a session once this returns, which a busy
// machine does not end. env is its own points or clock.
func (s *scenario) golang(name string, env []string, flags ...string) *process {
	s.Helper()
	cmd := exec.Command(s.binary, append([]string{"-run", name, "-holder", name, "-hosts", s.hosts, "-session", "30s"}, flags...)...)
	cmd.Env = append(os.Environ(), env...)
	return s.start(name, cmd)
}

// kazoo starts a holder of kazoo's at hosts.
func (s *scenario) kazoo(name, hosts string, env []string, flags ...string) *process {
	s.Helper()
	cmd := exec.Command(python(s.T), append([]string{"-I", kazooScript(s.T), "--run", name, "--holder", name, "--hosts", hosts, "--session", "30"}, flags...)...)
	cmd.Env = append(os.Environ(), env...)
	return s.start(name, cmd)
}

func (s *scenario) start(name string, cmd *exec.Cmd) *process {
	s.Helper()
	p := s.log.start(s.T, name, cmd)
	s.awaitSession(p, 1)
	return p
}

// awaitSession waits for the n-th session of a process.
func (s *scenario) awaitSession(p *process, n int) {
	s.Helper()
	s.log.await(s.T, "session of "+p.run, func(e history.Event) bool {
		if e.Run == p.run && e.Kind == history.Session {
			n--
		}
		return n == 0
	})
}

// sleepPastSession stops a process that has a lock node until this is gone
// along with its session, and another has the lease. It returns how many sessions
// the process had.
func (s *scenario) sleepPastSession(p, other *process) (sessions int) {
	s.Helper()
	p.proc.Pause()
	s.awaitNoLocks()
	s.tell(other, "try", long)
	s.want(other.result(s.T, "try", 1), history.Granted)
	for _, e := range s.log.all() {
		if e.Run == p.run && e.Kind == history.Session {
			sessions++
		}
	}
	p.proc.Resume()
	return sessions
}

// arm makes a process stop when it comes to the point. Its environment must be
// that of withPoints.
func (s *scenario) arm(point string) {
	s.Helper()
	if err := os.WriteFile(filepath.Join(s.points, point), nil, 0o600); err != nil {
		s.Fatal(err)
	}
}

func (s *scenario) withPoints() []string { return []string{"LEASEHOLD_POINTS=" + s.points} }

// withClocks gives a process clocks of its own.
func (s *scenario) withClocks(name string, c points.Clocks) []string {
	s.Helper()
	if err := c.Write(s.clocksFile(name)); err != nil {
		s.Fatal(err)
	}
	return []string{"LEASEHOLD_CLOCKS=" + s.clocksFile(name)}
}

func (s *scenario) clocksFile(name string) string { return filepath.Join(s.points, name+".clocks") }

func (s *scenario) awaitPoint(point string) {
	s.Helper()
	s.await("somebody at the point "+point, func() bool {
		_, err := os.Stat(filepath.Join(s.points, point+".reached"))
		return err == nil
	})
}

// pass lets it continue.
func (s *scenario) pass(point string) {
	s.Helper()
	if err := os.Remove(filepath.Join(s.points, point)); err != nil {
		s.Fatal(err)
	}
}

func (s *scenario) await(what string, done func() bool) {
	s.Helper()
	for deadline := time.Now().Add(waitLimit); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.Fatalf("no %s in %s", what, waitLimit)
		}
	}
}

// sleepUntilLeft returns when the lease that e grants has so much left, by the
// wall clock.
func (s *scenario) sleepUntilLeft(e history.Event, left time.Duration) {
	time.Sleep(time.Until(time.Unix(e.End, 0).Add(-left)))
}

// awaitLaterEnd returns when the end in a record of that duration would be later
// than the one in e, which has whole seconds.
func (s *scenario) awaitLaterEnd(e history.Event, d time.Duration) {
	s.sleepUntilLeft(e, d-time.Second)
}

// want fails the test unless the result is what the scenario needs.
func (s *scenario) want(e history.Event, outcome history.Outcome) history.Event {
	s.Helper()
	if e.Outcome != outcome {
		logHistory(s.T, s.log.all())
		s.Fatalf("got %s, want it %s", e, outcome)
	}
	return e
}

// awaitSamples returns when everybody who was granted a lease has read how long
// it may act on it.
func (s *scenario) awaitSamples() {
	s.Helper()
	s.await("sample of each lease that was granted", func() bool {
		type lease struct {
			run    string
			number int64
		}
		waiting := map[lease]bool{}
		for _, e := range s.log.all() {
			id := lease{e.Run, e.Lease}
			switch {
			case e.Kind == history.Result && e.Outcome == history.Granted:
				waiting[id] = true
			case e.Kind == history.Sample, e.Kind == history.Stop:
				delete(waiting, id)
			}
		}
		return len(waiting) == 0
	})
}

// awaitNextSample returns when p has read once more how long it may act.
func (s *scenario) awaitNextSample(p *process) {
	s.Helper()
	before := len(s.log.all())
	s.await("next sample of "+p.run, func() bool {
		return slices.ContainsFunc(s.log.all()[before:], func(e history.Event) bool {
			return e.Run == p.run && e.Kind == history.Sample
		})
	})
}

// expired leaves a record of kazoo's that has ended, whose version is 0 as
// that of all of kazoo's.
func (s *scenario) expired(k *process) {
	s.Helper()
	s.tell(k, "try", time.Second)
	s.sleepUntilLeft(s.want(k.result(s.T, "try", 1), history.Granted), 0)
}

// awaitNoLocks returns when there is no lock node below the path.
func (s *scenario) awaitNoLocks() {
	s.Helper()
	conn := zktest.Conn(s.T, s.hosts)
	defer conn.Close()
	s.await("end of the lock nodes", func() bool {
		names, _, err := conn.Children(s.path)
		if err != nil {
			s.Fatal(err)
		}
		return !slices.ContainsFunc(names, func(name string) bool {
			_, isLock := kazoo.LockSequence(name)
			return isLock
		})
	})
}

// awaitCaughtUp returns when the follower that can lag does not.
func (s *scenario) awaitCaughtUp() {
	s.Helper()
	conn := zktest.Conn(s.T, s.lagging.follower)
	if _, err := conn.Sync(s.path); err != nil {
		s.Fatal(err)
	}
	conn.Close()
}
