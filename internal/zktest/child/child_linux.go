package child

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// Tie has the kernel kill the child when the thread that starts it ends.
// [Start] does so itself, and keeps that thread.
func Tie(cmd *exec.Cmd) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	return nil
}

// Pause stops the child (SIGSTOP) until Resume: its connections stay open and
// nothing is answered. It returns once every thread of the child stands still.
func (p *Process) Pause() {
	p.signal(syscall.SIGSTOP)
	for !p.stopped() {
		select {
		case <-p.done:
			return
		case <-time.After(time.Millisecond):
		}
	}
}

// Resume lets the child run on (SIGCONT).
func (p *Process) Resume() { p.signal(syscall.SIGCONT) }

// stopped reports whether no thread of the child runs any more: kill returns
// before the last of many has noticed.
func (p *Process) stopped() bool {
	tasks := fmt.Sprintf("/proc/%d/task", p.Pid())
	entries, err := os.ReadDir(tasks)
	if err != nil {
		return true // it has ended
	}
	for _, e := range entries {
		stat, err := os.ReadFile(tasks + "/" + e.Name() + "/stat")
		if err != nil {
			continue // this thread has ended
		}
		// proc(5): the state follows the command's name, which is in brackets
		// and may itself hold brackets and spaces.
		state := bytes.TrimSpace(stat[bytes.LastIndexByte(stat, ')')+1:])
		if len(state) == 0 || !bytes.ContainsRune([]byte("TtZX"), rune(state[0])) {
			return false
		}
	}
	return true
}
