package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"leasehold.example/leasehold/cmd/leasehold/internal/supervise"
	"leasehold.example/leasehold/cmd/leasehold/internal/text"
	"leasehold.example/leasehold/runlog"
)

const drainHelp = `Let this host take no new lease until "leasehold undrain", also after a reboot and
while the store can't be reached: leasehold run and acquire are refused with 75,
also those that wait already, and an acquire that would renew a lease. What runs
goes on.

With --wait it waits until nothing runs any more, and the exit code is 75 if
something still does when D is over. The host stays drained then, and also when
the wait is interrupted. Only Linux shows what runs.

With --hand-over, runs with --release always, on-success or on-failure are
stopped, as services with a standby are: SIGTERM, and SIGKILL after --kill-after.
Their leases are released then, and another host has them at once. A lease is kept
if --release on-failure is given and COMMAND ends with 0.

A drain by root goes for all users of the host, and shows the runs of all. It is in
` + rootStateDir + `/` + drainFile + `. A drain by another user goes for that user's runs, and is
in leasehold/` + drainFile + ` in $XDG_STATE_HOME or ~/.local/state. Where $` + stateVariable + `
is set, the file is in that directory, and nothing else counts.`

const drainExamples = `  # before a reboot: let runs end, hand services over to other hosts
  leasehold drain --reason "kernel update" --hand-over --wait 2h

  # is it drained, by whom, and what still runs here?
  leasehold drain --show

  leasehold undrain`

// drainFlags are those of the subcommand drain.
type drainFlags struct {
	*program
	given    *pflag.FlagSet
	reason   string
	wait     waitTime
	handOver bool
	show     bool
	json     bool
}

func (p *program) drainCommand() *cobra.Command {
	f := drainFlags{program: p}
	cmd := &cobra.Command{
		Use:     "drain [flags]",
		Short:   "Let this host take no new lease, and wait for what runs",
		Long:    drainHelp,
		Example: drainExamples,
		Args:    wantPaths(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, _ := supervise.CatchSignals(cmd.Context())
			return finish(ctx, f.run(ctx), exitConflict)
		},
	}
	f.given = cmd.Flags()
	f.given.SortFlags = false
	f.given.StringVar(&f.reason, "reason", "", "why: who is refused reads it; at most 512 bytes")
	f.given.VarP(&f.wait, "wait", "w", "wait up to `D`, or \"forever\", until nothing runs")
	f.given.BoolVar(&f.handOver, "hand-over", false, "stop runs that release their leases, so that another host has them")
	f.given.BoolVar(&f.show, "show", false, "change nothing: print whether this host is drained, and what runs")
	f.given.BoolVar(&f.json, "json", false, "print that as one object of JSON")
	return cmd
}

func (p *program) undrainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "undrain",
		Short: "Let this host take leases again",
		Long: `End this user's drain of the host; see leasehold drain --help. For root that is the
one of all users. What was refused or stopped meanwhile is not started by it.`,
		Example: `  leasehold undrain`,
		Args:    wantPaths(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return finish(cmd.Context(), p.undrain(), exitConflict)
		},
	}
}

func (p *program) undrain() error {
	dir, err := drainDir()
	if err != nil {
		return err
	}
	removed, err := removeDrain(dir)
	if err != nil {
		return err
	}
	drains, err := readDrains()
	switch {
	case err != nil:
		return err
	case len(drains) > 0:
		p.warn("this host is still %s (%s)", drains[0], drains[0].File)
	case !removed && !p.quiet:
		p.say("this host was not drained")
	}
	return nil
}

// drainDir returns the directory that this user's drain is written to.
func drainDir() (string, error) {
	dir, err := ownStateDir()
	if err == nil && dir == "" {
		err = config("name a directory in $"+stateVariable, "no directory for the drain: this user has no home")
	}
	return dir, err
}

func (f *drainFlags) validate() error {
	for _, name := range []string{"reason", "wait", "hand-over"} {
		if f.show && f.given.Changed(name) {
			return usage("--%s does not go with --show, which changes nothing", name)
		}
	}
	switch {
	case len(f.reason) > runlog.MaxText:
		return usage("--reason has %d bytes, must have at most %d", len(f.reason), runlog.MaxText)
	case f.given.Changed("wait") && !seesRuns:
		return usage("--wait needs Linux: elsewhere leasehold does not see what runs")
	}
	return nil
}

func (f *drainFlags) run(ctx context.Context) error {
	if err := f.validate(); err != nil {
		return err
	}
	dir, err := drainDir()
	if err != nil {
		return err
	}
	if !f.show {
		if err := f.drain(dir); err != nil {
			return err
		}
	}
	var runs []localRun
	if f.wait.forever || f.wait.d > 0 {
		runs, err = f.await(ctx)
	} else {
		runs, err = localRuns()
	}
	if err = cmp.Or(err, interrupted(ctx)); err != nil {
		if !f.show && !f.quiet {
			f.say("this host stays drained")
		}
		return err
	}
	drains, err := readDrains()
	if err != nil {
		return err
	}
	if err := f.print(drains, runs); err != nil {
		return err
	}
	switch {
	case !f.given.Changed("wait"):
		return nil
	case len(drains) == 0:
		return &failure{code: exitConflict, denial: true, message: "this host is not drained any more: somebody has ended it meanwhile"}
	case len(runs) > 0:
		return &failure{code: exitConflict, denial: true, message: fmt.Sprintf("%s still here after %s: %s", countRuns(len(runs)), f.wait.d, listRuns(runs))}
	}
	return nil
}

// drain writes the drain. Of one that is there it keeps since when, and what is
// not given anew.
func (f *drainFlags) drain(dir string) error {
	d := drain{By: whoAsks(), Since: time.Now().UTC().Truncate(time.Second), Reason: f.reason, HandOver: f.handOver}
	if former, err := readDrain(dir); err == nil && former != nil { // a damaged one is written anew
		d.Since, d.HandOver = former.Since, d.HandOver || former.HandOver
		if !f.given.Changed("reason") {
			d.By, d.Reason = former.By, former.Reason
		}
	}
	return d.write(dir)
}

// await returns what still runs when --wait is over, or ctx ends.
func (f *drainFlags) await(ctx context.Context) ([]localRun, error) {
	var limit time.Time
	if !f.wait.forever {
		limit = time.Now().Add(f.wait.d)
	}
	ctx, cancel := until(ctx, limit)
	defer cancel()
	defer f.showProgress()()
	said := ""
	for {
		runs, err := localRuns()
		if err != nil || len(runs) == 0 {
			return nil, err
		}
		// No run begins that has not been seen, so one look at all processes will do
		// until one of the runs ends.
		for allGoOn(runs) {
			if words := countRuns(len(runs)) + ": " + listRuns(runs); words != said {
				f.sayWaiting(words, limit)
				said = words
			}
			select {
			case <-ctx.Done():
				return runs, nil
			case <-time.After(awaitInterval):
			}
		}
	}
}

// sayWaiting says what is waited for, where no terminal shows it.
func (f *drainFlags) sayWaiting(words string, limit time.Time) {
	if f.progress.shown.Load() {
		f.setProgress(oneLine(words), limit)
	} else if !f.quiet {
		f.say("waiting for %s", words)
	}
}

const awaitInterval = 100 * time.Millisecond

func allGoOn(runs []localRun) bool {
	for _, r := range runs {
		if !r.goesOn() {
			return false
		}
	}
	return true
}

// drainReport is what --json prints.
type drainReport struct {
	Drained bool       `json:"drained"`
	Drains  []drain    `json:"drains"`
	Running []localRun `json:"running"`
}

// print prints the drains that are in force and what runs.
func (f *drainFlags) print(drains []drain, runs []localRun) error {
	var b bytes.Buffer
	if f.json {
		encoder := json.NewEncoder(&b)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(drainReport{Drained: len(drains) > 0, Drains: append([]drain{}, drains...), Running: append([]localRun{}, runs...)}); err != nil {
			return fmt.Errorf("write what runs: %w", err)
		}
		return writeAll(f.stdout, text.JSON(b.Bytes()))
	}
	for _, d := range drains {
		fmt.Fprintln(&b, text.Printable(d.String()))
	}
	if len(drains) == 0 {
		fmt.Fprintln(&b, "not drained")
	}
	if len(runs) == 0 {
		if seesRuns {
			fmt.Fprintln(&b, "nothing runs")
		}
		return writeAll(f.stdout, b.Bytes())
	}
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PATH\tHOLDER\tUSER\tPID\tPROGRAM\tRUNNING\tRELEASE")
	for _, r := range runs {
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\t%s\t%s\n", text.Escape(r.Path), text.Cut(text.Escape(r.Holder), text.Column), r.User, r.PID,
			text.Cut(text.Escape(r.Program), text.Column), text.Remaining(max(0, time.Since(r.Since))), text.Printable(r.Release))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	return writeAll(f.stdout, b.Bytes())
}

func countRuns(n int) string {
	if n == 1 {
		return "1 run"
	}
	return fmt.Sprintf("%d runs", n)
}

// listRuns names the first few of runs.
func listRuns(runs []localRun) string {
	const most = 3
	var names []string
	for i, r := range runs {
		if i == most {
			names = append(names, fmt.Sprintf("and %d more", len(runs)-most))
			break
		}
		names = append(names, fmt.Sprintf("%s (%s, pid %d)", text.Escape(r.Path), text.Cut(text.Escape(r.Program), text.Column), r.PID))
	}
	return strings.Join(names, ", ")
}
