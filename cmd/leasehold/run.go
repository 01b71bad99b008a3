package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/supervise"
	"leasehold.example/leasehold/cmd/leasehold/internal/text"
)

const runHelp = `Run COMMAND if the lease at PATH is obtained, and keep the lease alive while it
runs.
` + scheduleHelp + `

Without --schedule, the lease stays when COMMAND has ended, until -d after it was
last renewed: other holders are kept off until then. This one, which is this host
unless --holder is given, may run COMMAND again at any time; with --once it may
not either. --release ends the lease with COMMAND.

If the lease is about to be lost, COMMAND and all that it started are stopped
(SIGTERM, and SIGKILL after --kill-after) before another holder can have it, and
the exit code is 79. If the lease is lost already, there is no time for SIGTERM. A
watchdog, which is COMMAND's parent process, does the same if leasehold is killed,
or is stopped until the lease ends.

On Linux that reaches processes in groups and sessions of their own, and
daemons; they get SIGTERM when COMMAND's process group has ended, or half of
--kill-after is over. Elsewhere it reaches the process group only. It never
reaches work that was handed to another service, as by at, docker or systemd-run.

COMMAND gets stdin, a process group of its own, the signals that leasehold gets,
and in its environment LEASEHOLD_PATH, LEASEHOLD_HOLDER, LEASEHOLD_END,
LEASEHOLD_TOKEN and, with --slots, LEASEHOLD_SLOT. A systemd unit needs
KillMode=mixed, or COMMAND gets SIGTERM twice: from systemd, and from leasehold.

When COMMAND ends, processes that it left behind go on, which is said in a line
unless --left-behind is given, and count as an earlier run if they have its files
open: see --allow-overlap. Where --release applies, or COMMAND failed and --attempts
are left, they are stopped first, or waited for.

On Linux an earlier run is seen by all users of the host, and by all containers
that share its network; elsewhere by the same user. Containers that share a
directory and not the network can name it in $LEASEHOLD_RUNTIME_DIR.`

const runExamples = `  # crontab on every host, fired often: the job is run once for each night, also if a
  # host dies midway (another takes over), or all were down at two o'clock
  */5 * * * *  /usr/bin/leasehold run -q --schedule "0 2 * * *" --timezone UTC --attempts 3 /db/nightly -- /opt/nightly-report

  # crontab on ten hosts: one of them runs it, each hour the same one while it is well;
  # no mail from the other nine
  0 * * * *  /usr/bin/leasehold run -q --store zk://zk1,zk2,zk3/apps -d 70m /db/hourly_cleanup -- /opt/cleanup --all

  # a service with a standby, which takes over within 30 s, or at once if this one ends
  leasehold run -d 30s --wait forever --release always /scheduler -- scheduler --port 80

  # at most 3 uploads at a time on this machine, each a holder of its own; that
  # there is no slot is no error
  leasehold run --store dir:/var/lib/leases -d 10m --slots 3 --holder-suffix pid --release always -E 0 /upload -- upload big.tar`

// runFlags are those of the subcommand run.
type runFlags struct {
	lease        leaseFlags
	schedule     tickFlags
	log          bool
	renew        bool
	release      releaseMode
	leftBehind   leftBehindMode
	killAfter    time.Duration
	jitter       time.Duration
	allowOverlap bool
}

func (p *program) runCommand() *cobra.Command {
	f := runFlags{lease: leaseFlags{store: storeFlags{program: p}}, release: releaseNever, leftBehind: leftGoOn}
	cmd := &cobra.Command{
		Use:     "run [flags] PATH -- COMMAND [ARG...]",
		Short:   "Run COMMAND if the lease is obtained",
		Long:    runHelp,
		Example: runExamples,
		Args:    pathAndCommand,
	}
	f.register(cmd)
	cmd.RunE = f.lease.store.runE(&f.lease.holder.conflict, func(ctx context.Context, args []string) error {
		return f.run(ctx, args[0], args[1:])
	})
	return cmd
}

func (f *runFlags) register(cmd *cobra.Command) {
	f.lease.register(cmd, "on a denial, print who has the lease as a line of JSON", ". An earlier run on this host is not waited for")
	flags := cmd.Flags()
	f.schedule.register(flags)
	flags.BoolVar(&f.log, "log", true, "enter the run in the path's run log, which leasehold history shows; not with --log=false")
	flags.BoolVar(&f.renew, "renew", true, "keep the lease alive while COMMAND runs; else COMMAND is stopped when it ends")
	flags.Lookup("duration").Usage = "the lease's duration, like 70m or 1d (required without --schedule)"
	flags.Var(&f.release, "release", "when to release the lease at COMMAND's end: never, always, on-success or on-failure")
	flags.Var(&f.lease.holder.suffix, "holder-suffix", "add the process id and a random number to the holder's name, so that each run on a host is a holder of its own (with --release always, or what it has is nobody's until it ends)")
	flags.Var(&f.leftBehind, "left-behind", "what happens to processes that outlive COMMAND: go-on (the lease is not kept alive for them), wait (the run lasts until they end, as for a COMMAND that makes itself a daemon) or stop")
	flags.Var((*duration)(&f.killAfter), "kill-after", "time between SIGTERM and SIGKILL; default a fifth of the duration, at most 10s")
	flags.Var((*duration)(&f.jitter), "jitter", "start after a random delay of up to `D`, so that hosts that cron starts together don't all ask at one moment; --wait and --timeout begin after it")
	flags.BoolVar(&f.allowOverlap, "allow-overlap", false, "run COMMAND even if that of an earlier run still runs on this host: the run of any user with the same holder and the same whole path, on whichever ensemble")
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

// validateSchedule refuses what does not go with a schedule.
func (f *runFlags) validateSchedule() (err error) {
	if f.lease.schedule, err = f.schedule.find(); err != nil || f.lease.schedule == nil {
		return err
	}
	given := f.lease.store.given
	for name, why := range map[string]string{
		"slots":   "a tick is run by one host",
		"release": "the lease is kept until the next tick, or released for another attempt",
		"once":    "with it nobody is granted a tick twice, this holder included",
	} {
		if given.Changed(name) {
			return usage("--%s does not go with --schedule: %s", name, why)
		}
	}
	if !f.log {
		return usage("--log=false does not go with --schedule: what was run is known by the run log")
	}
	if !given.Changed("duration") {
		f.lease.duration, err = f.schedule.defaultDuration()
	}
	return err
}

func (f *runFlags) validate(path string) (*leasehold.Client, error) {
	if err := f.validateSchedule(); err != nil {
		return nil, err
	}
	client, err := f.lease.validate(path)
	if err != nil {
		return nil, err
	}
	given := f.lease.store.given
	if f.killAfter < 0 {
		return nil, usage("--kill-after is %s, must not be negative", f.killAfter)
	}
	if given.Changed("jitter") && f.jitter <= 0 {
		return nil, usage("--jitter is %s, must be positive", f.jitter)
	}
	if !given.Changed("kill-after") {
		f.killAfter = min(f.lease.duration/5, maxShare)
	}
	if err := f.lease.checkTime(f.killAfter); err != nil {
		return nil, err
	}
	client.Grace = max(f.killAfter, supervise.KillMargin)
	client.RunLog = f.log
	client.Adopt = true // COMMAND has LEASEHOLD_HOLDER, so that what it acquires has the same holder
	return client, nil
}

func (f *runFlags) run(ctx context.Context, path string, command []string) error {
	client, err := f.validate(path)
	if err != nil {
		return err
	}
	executable, err := resolve(command)
	if err != nil {
		return err
	}
	client.Program = filepath.Base(executable)
	ctx, stopLooking, err := untilDrained(ctx)
	if err != nil {
		return err
	}
	defer stopLooking()
	if err := f.delay(ctx, path); err != nil {
		return err
	}
	start := time.Now()

	var lock *overlapLock
	defer func() { lock.close() }()
	dir := f.lease.store.store.isDir()
	// Which slot it is is known only later, and a tick is denied to whoever asks
	// while it is run: that is no overlap.
	excludeLater := f.lease.holder.slots > 0 || f.lease.schedule != nil
	if !excludeLater && !dir {
		if lock, err = f.exclude(path); err != nil {
			return err
		}
	}

	_, limit := f.lease.limits(start)
	if client.Store, err = f.lease.store.open(ctx, limit); err != nil {
		return err
	}
	defer f.lease.store.closeStore(client.Store)
	if !excludeLater && dir { // only now it is known which directory it is: there may have been none
		if lock, err = f.exclude(path); err != nil {
			return err
		}
	}
	l, err := f.lease.obtain(ctx, client, path, start)
	if err != nil {
		return err
	}
	if excludeLater {
		if lock, err = f.exclude(l.Path()); err != nil {
			f.lease.undo(ctx, l)
			return err
		}
	}
	// Who drains the host looks for what runs after that: it sees this run, or this
	// run sees the drain.
	published := f.publish(l, client.Program)
	defer published.Close()
	if err := f.lease.refuseIfDrained(ctx, l); err != nil {
		return err
	}
	f.lease.store.sayIfMade(client.Store)
	f.lease.store.warnIfOpen(ctx, client.Store, l.Path())
	if less := lessOn(runtime.GOOS); less != "" && !f.lease.store.program.quiet {
		f.lease.store.say("%s", less)
	}

	child, err := f.start(executable, command, l, lock)
	if err != nil {
		f.lease.undo(ctx, l)
		return err
	}
	ctx = context.WithoutCancel(ctx) // from now on signals are for COMMAND
	stopLooking()
	return f.finish(ctx, f.wait(ctx, child, l), l)
}

// lessOn returns what run can't do on that system; "" if there is nothing.
func lessOn(system string) string {
	if system == "linux" {
		return ""
	}
	return "on " + system + " only COMMAND's process group can be stopped, and no earlier run of another user is seen: docs/platforms.md"
}

// delay returns after a random part of --jitter, or when ctx ends.
func (f *runFlags) delay(ctx context.Context, path string) error {
	if f.jitter == 0 {
		return nil
	}
	d := rand.N(f.jitter)
	f.lease.store.logger().Info("start delayed", "path", path, "holder", f.lease.holder.name, "until", time.Now().Add(d))
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

const allowOverlapRuns = "--allow-overlap runs another beside it"

// exclude makes sure that no earlier run goes on, unless that is allowed.
func (f *runFlags) exclude(path string) (*overlapLock, error) {
	if f.allowOverlap {
		return nil, nil
	}
	return lockOverlap(&f.lease.store.store, path, f.lease.holder.name, allowOverlapRuns)
}

// publish shows the run to "leasehold drain" until the file, which may be nil, is
// closed. A run goes on where that can't be done.
func (f *runFlags) publish(l *leasehold.Lease, program string) *os.File {
	dirs, err := stateDirs()
	var file *os.File
	if err == nil {
		file, err = localRun{Path: l.Path(), Holder: l.Holder(), Program: program, Since: time.Now().UTC().Truncate(time.Second), Release: f.release.String(), StateDirs: dirs}.publish()
	}
	if err != nil {
		f.lease.store.warn("\"leasehold drain --wait\" will not wait for this run: %v", err)
	}
	return file
}

// start starts COMMAND. From then on it gets the signals.
func (f *runFlags) start(executable string, command []string, l *leasehold.Lease, lock *overlapLock) (*supervise.Child, error) {
	p := f.lease.store.program
	locks, err := lock.inherit()
	if err != nil {
		return nil, err
	}
	child, err := p.signals.Start(supervise.Command{
		Path:   executable,
		Args:   command,
		Env:    environment(l),
		Stdin:  p.stdin,
		Stdout: p.stdout,
		Stderr: p.stderr,

		Keep:      locks,
		Remaining: l.Remaining,
		KillAfter: f.killAfter,
		Warn:      p.warn,
	})
	var exec *supervise.ExecError
	var interruption *supervise.Interruption
	switch {
	case errors.As(err, &exec):
		return nil, cannotExecute(executable, exec.Err)
	case errors.Is(err, supervise.ErrLate):
		return nil, errTooLate
	case errors.As(err, &interruption):
		return nil, err
	case err != nil:
		return nil, &failure{code: exitInternal, message: err.Error()}
	}
	lock.setPid(child.Pid())
	f.logger(l).Info("COMMAND started", "pid", child.Pid())
	return child, nil
}

// environment returns COMMAND's environment, with what it learns of its lease.
func environment(l *leasehold.Lease) []string {
	slot := ""
	if l.Slot() >= 0 {
		slot = strconv.Itoa(l.Slot())
	}
	variables := [][2]string{
		{"LEASEHOLD_PATH", l.Path()},
		{"LEASEHOLD_HOLDER", l.Holder()},
		{"LEASEHOLD_END", text.Time(l.End())},
		{"LEASEHOLD_TOKEN", strconv.FormatInt(l.Token(), 10)},
		{"LEASEHOLD_SLOT", slot},
	}
	variables = append(variables, tickVariables(l)...)
	env := os.Environ()
	for _, v := range variables {
		env = slices.DeleteFunc(env, func(entry string) bool { return strings.HasPrefix(entry, v[0]+"=") }) // that of a run around this one
		if v[1] != "" {
			env = append(env, v[0]+"="+v[1])
		}
	}
	return env
}
