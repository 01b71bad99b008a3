package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"leasehold.example/leasehold"
)

const listExamples = `  leasehold list --store zk://zk1,zk2,zk3/apps

  # what this host has
  leasehold list --json /db | jq -r --arg h "$(hostname)" 'select(.holder == $h).path'`

func (p *program) listCommand() *cobra.Command {
	f := storeFlags{program: p, mustExist: true}
	cmd := &cobra.Command{
		Use:   "list [flags] [PREFIX]",
		Short: "List every lease at and below PREFIX",
		Long: `List every lease at and below PREFIX, or in the whole store: see leasehold status
--help for what is shown.`,
		Example: listExamples,
		Args:    wantPaths(0, 1, "PREFIX"),
	}
	f.register(cmd.Flags(), "print each lease as a line of JSON")
	conflict := exitConflict
	cmd.RunE = f.runE(&conflict, func(ctx context.Context, args []string) error {
		prefix := "/"
		if len(args) > 0 {
			prefix = args[0]
		}
		return f.list(ctx, prefix)
	})
	return cmd
}

func (f *storeFlags) list(ctx context.Context, prefix string) error {
	if prefix != "/" {
		if err := leasehold.CheckPath(prefix); err != nil {
			return err
		}
	}
	return f.withClient(ctx, func(ctx context.Context, c *leasehold.Client) error {
		statuses, err := c.List(ctx, prefix)
		if err == nil && len(statuses) == 0 {
			err = f.checkChroot(ctx, c.Store)
		}
		if err == nil && len(statuses) == 0 && !f.json && !f.quiet {
			f.say("no leases")
		}
		return errors.Join(f.print(ctx, c, statuses), err)
	})
}
