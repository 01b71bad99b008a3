package main

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/jobs"
	"leasehold.example/leasehold/cmd/leasehold/internal/text"
	"leasehold.example/leasehold/runlog"
)

// byHandFlags are those of the subcommands that change a run log by hand.
type byHandFlags struct {
	store  storeFlags
	reason string
}

// A byHand is what such a subcommand does, and what it says once that is done: a
// line, and a warning if it was of no use.
type byHand struct {
	change func(c *leasehold.Client, ctx context.Context, path, by, reason string) error
	says   func(j jobs.Job, now time.Time) (line, warning string)
}

func (p *program) byHandCommand(cmd *cobra.Command, does byHand) *cobra.Command {
	f := byHandFlags{store: storeFlags{program: p, mustExist: true}}
	cmd.Args = wantPaths(1, 1, "PATH")
	f.store.register(cmd.Flags(), "print the lease afterwards as a line of JSON")
	cmd.Flags().StringVar(&f.reason, "reason", "", "why, for the run log; at most 512 bytes (required)")
	conflict := exitConflict
	cmd.RunE = f.store.runE(&conflict, func(ctx context.Context, args []string) error {
		if strings.TrimSpace(f.reason) == "" {
			return usage("missing --reason TEXT: why, for the run log")
		}
		if len(f.reason) > runlog.MaxText {
			return usage("--reason has %d bytes, must have at most %d", len(f.reason), runlog.MaxText)
		}
		if err := leasehold.CheckPath(args[0]); err != nil {
			return err
		}
		return f.store.withClient(ctx, func(ctx context.Context, c *leasehold.Client) error {
			if err := does.change(c, ctx, args[0], whoAsks(), f.reason); err != nil {
				return err
			}
			return f.report(ctx, c, args[0], does)
		})
	})
	return cmd
}

// report says what was done.
func (f *byHandFlags) report(ctx context.Context, c *leasehold.Client, path string, does byHand) error {
	log, err := c.Runs(ctx, path)
	if err != nil {
		return fmt.Errorf("it was done, but the run log can't be read again: %w", err)
	}
	j := jobs.Job{Status: leasehold.Status{Path: path}, Log: log}
	line, warning := does.says(j, time.Now())
	if j.Newest() == nil && log.Head.Schedule == "" {
		warning = neverRan(path)
	}
	if warning != "" {
		f.store.warn("%s", warning)
	}
	switch {
	case f.store.json:
		return f.store.printStatus(ctx, c, []string{path}, 0)
	case f.store.quiet:
		return nil
	}
	return writeAll(f.store.stdout, []byte(text.Escape(path)+": "+line+"\n"))
}

func neverRan(path string) string {
	return fmt.Sprintf("nothing has ever run at %s: is that the path you mean?", text.Escape(path))
}

// whoAsks returns the user and the host, as user@host.
func whoAsks() string {
	name, host := fmt.Sprint("uid ", os.Getuid()), "?"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if h, err := os.Hostname(); err == nil {
		host = h
	}
	return name + "@" + host
}

func (p *program) againCommand() *cobra.Command {
	return p.byHandCommand(&cobra.Command{
		Use:   "again [flags] PATH --reason TEXT",
		Short: "Let the newest tick of a schedule be run once more",
		Long: `Allow one more run of the newest tick that was begun at PATH, also if it has
succeeded or has had all its attempts. This runs nothing by itself: the next host
that asks before the next tick does, as cron or a timer on it starts "leasehold
run", or you do. If the tick is running at this moment, that run goes on. If none
was begun yet, the exit code is 75.`,
		Example: `  leasehold again --store zk://zk1,zk2,zk3/apps --reason "wrong input" /db/nightly`,
	}, byHand{(*leasehold.Client).Reopen, saysReopened})
}

func saysReopened(j jobs.Job, now time.Time) (line, warning string) {
	tick := j.Log.Head.Tick
	line = fmt.Sprintf("the tick of %s may be run once more", text.Time(tick))
	if s, ok := j.Schedule(); ok {
		if next, ok := s.Next(tick); ok && !now.Before(next) {
			warning = fmt.Sprintf("that is too late for the tick of %s, since that of %s is due: who asks now runs the newest", text.Time(tick), text.Time(next))
		}
	}
	return line, warning
}

func (p *program) pauseCommand() *cobra.Command {
	return p.byHandCommand(&cobra.Command{
		Use:   "pause [flags] PATH --reason TEXT",
		Short: "Let no tick of a schedule be run until it is resumed",
		Long: `Refuse every tick at PATH, on all hosts, until "leasehold resume". A run that goes
on is not stopped, and runs without --schedule are not refused.`,
		Example: `  leasehold pause --store zk://zk1,zk2,zk3/apps --reason "database migration" /db/nightly`,
	}, byHand{(*leasehold.Client).Pause, func(jobs.Job, time.Time) (line, warning string) {
		return `paused: no tick is run until "leasehold resume"`, ""
	}})
}

func (p *program) resumeCommand() *cobra.Command {
	return p.byHandCommand(&cobra.Command{
		Use:   "resume [flags] PATH --reason TEXT",
		Short: "End a pause",
		Long: `End the pause of the schedule at PATH. The newest tick that is due may be run then;
older ones were missed. Where nothing is paused it does nothing.`,
		Example: `  leasehold resume --store zk://zk1,zk2,zk3/apps --reason "migration done" /db/nightly`,
	}, byHand{(*leasehold.Client).Resume, func(jobs.Job, time.Time) (line, warning string) {
		return "not paused: its ticks are run", ""
	}})
}
