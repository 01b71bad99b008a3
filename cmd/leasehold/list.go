package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"leasehold.example/leasehold"
)

const listExamples = `  leasehold list --store zk://zk1,zk2,zk3/apps

  # what this host has
  leasehold list --json /db | jq -r --arg h "$(hostname)" 'select(.holder == $h).path'`

func (p *program) listCommand() *cobra.Command {
	a := asking{program: p, existing: true}
	cmd := &cobra.Command{
		Use:     "list [flags] [PREFIX]",
		Short:   "List every lease at and below PREFIX",
		Long:    `List every lease at and below PREFIX, or in the whole store, as status does.`,
		Example: listExamples,
		Args:    wantPaths(0, 1, "PREFIX"),
	}
	a.add(cmd, "print each lease as a line of JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		prefix := "/"
		if len(args) > 0 {
			prefix = args[0]
		}
		return a.finish(cmd.Context(), a.list(cmd.Context(), prefix))
	}
	return cmd
}

func (a *asking) list(ctx context.Context, prefix string) error {
	if prefix != "/" {
		if err := leasehold.CheckPath(prefix); err != nil {
			return err
		}
	}
	u, err := a.check()
	if err != nil {
		return err
	}
	limit := time.Now().Add(a.timeout)
	return a.with(ctx, u, limit, func(s leasehold.Store) error {
		ctx, cancel := until(ctx, limit)
		defer cancel()
		c := &leasehold.Client{Store: s, Logger: a.logger()}
		statuses, err := c.List(ctx, prefix)
		if err == nil && len(statuses) == 0 && !a.json && !a.quiet {
			a.say("no leases")
		}
		return errors.Join(a.print(statuses), err)
	})
}
