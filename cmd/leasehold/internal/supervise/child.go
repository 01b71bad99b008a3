package supervise

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"leasehold.example/leasehold"
)

// A job is COMMAND, its process group and what else descends from it.
type job struct {
	*tree
	pid      int // and the group's
	terminal *terminal
	guards   *guards

	stopped  chan unix.Signal // COMMAND was stopped, by that signal
	resumed  chan struct{}    // leasehold got SIGCONT
	late     chan struct{}    // closed when the watchdog stops COMMAND
	tellLate func()
	ended    chan struct{} // closed when COMMAND has ended
	end      func(unix.WaitStatus)
	status   unix.WaitStatus // once it has
}

// A starting is what startJob needs to know.
type starting struct {
	executable string
	command    []string
	variables  map[string]string // added to the environment; empty ones are removed from it
	lock       *overlapLock
	killAfter  time.Duration
	remaining  func() time.Duration // of the lease
}

// startJob starts COMMAND below a watchdog.
func startJob(p *program, s starting) (*job, error) {
	env := slices.DeleteFunc(os.Environ(), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		_, ours := s.variables[name]
		return ours
	})
	for _, name := range slices.Sorted(maps.Keys(s.variables)) {
		if s.variables[name] != "" {
			env = append(env, name+"="+s.variables[name])
		}
	}
	if err := s.lock.bequeath(); err != nil {
		return nil, err
	}
	j := &job{
		terminal: openTerminal(p.stdin, p.stdout),
		stopped:  make(chan unix.Signal, 1),
		resumed:  make(chan struct{}, 1),
		late:     make(chan struct{}),
		ended:    make(chan struct{}),
	}
	j.tellLate = sync.OnceFunc(func() { close(j.late) }) // there may be a second watchdog
	var once sync.Once
	j.end = func(status unix.WaitStatus) {
		once.Do(func() {
			j.status = status
			close(j.ended)
		})
	}
	j.guards = &guards{program: p, env: env, killAfter: s.killAfter, remaining: s.remaining}
	first := order{Command: &command{Executable: []byte(s.executable), Foreground: j.terminal.wantedByJob}}
	for _, arg := range s.command {
		first.Command.Args = append(first.Command.Args, []byte(arg))
	}
	if j.terminal.wantedByJob {
		j.terminal.giving()
	}
	var err error
	if j.pid, err = j.guards.start(first, j.hear); err != nil {
		j.terminal.takeBack()
		return nil, startFailure(s.executable, err)
	}
	j.tree = newTree(j.pid, j.guards.roots)
	j.spare = j.guards.has
	s.lock.name(j.pid)
	go j.reap()
	return j, nil
}

// hear takes what the watchdog reports.
func (j *job) hear(r notice) {
	switch {
	case r.Stopped != 0:
		j.tell(r.Stopped)
	case r.Late:
		j.tellLate()
	case r.Ended:
		j.end(unix.WaitStatus(r.Status))
	}
}

// tell says that COMMAND was stopped.
func (j *job) tell(by unix.Signal) {
	select {
	case j.stopped <- by:
	default: // one is enough
	}
}

func startFailure(executable string, err error) error {
	var own *failure
	if errors.As(err, &own) || errors.Is(err, leasehold.ErrLost) {
		return err
	}
	var path *os.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.ENOMEM) { // fork's, and no fault of COMMAND
		return &failure{code: exitInternal, message: "start COMMAND: " + err.Error()}
	}
	return cannotExecute(executable, err)
}

// exitCode is what a shell makes of COMMAND's end.
func (j *job) exitCode() int {
	if j.status.Signaled() {
		return exitSignal + int(j.status.Signal())
	}
	return j.status.ExitStatus()
}

// forward passes on a signal that leasehold got.
func (j *job) forward(sig unix.Signal) {
	switch {
	case j.hasEnded(): // the pid may be another's by now
	case sig == unix.SIGCONT: // not without a look at the lease: see proceed
		select {
		case j.resumed <- struct{}{}:
		default:
		}
	default:
		j.signal(sig)
	}
}

func (j *job) hasEnded() bool {
	select {
	case <-j.ended:
		return true
	default:
		return false
	}
}

// errHeldUp is the ErrLost of a lease that leasehold was not there to renew.
var errHeldUp = fmt.Errorf("%w: not renewed in time: leasehold itself was stopped, or held up", leasehold.ErrLost)

// await returns nil when COMMAND has ended, and the cause when ctx ends first,
// or the watchdog found that it should have.
// It is COMMAND's shell meanwhile: it stops when COMMAND is stopped at the
// terminal, and both go on together.
func (j *job) await(ctx context.Context, remaining func() time.Duration) error {
	for {
		select {
		case <-j.late:
			return errHeldUp
		case <-j.ended:
			return nil
		case <-ctx.Done():
			if j.leader.hasEnded() { // by itself, and word of it is on its way
				select {
				case <-j.ended:
					return nil
				case <-time.After(killTime):
				}
			}
			return context.Cause(ctx)
		case sig := <-j.stopped:
			j.stopAlong(sig)
			j.proceed(remaining)
		case <-j.resumed:
			j.proceed(remaining)
		}
	}
}

// wasLate reports whether the watchdog has stopped COMMAND. That is not settled
// before the watchdog was dismissed: leasehold may see the end before the cause.
func (j *job) wasLate() bool {
	select {
	case <-j.late:
		return true
	default:
		return false
	}
}

// stopAlong stops leasehold if COMMAND was stopped at the terminal, until the
// shell continues it.
func (j *job) stopAlong(sig unix.Signal) {
	t := j.terminal
	wantsTerminal := sig == unix.SIGTTIN || sig == unix.SIGTTOU
	if wantsTerminal && (t.given || t.isOurs()) {
		return // it was stopped before it had the terminal, or is to get it now
	}
	t.takeBack()
	// Not SIGTSTP, which leasehold handles. Like it, SIGTTIN does not stop a
	// group that no shell could continue. Those who share ours, as in
	// "leasehold run … | tee", stop with us, as if COMMAND were one of us.
	select { // a SIGCONT from before is of no interest
	case <-j.resumed:
	default:
	}
	_ = unix.Kill(0, unix.SIGTTIN)
	select {
	case <-j.resumed:
	case <-time.After(200 * time.Millisecond): // nobody stopped us, or SIGCONT is on its way
	}
}

// proceed continues COMMAND, with the terminal if leasehold has it to give. If
// the lease ran out while all were stopped, COMMAND is not to run one
// instruction more: whoever awaits it kills it.
func (j *job) proceed(remaining func() time.Duration) {
	if remaining() <= 0 {
		return
	}
	if j.terminal.isOurs() {
		j.terminal.give(j.pid)
	}
	j.signal(unix.SIGCONT)
}

// giveTerminalBack makes leasehold's group the foreground group again, as the
// shell expects.
func (j *job) giveTerminalBack() { j.terminal.takeBack() }
