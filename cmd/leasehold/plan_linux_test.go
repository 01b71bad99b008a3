package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// Zones are known where there is no database of them: in a root directory that has
// nothing but the program.
func TestZonesWithoutDatabase(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	build := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(root, "leasehold"), ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	cmd := &exec.Cmd{
		Path: "/leasehold", Dir: "/", Env: []string{"LEASEHOLD_TIMEZONE=America/Santiago"},
		Args:        []string{"leasehold", "plan", "--schedule", "@daily", "--from", "2026-09-05T12:00:00Z", "--count", "1", "--json"},
		SysProcAttr: &syscall.SysProcAttr{Chroot: root},
	}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	const want = `{"ticks":["2026-09-06T04:00:00Z"],`
	if err != nil || len(out) < len(want) || string(out[:len(want)]) != want {
		t.Errorf("got %s, %v, want %s", out, err, want)
	}
}
