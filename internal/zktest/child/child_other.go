//go:build !linux

package child

import (
	"errors"
	"os/exec"
)

func tieToParent(*exec.Cmd) error {
	return errors.New("tests that start processes need Linux")
}

// Pause stops the child until Resume.
func (p *Process) Pause() { panic("not on this system") }

// Resume lets the child run on.
func (p *Process) Resume() { panic("not on this system") }
