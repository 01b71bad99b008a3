package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"leasehold.example/leasehold/bench/ensemble"
	"leasehold.example/leasehold/bench/peer"
	"leasehold.example/leasehold/bench/result"
	"leasehold.example/leasehold/internal/zktest/child"
)

// notObtained is the exit code of a process whose lease another has.
const notObtained = 75

// build builds a command into dir as "make build" does; module is the folder of
// its module.
func build(ctx context.Context, dir, module, pkg string) (string, error) {
	program := filepath.Join(dir, filepath.Base(pkg))
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", program, pkg)
	cmd.Dir, cmd.Env = module, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return program, nil
}

// measureProcesses measures whole processes, from their start to their end.
func measureProcesses(ctx context.Context, b *bench, s *setting) error {
	command, err := build(ctx, s.dir, "..", "./cmd/leasehold")
	if err != nil {
		return err
	}
	connect, err := build(ctx, s.dir, ".", "./cmd/connect")
	if err != nil {
		return err
	}
	script, err := peer.WriteKazooOnce(s.dir)
	if err != nil {
		return err
	}
	bare, err := peer.OpenBare(s.zookeeper.Addr())
	if err != nil {
		return err
	}
	defer bare.Conn.Close()
	if err := bare.Hold(heldPath); err != nil {
		return err
	}
	addr := s.zookeeper.Addr()
	process := func(p, work string, exit int, command func(round int) []string) step {
		return step{peer: p, works: []string{work}, do: func(round int) ([]time.Duration, error) {
			return one(timeProcess(exit, command(round)))
		}}
	}
	lease := func(path string) []string {
		return []string{command, "acquire", "-q", "--store", "zk://" + addr, "-d", "1h", "--holder", "process", path}
	}
	kazoo := func(path string) []string { return []string{peer.Python, "-I", script, addr, path, "process"} }
	granted := func(of string, round int) string { return fmt.Sprintf("/bench/process/%s-%d", of, round) }
	measures, err := interleave(ctx, 2, b.size.processes, b.size.limit/3, []step{
		process(result.Bare, result.ProcessConnect, 0, func(int) []string { return []string{connect, addr} }),
		process(result.Leasehold, result.ProcessStart, 0, func(int) []string { return []string{command, "version"} }),
		process(result.Leasehold, result.ProcessDenied, notObtained, func(int) []string { return lease(heldPath) }),
		process(result.Leasehold, result.ProcessGranted, 0, func(round int) []string { return lease(granted("leasehold", round)) }),
		process(result.Kazoo, result.ProcessDenied, notObtained, func(int) []string { return kazoo(heldPath) }),
		process(result.Kazoo, result.ProcessGranted, 0, func(round int) []string { return kazoo(granted("kazoo", round)) }),
		process(result.Etcd, result.ProcessGranted, 0, func(int) []string {
			return []string{"etcdctl", "--endpoints", s.etcd.URL(), "lock", "process", "true"}
		}),
	})
	if err != nil {
		return err
	}
	for _, m := range measures {
		m.Servers = s.servers
		b.file.Measures = append(b.file.Measures, m)
	}
	return nil
}

// timeProcess times a process that must exit with the given code.
func timeProcess(exit int, command []string) (time.Duration, error) {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "ETCDCTL_API=3")
	var errText strings.Builder
	cmd.Stderr = &errText
	begin := time.Now()
	err := cmd.Run()
	took := time.Since(begin)
	if cmd.ProcessState == nil {
		return 0, err
	}
	if got := cmd.ProcessState.ExitCode(); got != exit {
		return 0, fmt.Errorf("%v: got exit code %d, want %d: %s", command, got, exit, errText.String())
	}
	return took, nil
}

// holdDuration is that of the leases that one process holds.
const holdDuration = 10 * time.Second

// measureHolds has one process hold ever more leases.
func measureHolds(ctx context.Context, b *bench, s *setting) error {
	program, err := build(ctx, s.dir, ".", "./cmd/hold")
	if err != nil {
		return err
	}
	for _, n := range b.size.holds {
		b.say("  %d leases", n)
		hold, err := s.hold(ctx, program, n, b.size.holdFor)
		if err != nil {
			return fmt.Errorf("hold %d leases: %w", n, err)
		}
		b.file.Holds = append(b.file.Holds, hold)
	}
	return nil
}

func (s *setting) hold(ctx context.Context, program string, n int, window time.Duration) (result.Hold, error) {
	h := result.Hold{Leases: n, Duration: holdDuration.Seconds()}
	cmd := exec.Command(program, s.zookeeper.Addr(), fmt.Sprintf("/bench/hold-%d", n), fmt.Sprint(n), holdDuration.String(), window.String())
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return h, err
	}
	var errText strings.Builder
	cmd.Stderr = &errText
	if err := child.Tie(cmd); err != nil {
		return h, err
	}
	if err := cmd.Start(); err != nil {
		return h, err
	}
	defer context.AfterFunc(ctx, func() { cmd.Process.Kill() })()
	err = s.observe(bufio.NewScanner(stdout), &h)
	if ended := cmd.Wait(); ended != nil || err != nil {
		return h, errors.Join(err, ended, errors.New(errText.String()))
	}
	return h, nil
}

// observe counts what the process at the other end of lines costs the server,
// and takes its report.
func (s *setting) observe(lines *bufio.Scanner, h *result.Hold) error {
	var before ensemble.Counters
	var begin time.Time
	for lines.Scan() {
		counters, err := s.zookeeper.Counters()
		if err != nil {
			return err
		}
		switch lines.Text() {
		case "ready":
			before, begin = counters, time.Now()
		case "done":
			h.Seconds = time.Since(begin).Seconds()
			cost := counters.Minus(before)
			h.Requests, h.Commits = float64(cost.Requests)/h.Seconds, float64(cost.Commits)/h.Seconds
		default:
			return json.Unmarshal(lines.Bytes(), &h.HoldReport)
		}
	}
	return errors.Join(errors.New("it ended without a report"), lines.Err())
}
