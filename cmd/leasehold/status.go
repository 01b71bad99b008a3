package main

import (
	"context"
	"errors"
	"slices"

	"github.com/spf13/cobra"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/jobs"
)

const statusExamples = `  leasehold status --store zk://zk1,zk2,zk3/apps /db/hourly_cleanup

  # all slots, for a script
  leasehold status --slots 3 --json /upload | jq -r 'select(.state == "held").holder'`

// statusFlags are those of the subcommand status.
type statusFlags struct {
	store storeFlags
	slots int
}

func (p *program) statusCommand() *cobra.Command {
	f := statusFlags{store: storeFlags{program: p, mustExist: true}}
	cmd := &cobra.Command{
		Use:   "status [flags] PATH...",
		Short: "Say who has a lease, until when, since when, and its token",
		Long: `Say of each lease whether it is free, held, expired, unreadable (what is stored
there is not a record) or newer (a newer program wrote the record). The exit
code is 0 whichever it is.

What runs there, as the run log has it, is in the column RUN: running, idle,
retrying (a tick has failed, and may be tried again) or paused. A lease is held
without a run, too: after the last run of a tick, until the next tick, and after
a run without --schedule, until its end.`,
		Example: statusExamples,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return &failure{code: exitUsage, message: "missing PATH", hint: "leasehold list shows every lease; see also leasehold status --help"}
			}
			return nil
		},
	}
	f.store.register(cmd.Flags(), "print each lease as a line of JSON")
	cmd.Flags().IntVar(&f.slots, "slots", 0, "describe PATH/0 to PATH/`N`-1")
	conflict := exitConflict
	cmd.RunE = f.store.runE(&conflict, f.run)
	return cmd
}

func (f *statusFlags) run(ctx context.Context, paths []string) error {
	for _, path := range paths {
		if err := leasehold.CheckPath(path); err != nil {
			return err
		}
	}
	if err := checkSlots(f.store.given, f.slots); err != nil {
		return err
	}
	return f.store.withClient(ctx, func(ctx context.Context, c *leasehold.Client) error {
		return f.store.printStatus(ctx, c, paths, f.slots)
	})
}

// printStatus prints the leases at paths, and what goes on there, as --json says.
func (f *storeFlags) printStatus(ctx context.Context, c *leasehold.Client, paths []string, slots int) error {
	var statuses []leasehold.Status
	var errs []error
	for _, path := range paths {
		some, err := statusOf(ctx, c, path, slots)
		statuses = append(statuses, some...)
		errs = append(errs, err)
	}
	found := func(s leasehold.Status) bool { return s.State != leasehold.Free }
	if errors.Join(errs...) == nil && !slices.ContainsFunc(statuses, found) {
		if err := f.checkChroot(ctx, c.Store); err != nil {
			return err
		}
	}
	all, err := jobs.Read(ctx, c, statuses)
	return errors.Join(f.print(all), err, errors.Join(errs...))
}

// statusOf returns the status of the lease at path, or of its slots if there are
// any.
func statusOf(ctx context.Context, c *leasehold.Client, path string, slots int) ([]leasehold.Status, error) {
	if slots > 0 {
		return c.StatusSlots(ctx, path, slots)
	}
	s, err := c.Status(ctx, path)
	if err != nil {
		return nil, err
	}
	return []leasehold.Status{s}, nil
}

// print prints jobs to stdout, as --json says.
func (f *storeFlags) print(all []jobs.Job) error {
	switch {
	case f.json:
		return writeJSON(f.stdout, all)
	case len(all) == 0:
		return nil
	}
	return writeTable(f.stdout, all)
}
