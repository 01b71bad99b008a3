package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"leasehold.example/leasehold"
)

const statusExamples = `  leasehold status --store zk://zk1,zk2,zk3/apps /db/hourly_cleanup

  # all slots, for a script
  leasehold status --slots 3 --json /upload | jq -r 'select(.state == "held").holder'`

// looking is the subcommand status.
type looking struct {
	asking
	slots int
}

func (p *program) statusCommand() *cobra.Command {
	l := looking{asking: asking{program: p, existing: true}}
	cmd := &cobra.Command{
		Use:   "status [flags] PATH...",
		Short: "Say who has a lease, until when, since when, and its token",
		Long: `Say of each lease whether it is free, held, expired, unreadable (what is stored
there is not a record) or newer (a newer program wrote the record). The exit
code is 0 whichever it is.`,
		Example: statusExamples,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return &failure{code: exitUsage, message: "missing PATH", hint: "leasehold list shows every lease; see also leasehold status --help"}
			}
			return nil
		},
	}
	l.add(cmd, "print each lease as a line of JSON")
	l.flags.IntVar(&l.slots, "slots", 0, "describe PATH/0 to PATH/`N`-1")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return l.finish(cmd.Context(), l.run(cmd.Context(), args))
	}
	return cmd
}

func (l *looking) run(ctx context.Context, paths []string) error {
	for _, path := range paths {
		if err := leasehold.CheckPath(path); err != nil {
			return err
		}
	}
	if err := checkSlots(l.flags, l.slots); err != nil {
		return err
	}
	u, err := l.check()
	if err != nil {
		return err
	}
	limit := time.Now().Add(l.timeout)
	return l.with(ctx, u, limit, func(s leasehold.Store) error {
		ctx, cancel := until(ctx, limit)
		defer cancel()
		c := &leasehold.Client{Store: s, Logger: l.logger()}
		var statuses []leasehold.Status
		var errs []error
		for _, path := range paths {
			some, err := l.describe(ctx, c, path)
			statuses = append(statuses, some...)
			errs = append(errs, err)
		}
		return errors.Join(l.print(statuses), errors.Join(errs...))
	})
}

func (l *looking) describe(ctx context.Context, c *leasehold.Client, path string) ([]leasehold.Status, error) {
	if l.slots > 0 {
		return c.StatusSlots(ctx, path, l.slots)
	}
	s, err := c.Status(ctx, path)
	if err != nil {
		return nil, err
	}
	return []leasehold.Status{s}, nil
}

// print prints statuses to stdout, as --json says.
func (a *asking) print(statuses []leasehold.Status) error {
	if a.json {
		return writeJSON(a.stdout, statuses)
	}
	if len(statuses) == 0 {
		return nil
	}
	return writeTable(a.stdout, statuses)
}
