package main

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/text"
	"leasehold.example/leasehold/runlog"
)

// byHandFlags are those of the subcommands that change a run log by hand.
type byHandFlags struct {
	store  storeFlags
	reason string
}

// byHandCommand makes a subcommand of change, which says what was done.
func (p *program) byHandCommand(cmd *cobra.Command, change func(ctx context.Context, c *leasehold.Client, path, by, reason string) error) *cobra.Command {
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
			if err := change(ctx, c, args[0], whoAsks(), f.reason); err != nil {
				return err
			}
			if log, err := c.Runs(ctx, args[0]); err == nil && log.Head.Schedule == "" && !slices.ContainsFunc(log.Runs, runlog.Run.IsAttempt) {
				f.store.warn("nothing has ever run at %s: is that the path you mean?", text.Escape(args[0]))
			}
			if !f.store.json {
				return nil
			}
			return f.store.printStatus(ctx, c, args, 0)
		})
	})
	return cmd
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
	}, func(ctx context.Context, c *leasehold.Client, path, by, reason string) error {
		return c.Reopen(ctx, path, by, reason)
	})
}

func (p *program) pauseCommand() *cobra.Command {
	return p.byHandCommand(&cobra.Command{
		Use:   "pause [flags] PATH --reason TEXT",
		Short: "Let no tick of a schedule be run until it is resumed",
		Long: `Refuse every tick at PATH, on all hosts, until "leasehold resume". A run that goes
on is not stopped, and runs without --schedule are not refused.`,
		Example: `  leasehold pause --store zk://zk1,zk2,zk3/apps --reason "database migration" /db/nightly`,
	}, func(ctx context.Context, c *leasehold.Client, path, by, reason string) error {
		return c.Pause(ctx, path, by, reason)
	})
}

func (p *program) resumeCommand() *cobra.Command {
	return p.byHandCommand(&cobra.Command{
		Use:   "resume [flags] PATH --reason TEXT",
		Short: "End a pause",
		Long: `End the pause of the schedule at PATH. The newest tick that is due may be run then;
older ones were missed. Where nothing is paused it does nothing.`,
		Example: `  leasehold resume --store zk://zk1,zk2,zk3/apps --reason "migration done" /db/nightly`,
	}, func(ctx context.Context, c *leasehold.Client, path, by, reason string) error {
		return c.Resume(ctx, path, by, reason)
	})
}
