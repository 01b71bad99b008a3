package main

import (
	"context"
	"errors"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A job is COMMAND and the process group that it leads.
type job struct {
	pid      int // and the group's
	terminal *terminal

	stopped chan unix.Signal // COMMAND was stopped, by that signal
	resumed chan struct{}    // leasehold got SIGCONT
	ended   chan struct{}    // closed when COMMAND has ended
	status  unix.WaitStatus  // once it has
}

// startJob starts COMMAND with the variables added to the environment; empty
// ones are removed from it.
func startJob(p *program, executable string, command []string, variables map[string]string, lock *overlapLock) (*job, error) {
	env := slices.DeleteFunc(os.Environ(), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		_, ours := variables[name]
		return ours
	})
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		if variables[name] != "" {
			env = append(env, name+"="+variables[name])
		}
	}
	if err := lock.bequeath(); err != nil {
		return nil, err
	}
	j := &job{
		terminal: openTerminal(p.stdin, p.stdout),
		stopped:  make(chan unix.Signal, 1),
		resumed:  make(chan struct{}, 1),
		ended:    make(chan struct{}),
	}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // see attributes
		child, err := os.StartProcess(executable, command, &os.ProcAttr{
			Env:   env,
			Files: []*os.File{p.stdin, p.stdout, p.stderr},
			Sys:   attributes(),
		})
		if err != nil {
			started <- err
			return
		}
		j.pid = child.Pid
		_ = child.Release() // waiting for it is ours
		started <- nil
		j.reap()
	}()
	if err := <-started; err != nil {
		return nil, startFailure(executable, err)
	}
	lock.name(j.pid)
	if j.terminal.wantedByJob {
		j.terminal.give(j.pid)
	}
	return j, nil
}

func startFailure(executable string, err error) error {
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

// signal sends sig to the whole group. There is nobody to tell if that fails:
// the group has ended, or changed its user.
func (j *job) signal(sig unix.Signal) { _ = unix.Kill(-j.pid, sig) }

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

// await returns nil when COMMAND has ended, and the cause when ctx ends first.
// It is COMMAND's shell meanwhile: it stops when COMMAND is stopped at the
// terminal, and both go on together.
func (j *job) await(ctx context.Context, remaining func() time.Duration) error {
	for {
		select {
		case <-j.ended:
			return nil
		case <-ctx.Done():
			if j.hasEnded() {
				return nil
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

const (
	// killMargin is how long before the lease is over SIGKILL is sent.
	killMargin = 50 * time.Millisecond

	// killTime is how long SIGKILL may take to be obeyed.
	killTime = 2 * time.Second

	pollGroup = 10 * time.Millisecond // nothing tells of the end of a process that is not our child
)

// stop stops the whole group: by SIGTERM, and by SIGKILL once patience or the
// remaining time is over. It reports whether all of the group is gone.
func (j *job) stop(patience time.Duration, remaining func() time.Duration) (gone bool) {
	if j.isGone() {
		return true
	}
	sent := time.Now()
	if remaining() > killMargin && patience > 0 {
		j.signal(unix.SIGTERM)
		j.signal(unix.SIGCONT)
		for time.Since(sent) < patience && remaining() > killMargin {
			if j.isGone() {
				return true
			}
			time.Sleep(pollGroup)
		}
	}
	j.signal(unix.SIGKILL)
	for killed := time.Now(); time.Since(killed) < killTime; time.Sleep(pollGroup) {
		if j.isGone() {
			return true
		}
	}
	return false
}

// isGone reports whether COMMAND has ended, and all of its group.
func (j *job) isGone() bool { return j.hasEnded() && !groupLives(j.pid) }

// giveTerminalBack makes leasehold's group the foreground group again, as the
// shell expects.
func (j *job) giveTerminalBack() { j.terminal.takeBack() }
