package main

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// resolve finds the file of COMMAND as a shell would: 127 if there is none,
// 126 if there is one that can't be executed.
func resolve(command []string) (string, error) {
	name := command[0]
	path, err := exec.LookPath(name)
	if err == nil || errors.Is(err, exec.ErrDot) { // "." in PATH is the user's own choice
		return path, nil
	}
	if !strings.Contains(name, "/") && name != "" {
		for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
			if fi, statErr := os.Stat(filepath.Join(dir, name)); statErr == nil && !fi.IsDir() {
				return "", cannotExecute(filepath.Join(dir, name), fs.ErrPermission)
			}
		}
	}
	f := cannotExecute(name, err)
	if f.code == exitNotFound && len(command) == 1 && strings.ContainsAny(name, " \t\n|&;<>") {
		f.hint = "COMMAND is a program and its arguments; for a line of the shell: -- sh -c '…'"
	}
	return "", f
}

// cannotExecute is the failure to execute a COMMAND because of err.
func cannotExecute(name string, err error) *failure {
	f := &failure{code: exitCannotExecute}
	var errno syscall.Errno
	reason := err.Error()
	switch {
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		f.code, reason = exitNotFound, "not found"
	case errors.Is(err, syscall.ENOEXEC):
		reason, f.hint = "not a program", "a script needs a first line like #!/bin/sh"
	case errors.Is(err, fs.ErrPermission):
		reason, f.hint = "permission denied", "chmod +x, if it is a program"
	case errors.As(err, &errno):
		reason = errno.Error()
	}
	f.message = "can't execute " + quoteAll([]string{name})[0] + ": " + reason
	return f
}
