package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"leasehold.example/leasehold"
)

const releaseExamples = `  # another host may have it at once
  leasehold release --store zk://zk1,zk2,zk3/apps /db/hourly_cleanup

  # its holder is dead for good: token 42 is what status shows
  leasehold release --force --token 42 /db/hourly_cleanup`

// releasing is the subcommand release.
type releasing struct {
	holding
	force bool
	token tokenNumber
}

func (p *program) releaseCommand() *cobra.Command {
	r := releasing{holding: holding{asking: asking{program: p, existing: true}}}
	cmd := &cobra.Command{
		Use:   "release [flags] PATH",
		Short: "Give a lease up",
		Long: `Give up the lease at PATH if this holder has it. It is no error if nobody has
it. A COMMAND that runs under it is not stopped by this at once: "leasehold run"
learns of it when it renews the lease next, and then kills COMMAND.`,
		Example: releaseExamples,
		Args:    wantPaths(1, 1, "PATH"),
	}
	r.add(cmd, "print the lease afterwards as a line of JSON", "give up what this holder has of PATH/0 to PATH/`N`-1")
	r.flags.BoolVar(&r.force, "force", false, "end it whoever has it, if its token is that of --token")
	r.flags.Var(&r.token, "token", "the fencing token, for --force")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return r.finish(cmd.Context(), r.run(cmd.Context(), args[0]))
	}
	return cmd
}

func (r *releasing) run(ctx context.Context, path string) error {
	switch given := r.flags.Changed("token"); {
	case r.force && !given:
		return usage("--force needs --token N, so that it does not end a later lease than the one you mean")
	case given && !r.force:
		return usage("--token is for --force")
	case r.force && r.flags.Changed("slots"):
		return usage("--force ends one lease: give the slot's own path, like %s/0, and no --slots", path)
	}
	u, holder, err := r.check(path, !r.force)
	if err != nil {
		return err
	}
	limit := time.Now().Add(r.timeout)
	return r.with(ctx, u, limit, func(s leasehold.Store) error {
		ctx, cancel := until(ctx, limit)
		defer cancel()
		c := &leasehold.Client{Store: s, Holder: holder, Logger: r.logger()}
		if err := r.release(ctx, c, path); err != nil {
			var held *leasehold.HeldError
			if errors.As(err, &held) && r.json && interrupted(ctx) == nil {
				if err := writeJSON(r.stdout, denied(held)); err != nil {
					return err
				}
			}
			return err
		}
		if !r.json {
			return nil
		}
		statuses, err := r.describe(ctx, c, path)
		if err != nil {
			return err
		}
		return writeJSON(r.stdout, statuses)
	})
}

func (r *releasing) release(ctx context.Context, c *leasehold.Client, path string) error {
	switch {
	case r.force:
		err := c.ForceRelease(ctx, path, int64(r.token))
		if errors.Is(err, leasehold.ErrLost) {
			return r.anotherToken(ctx, c, path)
		}
		return err
	case r.slots > 0:
		return c.ReleaseSlots(ctx, path, r.slots)
	default:
		return c.Release(ctx, path)
	}
}

// anotherToken returns the denial of a release by force.
func (r *releasing) anotherToken(ctx context.Context, c *leasehold.Client, path string) error {
	s, err := c.Status(ctx, path)
	if err != nil {
		return err
	}
	if r.json {
		if err := writeJSON(r.stdout, []leasehold.Status{s}); err != nil {
			return err
		}
	}
	f := &failure{code: r.conflict, hint: "nothing was changed; see leasehold status", denial: true}
	f.message = fmt.Sprintf("%s was not released: its token is not %d", escape(path), r.token)
	if s.Token > 0 && s.Token != int64(r.token) { // else it has changed again since
		f.message = fmt.Sprintf("%s was not released: its token is %d, not %d", escape(path), s.Token, r.token)
	}
	return f
}

func (r *releasing) describe(ctx context.Context, c *leasehold.Client, path string) ([]leasehold.Status, error) {
	if r.slots > 0 {
		return c.StatusSlots(ctx, path, r.slots)
	}
	s, err := c.Status(ctx, path)
	return []leasehold.Status{s}, err
}
