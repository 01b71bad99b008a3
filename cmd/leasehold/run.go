package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"leasehold.example/leasehold"
)

const runHelp = `Run COMMAND if the lease at PATH is obtained, and keep the lease alive while it
runs. If the lease is about to be lost, COMMAND and all that it started are
stopped (SIGTERM, and SIGKILL after --kill-after) before another holder can have
it, and the exit code is 79. If the lease is lost already, there is no time for
SIGTERM. A watchdog, which is COMMAND's parent process, does the same if
leasehold is killed, or is stopped until the lease ends.

On Linux that reaches processes in groups and sessions of their own, and
daemons; they get SIGTERM when COMMAND's process group has ended, or half of
--kill-after is over. Elsewhere it reaches the process group only. It never
reaches work that was handed to another service, as by at, docker or systemd-run.

COMMAND gets stdin, a process group of its own, the signals that leasehold gets,
and in its environment LEASEHOLD_PATH, LEASEHOLD_HOLDER, LEASEHOLD_END,
LEASEHOLD_TOKEN and, with --slots, LEASEHOLD_SLOT.

When COMMAND ends, processes that it left behind go on, and count as an earlier
run if they have its files open: see --allow-overlap. Only where --release
applies they are stopped first.`

const runExamples = `  # crontab on ten hosts: one of them runs it; no mail from the other nine
  0 * * * *  leasehold run -q --store zk://zk1,zk2,zk3/apps -d 70m /db/hourly_cleanup -- cleanup --all

  # a service with a standby, which takes over within 30 s, or at once if this one ends
  leasehold run -d 30s --wait forever --release always /scheduler -- scheduler --port 80

  # at most 3 uploads at a time on this machine; a busy one is no error
  leasehold run --store dir:/var/lib/leases -d 10m --slots 3 -E 0 /upload -- upload big.tar`

// running is the subcommand run.
type running struct {
	acquiring
	renew        bool
	release      releaseMode
	killAfter    time.Duration
	jitter       time.Duration
	allowOverlap bool
}

func (p *program) runCommand() *cobra.Command {
	r := running{acquiring: acquiring{holding: holding{asking: asking{program: p}}}, release: releaseNever}
	cmd := &cobra.Command{
		Use:     "run [flags] PATH -- COMMAND [ARG...]",
		Short:   "Run COMMAND if the lease is obtained",
		Long:    runHelp,
		Example: runExamples,
		Args:    pathAndCommand,
	}
	r.add(cmd, "on a denial, print who has the lease as a line of JSON")
	r.flags.BoolVar(&r.renew, "renew", true, "keep the lease alive while COMMAND runs; else COMMAND is stopped when it ends")
	r.flags.Var(&r.release, "release", "when to release the lease at COMMAND's end: never, always, on-success or on-failure")
	r.flags.DurationVar(&r.killAfter, "kill-after", 0, "time between SIGTERM and SIGKILL; default a fifth of the duration, at most 10s")
	r.flags.DurationVar(&r.jitter, "jitter", 0, "start after a random delay of up to `D`, so that hosts that cron starts together don't all ask at one moment; --wait and --timeout begin after it")
	r.flags.BoolVar(&r.allowOverlap, "allow-overlap", false, "run COMMAND even if that of an earlier run still runs on this host (locks are in /run/leasehold, else /tmp/leasehold-UID; or $LEASEHOLD_RUNTIME_DIR)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return r.finish(cmd.Context(), r.run(cmd.Context(), args[0], args[1:]))
	}
	return cmd
}

// pathAndCommand wants PATH -- COMMAND.
func pathAndCommand(cmd *cobra.Command, args []string) error {
	switch dash := cmd.ArgsLenAtDash(); {
	case len(args) == 0 || dash == 0:
		return usage("missing PATH")
	case dash < 0 && len(args) > 1:
		return usage("put -- before COMMAND: leasehold run [flags] %s -- %s", args[0], strings.Join(args[1:], " "))
	case len(args) == 1:
		return usage("missing -- COMMAND")
	case dash > 1:
		return usage("%d arguments too many before --: %s", dash-1, strings.Join(quoteAll(args[1:dash]), " "))
	}
	return nil
}

func (r *running) check(path string) (storeURL, *leasehold.Client, error) {
	u, client, err := r.acquiring.check(path)
	if err != nil {
		return u, nil, err
	}
	if r.killAfter < 0 {
		return u, nil, usage("--kill-after is %s, must not be negative", r.killAfter)
	}
	if r.flags.Changed("jitter") && r.jitter <= 0 {
		return u, nil, usage("--jitter is %s, must be positive", r.jitter)
	}
	if !r.flags.Changed("kill-after") {
		r.killAfter = min(r.duration/5, maxShare)
	}
	if err := r.checkTime(r.killAfter); err != nil {
		return u, nil, err
	}
	client.Grace = max(r.killAfter, killMargin)
	client.Adopt = true // LEASEHOLD_HOLDER makes whatever COMMAND acquires the same holder's
	return u, client, nil
}

func (r *running) run(ctx context.Context, path string, command []string) error {
	u, client, err := r.check(path)
	if err != nil {
		return err
	}
	executable, err := resolve(command[0])
	if err != nil {
		return err
	}
	if err := r.delay(ctx); err != nil {
		return err
	}
	start := time.Now()
	var lock *overlapLock
	defer func() { lock.close() }()
	exclude := func(path string) (err error) {
		if !r.allowOverlap {
			lock, err = lockOverlap(u.identity(), path, client.Holder)
		}
		return err
	}
	if r.slots == 0 {
		if err := exclude(path); err != nil {
			return err
		}
	}
	_, limit := r.limits(start)
	return r.with(ctx, u, limit, func(s leasehold.Store) error {
		l, err := r.obtain(ctx, client, s, path, start, func(l *leasehold.Lease) error {
			if l.Slot() < 0 {
				return nil
			}
			return exclude(l.Path()) // which slot it is turns out just now
		})
		if err != nil {
			return err
		}
		j, err := r.start(executable, command, l, lock)
		if err != nil {
			r.giveBack(ctx, l)
			return err
		}
		return r.oversee(ctx, j, l)
	})
}

// delay returns after a random part of --jitter, or when ctx ends.
func (r *running) delay(ctx context.Context) error {
	if r.jitter == 0 {
		return nil
	}
	<-r.signals.caught
	d := rand.N(r.jitter)
	if log := r.logger(); log != nil {
		log.Info("start delayed", "by", d, "until", time.Now().Add(d))
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// start starts COMMAND, and hands the signals over to it.
func (r *running) start(executable string, command []string, l *leasehold.Lease, lock *overlapLock) (*job, error) {
	var j *job
	return j, r.signals.handOver(func() (func(unix.Signal), error) {
		var err error
		adoptOrphans()
		j, err = startJob(r.program, starting{
			executable: executable,
			command:    command,
			variables:  variables(l),
			lock:       lock,
			killAfter:  r.killAfter,
			remaining:  l.Remaining,
		})
		if err != nil {
			return nil, err
		}
		if log := r.logger(); log != nil {
			log.Info("COMMAND started", "pid", j.pid)
		}
		return j.forward, nil
	})
}

// variables returns what COMMAND learns of its lease.
func variables(l *leasehold.Lease) map[string]string {
	v := map[string]string{
		"LEASEHOLD_PATH":   l.Path(),
		"LEASEHOLD_HOLDER": l.Holder(),
		"LEASEHOLD_END":    formatTime(l.End()),
		"LEASEHOLD_TOKEN":  strconv.FormatInt(l.Token(), 10),
		"LEASEHOLD_SLOT":   "", // not that of a run around this one
	}
	if l.Slot() >= 0 {
		v["LEASEHOLD_SLOT"] = strconv.Itoa(l.Slot())
	}
	return v
}

// oversee returns when COMMAND has ended, or was stopped because the lease was
// lost, and the lease is released if it is to be.
func (r *running) oversee(ctx context.Context, j *job, l *leasehold.Lease) error {
	ctx = context.WithoutCancel(ctx)
	var lost error
	gone, release := true, false
	unpost := j.guards.keepPosted(r.duration)
	work := func(ctx context.Context) error {
		lost = j.await(ctx, l.Remaining)
		release = lost == nil && r.release.applies(j.exitCode())
		stop := lost != nil || release // for a release it is what COMMAND left behind
		if stop {
			j.guards.stopping()
			gone = j.stop(r.killAfter, l.Remaining)
		}
		unpost()
		gone = j.guards.dismiss(stop) && gone
		if j.wasLate() {
			lost, release = errHeldUp, false
			gone = j.stop(0, l.Remaining)
		}
		return nil
	}
	if r.renew {
		l.Hold(ctx, work) // what it returns is in lost
	} else {
		ending, cancel := l.Context(ctx)
		work(ending)
		cancel()
	}
	j.giveTerminalBack()
	switch {
	case lost != nil && !gone:
		return &failure{code: exitLost, message: fmt.Sprintf("%v; COMMAND was killed, but some of its processes are still there (process group %d)", lost, j.pid)}
	case lost != nil:
		return &failure{code: exitLost, message: fmt.Sprintf("%v; COMMAND was stopped", lost)}
	case release && !gone:
		r.say("warning: lease %q was not released: some processes that COMMAND left behind can't be killed (process group %d)", l.Path(), j.pid)
	case release:
		releasing, cancel := context.WithTimeout(ctx, r.timeout)
		defer cancel()
		if err := l.Release(releasing); err != nil {
			r.say("warning: %v", err)
		}
	}
	return exitWith(j.exitCode())
}
