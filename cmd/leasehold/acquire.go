package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/text"
)

const acquireExamples = `  # renew or take the lease before each batch, and keep off when another has it
  leasehold acquire --store dir:/var/lib/leases -d 10m /batch || exit

  # wait a minute for one of three slots, and use its token
  token=$(leasehold acquire -d 10m -w 1m --slots 3 --json /upload | jq .token)

  # in a unit that takes less than an hour: TimeoutStartSec=1h
  ExecCondition=/usr/bin/leasehold acquire --exec-condition -d 65m /db/hourly_cleanup`

const execConditionFlag = "exec-condition"

func (p *program) acquireCommand() *cobra.Command {
	f := leaseFlags{store: storeFlags{program: p}}
	cmd := &cobra.Command{
		Use:   "acquire [flags] PATH",
		Short: "Obtain or renew a lease, and say so",
		Long: `Obtain the lease at PATH, or renew it if this holder has it already, and print
until when. A lease that this holder has is never shortened. Nothing keeps it
alive: acquire it again in time, or let it end. For a job that is one command,
leasehold run does all of that.

With --exec-condition it is for ExecCondition= of a systemd unit, which is skipped
without a word where that ends with 1 to 254: it ends with 75 if the lease is not
obtained, and with 255 in place of any other code. Nothing stops such a unit when its
lease is lost, so -d must outlast it: leasehold run is safer.

Exit codes:
  255  with --exec-condition: any error, or a signal`,
		Example: acquireExamples,
		Args:    wantPaths(1, 1, "PATH"),
	}
	f.register(cmd, "print the lease, or who has it, as a line of JSON", "")
	cmd.Flags().Bool(execConditionFlag, false, "for ExecCondition= of a systemd unit: errors end with 255, which fails the unit in place of skipping it")
	cmd.RunE = f.store.runE(&f.holder.conflict, func(ctx context.Context, args []string) error {
		return f.acquireAndPrint(ctx, args[0])
	})
	return cmd
}

func (f *leaseFlags) acquireAndPrint(ctx context.Context, path string) error {
	start := time.Now()
	if f.store.execCondition && f.store.given.Changed("conflict-exit-code") {
		return usage("--conflict-exit-code does not go with --exec-condition: the code is %d", exitConflict)
	}
	client, err := f.validate(path)
	if err != nil {
		return err
	}
	if err := f.checkTime(0); err != nil {
		return err
	}
	ctx, stopLooking, err := untilDrained(ctx)
	if err != nil {
		return err
	}
	defer stopLooking()
	_, limit := f.limits(start)
	if client.Store, err = f.store.open(ctx, limit); err != nil {
		return err
	}
	defer f.store.closeStore(client.Store)
	l, err := f.obtain(ctx, client, path, start)
	if err != nil {
		return err
	}
	if err := f.refuseIfDrained(ctx, l); err != nil {
		return err
	}
	f.store.sayIfMade(client.Store)
	f.store.warnIfOpen(ctx, client.Store, l.Path())
	if f.store.json {
		return writeStatuses(f.store.stdout, []leasehold.Status{{
			Path: l.Path(), Slot: l.Slot(), State: leasehold.Held, Holder: l.Holder(),
			End: l.End(), Remaining: max(0, time.Until(l.End())), Since: l.Since(), Token: l.Token(),
		}})
	}
	return writeAll(f.store.stdout, fmt.Appendf(nil, "%s held until %s (token %d)\n", text.Escape(l.Path()), text.Time(l.End()), l.Token()))
}
