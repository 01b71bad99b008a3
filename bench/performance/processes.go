package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"leasehold.example/leasehold/bench/lab"
)

// notObtained is the exit code of a process whose lease another has.
const notObtained = 75

// build builds a command as "make build" does, in the folder of its module.
func (s *setting) build(ctx context.Context, module, pkg string) (string, error) {
	program := filepath.Join(s.dir, filepath.Base(pkg))
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", program, pkg)
	cmd.Dir, cmd.Env = module, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return program, nil
}

// measureProcesses measures whole processes, from their start to their end.
func measureProcesses(ctx context.Context, s *setting) error {
	command, err := s.build(ctx, "..", "./cmd/leasehold")
	if err != nil {
		return err
	}
	connect, err := s.build(ctx, ".", "./connect")
	if err != nil {
		return err
	}
	conn, err := s.openBare()
	if err != nil {
		return err
	}
	if err := conn.hold(heldPath); err != nil {
		return err
	}
	addr := s.zookeeper.Addr
	process := func(peer, work string, exit int, command func(round int) ([]string, error)) step {
		return step{peer: peer, works: []string{work}, do: func(round int) ([]time.Duration, error) {
			c, err := command(round)
			if err != nil {
				return nil, err
			}
			return timed(func() error { return runProcess(exit, c) })
		}}
	}
	always := func(command ...string) func(int) ([]string, error) {
		return func(int) ([]string, error) { return command, nil }
	}
	lease := func(path string) []string {
		return []string{command, "acquire", "-q", "--store", "zk://" + addr, "-d", "1h", "--holder", "process", path}
	}
	granted := func(of string, round int) string { return fmt.Sprintf("/bench/process/%s-%d", of, round) }
	return interleave(ctx, &s.Run, s.servers, 2, s.size.processes, s.size.limit/3, []step{
		process(bare, processConnect, 0, always(connect, addr)),
		process(ours, processStart, 0, always(command, "version")),
		process(ours, processDenied, notObtained, always(lease(heldPath)...)),
		process(ours, processGranted, 0, func(round int) ([]string, error) { return lease(granted("leasehold", round)), nil }),
		process(kazoo, processDenied, notObtained, func(int) ([]string, error) { return lab.KazooOnce(addr, heldPath, "process") }),
		process(kazoo, processGranted, 0, func(round int) ([]string, error) {
			return lab.KazooOnce(addr, granted("kazoo", round), "process")
		}),
		process(etcd, processGranted, 0, always("etcdctl", "--endpoints", s.etcd.URL, "lock", "process", "true")),
	})
}

// runProcess runs a process that must exit with the given code.
func runProcess(exit int, command []string) error {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "ETCDCTL_API=3")
	var errText strings.Builder
	cmd.Stderr = &errText
	err := cmd.Run()
	if cmd.ProcessState == nil {
		return err
	}
	if got := cmd.ProcessState.ExitCode(); got != exit {
		return fmt.Errorf("%v: got exit code %d, want %d: %s", command, got, exit, errText.String())
	}
	return nil
}
