//go:build !linux

package child

import (
	"errors"
	"os/exec"
)

// Tie has the kernel kill the child when the thread that starts it ends.
// [Start] does so itself, and keeps that thread.
func Tie(*exec.Cmd) error {
	return errors.New("tests that start processes need Linux")
}

// Pause stops the child until Resume.
func (p *Process) Pause() { panic("not on this system") }

// Resume lets the child run on.
func (p *Process) Resume() { panic("not on this system") }
