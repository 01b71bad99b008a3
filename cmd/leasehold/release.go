package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/text"
)

const releaseExamples = `  # another host may have it at once
  leasehold release --store zk://zk1,zk2,zk3/apps /db/hourly_cleanup

  # its holder is dead for good: token 42 is what status shows
  leasehold release --force --token 42 /db/hourly_cleanup`

// releaseFlags are those of the subcommand release.
type releaseFlags struct {
	store  storeFlags
	holder holderFlags
	force  bool
	token  tokenNumber
}

func (p *program) releaseCommand() *cobra.Command {
	f := releaseFlags{store: storeFlags{program: p, mustExist: true}}
	cmd := &cobra.Command{
		Use:   "release [flags] PATH",
		Short: "Give a lease up",
		Long: `Give up the lease at PATH if this holder has it. It is no error if nobody has
it. While a COMMAND that runs under it is still there on this host, that is
refused (73). By force, and from another host, a COMMAND is not stopped at once:
"leasehold run" learns of it when it renews the lease next, and then kills
COMMAND.`,
		Example: releaseExamples,
		Args:    wantPaths(1, 1, "PATH"),
	}
	flags := cmd.Flags()
	f.store.register(flags, "print the lease afterwards as a line of JSON")
	f.holder.register(flags, "give up what this holder has of PATH/0 to PATH/`N`-1")
	flags.BoolVar(&f.force, "force", false, "end it whoever has it, if its token is that of --token")
	flags.Var(&f.token, "token", "the fencing token, for --force")
	cmd.RunE = f.store.runE(&f.holder.conflict, func(ctx context.Context, args []string) error {
		return f.run(ctx, args[0])
	})
	return cmd
}

func (f *releaseFlags) run(ctx context.Context, path string) error {
	client, err := f.validate(path)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, f.store.timeout)
	defer cancel()
	if client.Store, err = f.store.open(ctx, time.Time{}); err != nil {
		return err
	}
	defer f.store.closeStore(client.Store)
	err = f.release(ctx, client, path)
	var held *leasehold.HeldError
	switch {
	case errors.As(err, &held) && f.store.json && interrupted(ctx) == nil:
		if err := writeStatuses(f.store.stdout, denied(held)); err != nil {
			return err
		}
		return err
	case err != nil || !f.store.json:
		return err
	}
	statuses, err := statusOf(ctx, client, path, f.holder.slots)
	if err != nil {
		return err
	}
	return writeStatuses(f.store.stdout, statuses)
}

func (f *releaseFlags) validate(path string) (*leasehold.Client, error) {
	switch given := f.store.given.Changed("token"); {
	case f.force && !given:
		return nil, usage("--force needs --token N, so that it does not end a later lease than the one you mean")
	case given && !f.force:
		return nil, usage("--token is for --force")
	case f.force && f.store.given.Changed("slots"):
		return nil, usage("--force ends one lease: give the slot's own path, like %s/0, and no --slots", path)
	}
	if err := f.holder.validate(path); err != nil {
		return nil, err
	}
	c := &leasehold.Client{Logger: f.store.logger()}
	if !f.force || f.store.given.Changed("holder") { // a release by force needs no name
		var err error
		if c.Holder, err = f.holder.find(); err != nil {
			return nil, err
		}
	}
	return c, f.store.validate()
}

func (f *releaseFlags) release(ctx context.Context, c *leasehold.Client, path string) error {
	if !f.force {
		locks, err := f.exclude(ctx, c, path)
		defer func() {
			for _, lock := range locks {
				lock.close()
			}
		}()
		if err != nil {
			return err
		}
	}
	switch {
	case f.force:
		err := c.ForceRelease(ctx, path, int64(f.token))
		if errors.Is(err, leasehold.ErrLost) {
			return f.anotherToken(ctx, c, path)
		}
		return err
	case f.holder.slots > 0:
		return c.ReleaseSlots(ctx, path, f.holder.slots)
	default:
		return c.Release(ctx, path)
	}
}

// exclude makes sure that no COMMAND runs on this host under what is to be
// released, and that none begins before that is done.
func (f *releaseFlags) exclude(ctx context.Context, c *leasehold.Client, path string) (locks []*overlapLock, err error) {
	paths := []string{path}
	if f.holder.slots > 0 {
		slots, err := statusOf(ctx, c, path, f.holder.slots)
		if err != nil {
			return nil, err
		}
		paths = nil
		for _, s := range slots {
			if f.isOurs(s) {
				paths = append(paths, s.Path)
			}
		}
	}
	for _, path := range paths {
		lock, err := lockOverlap(&f.store.store, path, f.holder.name, "release --force --token N ends its lease all the same")
		if err != nil {
			if s, statusErr := c.Status(ctx, path); statusErr == nil && !f.isOurs(s) { // there is nothing to release
				continue
			}
			return locks, err
		}
		locks = append(locks, lock)
	}
	return locks, nil
}

func (f *releaseFlags) isOurs(s leasehold.Status) bool {
	return s.State == leasehold.Held && s.Holder == f.holder.name
}

// anotherToken returns the denial of a release by force.
func (f *releaseFlags) anotherToken(ctx context.Context, c *leasehold.Client, path string) error {
	s, err := c.Status(ctx, path)
	if err != nil {
		return err
	}
	if f.store.json {
		if err := writeStatuses(f.store.stdout, []leasehold.Status{s}); err != nil {
			return err
		}
	}
	denial := &failure{code: f.holder.conflict, hint: "nothing was changed; see leasehold status", denial: true}
	denial.message = fmt.Sprintf("%s was not released: its token is not %d", text.Escape(path), f.token)
	if s.Token > 0 && s.Token != int64(f.token) { // else it has changed again since
		denial.message = fmt.Sprintf("%s was not released: its token is %d, not %d", text.Escape(path), s.Token, f.token)
	}
	return denial
}
