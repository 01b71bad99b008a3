package supervise

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"leasehold.example/leasehold"
)

// A guard is a watchdog, as leasehold sees it.
type guard struct {
	pid    int
	told   term          // the last one that it was told
	heard  chan struct{} // closed when nothing more comes from it
	exited chan struct{} // closed when it has
	status unix.WaitStatus

	mu     sync.Mutex // guards what is below
	orders *os.File
}

// send tells the watchdog. One that has ended is not missed here: see reap.
func (g *guard) send(o order) {
	g.mu.Lock()
	defer g.mu.Unlock()
	_ = json.NewEncoder(g.orders).Encode(o)
}

// guards are the watchdog that COMMAND was started by and, should that be
// killed, those that came after it.
type guards struct {
	program   *program
	env       []string
	killAfter time.Duration
	remaining func() time.Duration

	mu        sync.Mutex // guards what is below
	all       []*guard
	dismissed bool
}

// start starts a watchdog, which gets the first order and from then on hands
// its reports to hear. It returns COMMAND's pid.
func (g *guards) start(first order, hear func(notice)) (pid int, err error) {
	t := readTerm(g.remaining)
	first.Term, first.KillAfter = &t, g.killAfter
	before := children() // not COMMAND's: as PID 1, say, or after a shell's exec
	w, reports, err := g.execute(t)
	if err != nil {
		return 0, &failure{code: exitInternal, message: "start the watchdog: " + err.Error()}
	}
	d := json.NewDecoder(reports)
	r, err := w.answer(first, d, reports)
	if err != nil {
		// First of all: without orders it would stop a COMMAND that it guards.
		if !w.hasExited() {
			_ = unix.Kill(w.pid, unix.SIGKILL)
		}
		close(w.heard)
		reports.Close()
		w.orders.Close()
		if first.Command != nil { // reap is not at work yet
			_, _ = unix.Wait4(w.pid, nil, 0, nil)
			if err == errNoAnswer {
				killChildren(before) // it may have got as far as starting COMMAND
			}
		}
		return 0, err
	}
	go func() {
		defer close(w.heard)
		defer reports.Close()
		for {
			var r notice
			if d.Decode(&r) != nil {
				return
			}
			hear(r)
		}
	}()
	return r.Started, nil
}

// answer gives the watchdog its first order, and returns what it says to that.
// One that is stopped, or hangs in exec, is waited for until the lease is over.
func (g *guard) answer(first order, from *json.Decoder, reports *os.File) (r notice, err error) {
	over := time.Now().Add(first.Term.Remaining + killTime) // it may have to tell that it is too late
	_ = g.orders.SetWriteDeadline(over)
	_ = reports.SetReadDeadline(over)
	g.send(first)
	switch {
	case from.Decode(&r) != nil:
		return r, errNoAnswer
	case r.Late:
		return r, errTooLate
	}
	_ = g.orders.SetWriteDeadline(time.Time{})
	_ = reports.SetReadDeadline(time.Time{})
	return r, r.failure(string(first.executable()))
}

// errNoAnswer means that a watchdog has ended as soon as it was started, or
// hangs.
var errNoAnswer = &failure{code: exitInternal, message: "start COMMAND: the watchdog ended, or hung, before it told of COMMAND"}

// errTooLate means that a watchdog has not started COMMAND any more.
var errTooLate = fmt.Errorf("%w: it was over before COMMAND could begin", leasehold.ErrLost)

func (o order) executable() []byte {
	if o.Command == nil {
		return nil
	}
	return o.Command.Executable
}

// execute executes leasehold again, as a watchdog. All that COMMAND is to
// inherit the watchdog inherits under the same number, so its own pipes have
// to have numbers that are free.
func (g *guards) execute(t term) (w *guard, reports *os.File, err error) {
	self, err := executable()
	if err != nil {
		return nil, nil, err
	}
	its, orders, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer its.Close()
	reports, itsReports, err := os.Pipe()
	if err != nil {
		orders.Close()
		return nil, nil, err
	}
	defer itsReports.Close()
	w = &guard{told: t, orders: orders, heard: make(chan struct{}), exited: make(chan struct{})}
	args := []string{watchdogName}
	for _, f := range []*os.File{its, itsReports} {
		fd := f.Fd()
		args = append(args, strconv.Itoa(int(fd)))
		if _, err = unix.FcntlInt(fd, unix.F_SETFD, 0); err != nil {
			break
		}
	}
	if err == nil {
		err = g.fork(w, self, args)
	}
	if err != nil {
		orders.Close()
		reports.Close()
		return nil, nil, err
	}
	return w, reports, nil
}

// fork keeps reap from hearing of a watchdog that is not known yet.
func (g *guards) fork(w *guard, self string, args []string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.dismissed {
		return errors.New("not needed any more")
	}
	p := g.program
	child, err := os.StartProcess(self, args, &os.ProcAttr{
		Env:   g.env,
		Files: []*os.File{p.stdin, p.stdout, p.stderr},
		Sys:   &unix.SysProcAttr{Setpgid: true}, // what is typed at a terminal is not for it
	})
	if err != nil {
		return err
	}
	w.pid = child.Pid
	_ = child.Release() // waiting for it is ours
	g.all = append(g.all, w)
	return nil
}

// replace starts a watchdog for a COMMAND that has lost its own, and became
// leasehold's child. The new one has to look at times which orphans there are:
// those of the last second it will miss once leasehold is killed.
func (g *guards) replace(pid int, hear func(notice)) {
	time.Sleep(replaceDelay)
	g.mu.Lock()
	dismissed := g.dismissed
	g.mu.Unlock()
	if dismissed {
		return
	}
	what := "another takes its place"
	if _, err := g.start(order{Guard: pid, Leasehold: os.Getpid()}, hear); err != nil {
		what = "COMMAND goes on without one: " + err.Error()
	}
	g.program.say("warning: the watchdog has ended; %s", what)
}

// replaceDelay is for whoever keeps on killing them.
const replaceDelay = 100 * time.Millisecond

func (g *guards) current() *guard {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.all[len(g.all)-1]
}

// find returns the watchdog with that pid, nil if there is none.
func (g *guards) find(pid int) *guard {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, w := range g.all {
		if w.pid == pid && !w.hasExited() {
			return w
		}
	}
	return nil
}

func (g *guards) has(pid int) bool { return g.find(pid) != nil }

// roots are the parents of COMMAND, or of its orphans.
func (g *guards) roots() []int {
	g.mu.Lock()
	defer g.mu.Unlock()
	if first := g.all[0]; !first.hasExited() {
		return []int{first.pid}
	}
	return []int{os.Getpid()}
}

func (g *guard) hasExited() bool {
	select {
	case <-g.exited:
		return true
	default:
		return false
	}
}

// lost notes the end of a watchdog.
func (g *guards) lost(w *guard, status unix.WaitStatus) {
	g.mu.Lock()
	defer g.mu.Unlock()
	w.status = status
	close(w.exited)
}

// keepPosted tells the watchdog of every change of the lease, until the
// returned function is called. It looks for them at an interval that is short
// beside the time that a renewal has.
func (g *guards) keepPosted(duration time.Duration) (stop func()) {
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(min(time.Second, max(pollGroup, duration/50)))
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			w, t := g.current(), readTerm(g.remaining)
			// A lease that is lost has no end to tell of: leasehold stops COMMAND
			// itself, and knows why.
			if t.Remaining > 0 && (t.end()-w.told.end()).Abs() > time.Millisecond {
				w.told = t
				w.send(order{Term: &t})
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

// stopping tells the watchdog that COMMAND gets SIGTERM from leasehold.
func (g *guards) stopping() { g.current().send(order{Stopping: true}) }

// dismiss ends the watchdog, if sweep is set only after it has killed all that
// is left of COMMAND. It reports whether nothing is, for all that the watchdog
// knows.
func (g *guards) dismiss(sweep bool) (gone bool) {
	g.mu.Lock()
	g.dismissed = true
	g.mu.Unlock()
	w := g.current()
	w.send(order{Farewell: true, Sweep: sweep})
	select {
	case <-w.exited:
	case <-time.After(killTime + time.Second):
		_ = unix.Kill(w.pid, unix.SIGKILL)
		<-w.exited
	}
	select {
	case <-w.heard:
	case <-time.After(time.Second):
	}
	return w.status.ExitStatus() == 0 || w.status.Signaled()
}
