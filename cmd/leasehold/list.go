package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/jobs"
)

const listExamples = `  leasehold list --store zk://zk1,zk2,zk3/apps

  # what runs now, and what is to be tried again
  leasehold list --state running,retrying /db

  # what this host has
  leasehold list --json /db | jq -r --arg h "$(hostname)" 'select(.holder == $h).path'`

// listFlags are those of the subcommand list.
type listFlags struct {
	store  storeFlags
	states stateFilter
}

func (p *program) listCommand() *cobra.Command {
	f := listFlags{store: storeFlags{program: p, mustExist: true}}
	cmd := &cobra.Command{
		Use:   "list [flags] [PREFIX]",
		Short: "List every lease at and below PREFIX",
		Long: `List every lease at and below PREFIX, or in the whole store, and paths that have a
run log alone, as of a schedule that has not run yet: see leasehold status --help for
what is shown.`,
		Example: listExamples,
		Args:    wantPaths(0, 1, "PREFIX"),
	}
	f.store.register(cmd.Flags(), "print each lease as a line of JSON")
	cmd.Flags().Var(&f.states, "state", "only those in one of these `STATES`, with commas between them: "+strings.Join(states, ", "))
	conflict := exitConflict
	cmd.RunE = f.store.runE(&conflict, func(ctx context.Context, args []string) error {
		prefix := "/"
		if len(args) > 0 {
			prefix = args[0]
		}
		return f.run(ctx, prefix)
	})
	return cmd
}

func (f *listFlags) run(ctx context.Context, prefix string) error {
	if prefix != "/" {
		if err := leasehold.CheckPath(prefix); err != nil {
			return err
		}
	}
	return f.store.withClient(ctx, func(ctx context.Context, c *leasehold.Client) error {
		statuses, err := c.List(ctx, prefix)
		if err == nil && len(statuses) == 0 {
			err = f.store.checkChroot(ctx, c.Store)
		}
		all, readErr := jobs.Read(ctx, c, statuses)
		now := time.Now()
		all = slices.DeleteFunc(all, func(j jobs.Job) bool { return !f.states.has(j, now) })
		if err == nil && len(all) == 0 && !f.store.json && !f.store.quiet {
			f.store.say("no leases")
		}
		return errors.Join(f.store.print(all), readErr, err)
	})
}

// A stateFilter has the states, of leases and of runs, that are asked for; all if it
// is empty.
type stateFilter []string

var states = []string{"free", "held", "expired", "unreadable", "newer", "running", "retrying", "paused", "idle"}

func (f *stateFilter) String() string { return strings.Join(*f, ",") }
func (f *stateFilter) Type() string   { return "states" }

func (f *stateFilter) words() []string { return states }

func (f *stateFilter) Set(value string) error {
	*f = strings.Split(value, ",")
	for _, state := range *f {
		if !slices.Contains(states, state) {
			return fmt.Errorf("want one or more of %s, with commas between them", strings.Join(states, ", "))
		}
	}
	return nil
}

func (f stateFilter) has(j jobs.Job, now time.Time) bool {
	return len(f) == 0 || slices.Contains(f, j.State.String()) || slices.Contains(f, string(j.Run(now)))
}
