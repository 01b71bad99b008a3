package supervise

import (
	"context"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A Command is what to start, and by when it must have ended.
type Command struct {
	Path string   // its file
	Args []string // with its name
	Env  []string

	// The command gets these, and every descriptor of this process that is not
	// closed on exec, under the same numbers.
	Stdin, Stdout, Stderr *os.File

	// Keep are those of these descriptors that the watchdog keeps open, too, until
	// it ends.
	Keep []int

	// Remaining returns the time left until the deadline, which may move. The
	// command and all that it started end before that.
	Remaining func() time.Duration

	KillAfter time.Duration // from SIGTERM to SIGKILL

	// Warn is called with what people should know: one line.
	Warn func(format string, args ...any)
}

// A Child is a command that was started, its process group and all else that
// descends from it.
type Child struct {
	command       Command
	pid           int // and the group's
	tree          *processTree
	terminal      *terminal
	watchdogs     *watchdogs
	stopDeadlines func()

	twice     twice
	stopped   chan unix.Signal // the command was stopped, by that signal
	continued chan struct{}    // this process got SIGCONT
	forRest   chan unix.Signal // signals after the command's end

	late     chan struct{} // closed when the watchdog stops the command
	markLate func()

	ended   chan struct{} // closed when the command has ended
	status  unix.WaitStatus
	endOnce sync.Once
}

// Start starts the command below a watchdog. It returns ErrLate if the deadline
// has come by then, and an *ExecError if the command's file can't be executed.
func Start(command Command) (*Child, error) {
	adoptOrphans()
	c := &Child{
		command:   command,
		terminal:  openTerminal(command.Stdin, command.Stdout),
		stopped:   make(chan unix.Signal, 1),
		continued: make(chan struct{}, 1),
		forRest:   make(chan unix.Signal, 16),
		late:      make(chan struct{}),
		ended:     make(chan struct{}),
	}
	c.markLate = sync.OnceFunc(func() { close(c.late) }) // a second watchdog may report it again
	c.watchdogs = &watchdogs{command: command, handle: c.handleReport, warn: command.Warn}
	start := &startInstruction{Path: []byte(command.Path), Foreground: c.terminal.wantedByChild}
	for _, arg := range command.Args {
		start.Args = append(start.Args, []byte(arg))
	}
	if c.terminal.wantedByChild {
		c.terminal.setGiven()
	}
	// Short beside the time that a renewal of the deadline takes to be due.
	interval := min(time.Second, max(pollInterval, command.Remaining()/50))
	var err error
	if c.pid, err = c.watchdogs.start(instruction{Start: start}); err != nil {
		c.terminal.restore()
		return nil, err
	}
	c.tree = newProcessTree(c.pid, c.watchdogs.roots)
	c.tree.ignore = c.watchdogs.has
	c.stopDeadlines = c.watchdogs.sendDeadlines(interval)
	go c.reap()
	return c, nil
}

// Pid returns the command's process id, which is also its process group's.
func (c *Child) Pid() int { return c.pid }

func (c *Child) handleReport(r report) {
	switch {
	case r.Stopped != 0:
		c.noteStopped(r.Stopped)
	case r.Late:
		c.markLate()
	case r.Signal != 0:
		c.noteSignal(r.Signal, true)
	case r.Ended:
		c.setEnded(unix.WaitStatus(r.Status))
	}
}

func (c *Child) noteStopped(by unix.Signal) {
	select {
	case c.stopped <- by:
	default: // one is enough
	}
}

func (c *Child) setEnded(status unix.WaitStatus) {
	c.endOnce.Do(func() {
		c.status = status
		close(c.ended)
	})
}

func (c *Child) hasEnded() bool { return isClosed(c.ended) }

// ExitCode returns the command's exit code, or 128+signal, as a shell does. The
// command must have ended.
func (c *Child) ExitCode() int {
	if c.status.Signaled() {
		return 128 + int(c.status.Signal())
	}
	return c.status.ExitStatus()
}

// EndSignal returns the signal that ended the command, 0 if none did. The command
// must have ended.
func (c *Child) EndSignal() unix.Signal {
	if c.status.Signaled() {
		return c.status.Signal()
	}
	return 0
}

// Signal forwards a signal that this process got.
func (c *Child) Signal(sig unix.Signal) {
	c.noteSignal(sig, false)
	switch {
	case c.hasEnded(): // the pid may be another's by now
		select {
		case c.forRest <- sig:
		default:
		}
	case sig == unix.SIGCONT: // not before a look at the deadline: see resume
		select {
		case c.continued <- struct{}{}:
		default:
		}
	default:
		c.tree.signalGroup(sig)
	}
}

// Wait returns nil when the command has ended, the cause when ctx ends first, and
// ErrLate if the watchdog stops the command.
//
// Meanwhile it does what a shell does: this process stops when the command is
// stopped at the terminal, and both are continued together.
func (c *Child) Wait(ctx context.Context) error {
	for {
		select {
		case <-c.late:
			return ErrLate
		case <-c.ended:
			return nil
		case <-ctx.Done():
			if c.tree.leader.hasEnded() { // by itself, and the report of it is on its way
				select {
				case <-c.ended:
					return nil
				case <-time.After(killTime):
				}
			}
			return context.Cause(ctx)
		case sig := <-c.stopped:
			c.stopWithChild(sig)
			c.resume()
		case <-c.continued:
			c.resume()
		}
	}
}

// Rest returns the processes that a command that has ended left behind, as far as
// they don't end at once. Only Linux can tell which: elsewhere that is the group,
// by its number.
func (c *Child) Rest() []int {
	for begun := time.Now(); ; time.Sleep(pollInterval) {
		if c.tree.hasNoRest() {
			return nil
		}
		rest := c.tree.pids()
		if len(rest) == 0 || time.Since(begun) > restTime {
			return rest
		}
	}
}

// restTime is how long what ends with the command may take for that, as the first
// part of a pipe when the last has ended.
const restTime = 100 * time.Millisecond

// WaitForRest is [Child.Wait] for what a command that has ended left behind.
// Signals that this process gets are forwarded to all of it.
func (c *Child) WaitForRest(ctx context.Context) error {
	for begun := time.Now(); ; {
		if c.tree.isGone() {
			break
		}
		if !c.tree.groupLives() {
			c.terminal.restore() // so that what is typed reaches this process
		}
		select {
		case <-c.late:
			return ErrLate
		case <-ctx.Done():
			return context.Cause(ctx)
		case sig := <-c.forRest:
			c.tree.signal(sig)
		// A scan takes milliseconds, and a daemon may run for days.
		case <-time.After(min(time.Second, max(pollInterval, time.Since(begun)/10))):
		}
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case c.command.Remaining() <= 0: // this process was held up, and the watchdog may have stopped them
		return ErrLate
	}
	return nil
}

// Stop stops the command and all that it started: SIGTERM, and SIGKILL after
// KillAfter or when no time remains. It ends the watchdog, and reports whether
// all processes are gone. No other method but ExitCode and IsLate may be called
// then.
func (c *Child) Stop() (gone bool) {
	c.watchdogs.stopping()
	gone = c.tree.stop(c.command.KillAfter, c.command.Remaining)
	return c.finish(true) && gone
}

// Detach ends the watchdog of a command that has ended, and leaves alone what it
// left behind. It reports false only if IsLate, when all had to be killed and
// could not be.
func (c *Child) Detach() (gone bool) { return c.finish(false) }

func (c *Child) finish(killRest bool) (gone bool) {
	defer c.terminal.restore()
	c.stopDeadlines()
	gone = c.watchdogs.dismiss(killRest)
	if c.IsLate() {
		gone = c.tree.stop(0, c.command.Remaining)
	}
	return gone
}

// IsLate reports whether the watchdog has stopped the command. It is certain
// once Stop or Detach has returned: until then this process may have seen the
// command's end and not its cause.
func (c *Child) IsLate() bool { return isClosed(c.late) }

// stopWithChild stops this process if the command was stopped at the terminal,
// until the shell continues it.
func (c *Child) stopWithChild(sig unix.Signal) {
	t := c.terminal
	wantsTerminal := sig == unix.SIGTTIN || sig == unix.SIGTTOU
	if wantsTerminal && (t.given || t.isOurs()) {
		return // it was stopped before it had the terminal, or is to get it now
	}
	t.restore()
	// Not SIGTSTP, which is caught. Like it, SIGTTIN does not stop a group that no
	// shell could continue. Processes that share our group, as in
	// "leasehold run … | tee", stop with us, as if the command were in it.
	select { // drop a SIGCONT from before
	case <-c.continued:
	default:
	}
	_ = unix.Kill(0, unix.SIGTTIN)
	select {
	case <-c.continued:
	case <-time.After(200 * time.Millisecond): // nobody stopped us, or SIGCONT is on its way
	}
}

// resume continues the command, in the foreground if this process is there. If
// no time remains, the command must not run one instruction more: whoever waits
// for it kills it.
func (c *Child) resume() {
	if c.command.Remaining() <= 0 {
		return
	}
	if c.terminal.isOurs() {
		c.terminal.give(c.pid)
	}
	c.tree.signalGroup(unix.SIGCONT)
}
