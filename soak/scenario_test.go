package soak_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/kazoo"
	"leasehold.example/leasehold/soak/history"
	"leasehold.example/leasehold/soak/txnlog"
)

// A scene is one course of events on a path of its own.
type scene struct {
	*testing.T
	binary string
	hosts  string
	dirs   []string // of the servers' logs
	points string   // directory that the points look into
	path   string
	lag    *lagging
	skew   time.Duration
	log    *chronicle
}

// run plays the scene and checks its history.
func (s *scene) run(play func(*scene)) []history.Violation {
	s.Helper()
	s.path = "/" + strings.ReplaceAll(s.Name(), "/", "-")
	s.path = strings.ReplaceAll(s.path, "_", "-")
	s.log = newChronicle()
	play(s)
	h := s.history()
	got := history.Check(h)
	if s.Failed() {
		logHistory(s.T, h.Events)
	}
	return got
}

func (s *scene) history() history.History {
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

// command is what a holder without a plan is told.
type command struct {
	Op       string        `json:"op"`
	Path     string        `json:"path"`
	Duration time.Duration `json:"duration"`
	Within   time.Duration `json:"within"`
}

// ask tells a holder to do something about the scene's lease.
func (s *scene) ask(p *process, op string, d time.Duration) {
	s.Helper()
	p.tell(s.T, command{Op: op, Path: s.path, Duration: d, Within: 20 * time.Second})
}

// golang starts a holder of ours. It has a session once this returns. env is
// its own points or clock.
func (s *scene) golang(name string, env []string, flags ...string) *process {
	s.Helper()
	cmd := exec.Command(s.binary, append([]string{"-run", name, "-holder", name, "-hosts", s.hosts}, flags...)...)
	cmd.Env = append(os.Environ(), env...)
	return s.begin(name, cmd)
}

// kazoo starts a holder of kazoo's at hosts.
func (s *scene) kazoo(name, hosts string, env []string, flags ...string) *process {
	s.Helper()
	cmd := exec.Command(python, append([]string{"-I", kazooScript(s.T), "--run", name, "--holder", name, "--hosts", hosts}, flags...)...)
	cmd.Env = append(os.Environ(), env...)
	return s.begin(name, cmd)
}

func (s *scene) begin(name string, cmd *exec.Cmd) *process {
	s.Helper()
	p := s.log.start(s.T, name, cmd)
	s.awaitSession(p, 1)
	return p
}

// awaitSession waits for the n-th session of a process.
func (s *scene) awaitSession(p *process, n int) {
	s.Helper()
	s.log.await(s.T, "session of "+p.run, func(e history.Event) bool {
		if e.Run == p.run && e.Kind == history.Session {
			n--
		}
		return n == 0
	})
}

// sleepPastSession stops a process that has a lock node until this is gone
// along with its session, has meanwhile something happen, and returns when the
// process has its next session.
func (s *scene) sleepPastSession(p *process, meanwhile func()) {
	s.Helper()
	p.proc.Pause()
	s.awaitLocks(0)
	meanwhile()
	sessions := 0
	for _, e := range s.log.all() {
		if e.Run == p.run && e.Kind == history.Session {
			sessions++
		}
	}
	p.proc.Resume()
	s.awaitSession(p, sessions+1)
}

// arm makes the next process that comes to the point stop there. Its
// environment must be that of withPoints.
func (s *scene) arm(point string) {
	s.Helper()
	if err := os.WriteFile(filepath.Join(s.points, point), nil, 0o600); err != nil {
		s.Fatal(err)
	}
}

func (s *scene) withPoints() []string { return []string{"LEASEHOLD_POINTS=" + s.points} }

func (s *scene) awaitPoint(point string) {
	s.Helper()
	s.until("somebody at the point "+point, func() bool {
		_, err := os.Stat(filepath.Join(s.points, point+".reached"))
		return err == nil
	})
}

// pass lets it go on.
func (s *scene) pass(point string) {
	s.Helper()
	if err := os.Remove(filepath.Join(s.points, point)); err != nil {
		s.Fatal(err)
	}
}

func (s *scene) until(what string, done func() bool) {
	s.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.Fatalf("no %s in %s", what, patience)
		}
	}
}

// untilEnd returns when the lease that e grants has ended, by the wall clock.
func (s *scene) untilEnd(e history.Event) { time.Sleep(time.Until(time.Unix(e.End, 0))) }

// want fails the test unless the answer is as the scene needs it.
func (s *scene) want(e history.Event, outcome history.Outcome) history.Event {
	s.Helper()
	if e.Outcome != outcome {
		logHistory(s.T, s.log.all())
		s.Fatalf("got %s, want it %s", e, outcome)
	}
	return e
}

// letAct returns when everybody who was granted a lease has looked at it, and so
// begun to act.
func (s *scene) letAct() {
	s.Helper()
	s.until("look at each lease that was granted", func() bool {
		type lease struct {
			run    string
			number int64
		}
		idle := map[lease]bool{}
		for _, e := range s.log.all() {
			id := lease{e.Run, e.Lease}
			switch {
			case e.Kind == history.Answer && e.Outcome == history.Granted:
				idle[id] = true
			case e.Kind == history.Look, e.Kind == history.Stop:
				delete(idle, id)
			}
		}
		return len(idle) == 0
	})
}

// expired leaves a record of kazoo's that has ended, whose version is 0 as
// that of all of kazoo's.
func (s *scene) expired(k *process) {
	s.Helper()
	s.ask(k, "try", time.Second)
	s.untilEnd(s.want(k.answer(s.T, "try", 1), history.Granted))
}

// awaitLocks returns when that many lock nodes are below the path.
func (s *scene) awaitLocks(want int) {
	s.Helper()
	conn := zktest.Conn(s.T, s.hosts)
	defer conn.Close()
	s.until("change of the locks", func() bool {
		names, _, err := conn.Children(s.path)
		if err != nil {
			s.Fatal(err)
		}
		locks := 0
		for _, name := range names {
			if _, isLock := kazoo.LockSequence(name); isLock {
				locks++
			}
		}
		return locks == want
	})
}

// awaitCaughtUp returns when the follower that can lag does not.
func (s *scene) awaitCaughtUp() {
	s.Helper()
	conn := zktest.Conn(s.T, s.lag.follower)
	if _, err := conn.Sync(s.path); err != nil {
		s.Fatal(err)
	}
	conn.Close()
}
