//go:build !linux

package main

import "golang.org/x/sys/unix"

// attributes put COMMAND in a process group of its own.
func attributes() *unix.SysProcAttr { return &unix.SysProcAttr{Setpgid: true} }

// groupLives reports whether there is a process in the group.
func groupLives(group int) bool { return unix.Kill(-group, 0) != unix.ESRCH }
