// Package child runs processes for tests so that none outlives the test
// binary, not even one that is killed.
package child

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// A Process is a running child. Its methods are safe for concurrent use.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // of Wait; read it after done
}

// Start starts cmd and waits for its end in the background. On Linux the
// kernel kills the child when this process ends, however that happens.
func Start(cmd *exec.Cmd) (*Process, error) {
	if err := Tie(cmd); err != nil {
		return nil, err
	}
	p := &Process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The kernel's signal is for the end of the thread that forked, and
		// the runtime may end any thread that no goroutine is locked to.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// Pid returns the child's process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Done returns a channel that is closed when the child has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err waits for the child's end and returns what exec.Cmd.Wait did.
func (p *Process) Err() error {
	<-p.done
	return p.err
}

// Kill ends the child at once, paused or not, and waits until it is gone.
func (p *Process) Kill() {
	p.signal(os.Kill)
	<-p.done
}

// signal panics where a signal to one's own child can fail for no reason but
// a mistake in the test.
func (p *Process) signal(s os.Signal) {
	err := p.cmd.Process.Signal(s)
	if err != nil && !errors.Is(err, os.ErrProcessDone) && !errors.Is(err, syscall.ESRCH) {
		panic(err)
	}
}
