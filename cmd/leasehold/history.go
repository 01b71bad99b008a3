package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/jobs"
	"leasehold.example/leasehold/cmd/leasehold/internal/text"
	"leasehold.example/leasehold/runlog"
)

const historyExamples = `  leasehold history --store zk://zk1,zk2,zk3/apps /db/nightly

  # the last run that failed
  leasehold history --json /db/nightly | jq -s 'map(select(.result == "failure"))[0]'`

func (p *program) historyCommand() *cobra.Command {
	f := storeFlags{program: p, mustExist: true}
	cmd := &cobra.Command{
		Use:   "history [flags] PATH",
		Short: "Show the newest runs of a job, and how they ended",
		Long: `Show the newest runs at PATH, up to 32, the newest first: those of "leasehold
run", and of programs that use the library and ask for it. What was done by hand
(again, pause, resume) is shown too, but not with --json. A result is one of:
  success  COMMAND ended with exit code 0
  failure  it ended with another one, or by a signal
  running  it has not reported its end
  lost     it was stopped, since the lease was lost
  unknown  it never reported its end, as after a power failure
  missed   nobody has run this tick, and a later one is due (not with --json)`,
		Example: historyExamples,
		Args:    wantPaths(1, 1, "PATH"),
	}
	f.register(cmd.Flags(), "print each attempt as a line of JSON")
	conflict := exitConflict
	cmd.RunE = f.runE(&conflict, func(ctx context.Context, args []string) error { return f.history(ctx, args[0]) })
	return cmd
}

func (f *storeFlags) history(ctx context.Context, path string) error {
	if err := leasehold.CheckPath(path); err != nil {
		return err
	}
	var log runlog.Log
	err := f.withClient(ctx, func(ctx context.Context, c *leasehold.Client) (err error) {
		if log, err = c.Runs(ctx, path); err != nil || len(log.Runs) > 0 || log.Head.Schedule != "" {
			return err
		}
		return f.checkChroot(ctx, c.Store)
	})
	switch {
	case err != nil:
		return err
	case f.json:
		b, err := jobs.RunsJSON(path, log)
		return errors.Join(writeAll(f.stdout, b), err)
	case len(log.Runs) == 0 && len(missedTicks(jobs.Job{Log: log}, time.Now())) == 0:
		switch {
		case f.quiet:
		case log.Head.Schedule == "":
			f.say("%s", neverRan(path))
		default:
			f.say("no runs yet")
		}
		return nil
	}
	return writeHistory(f.stdout, log, time.Now())
}

// writeHistory prints the entries of a log for people, and the ticks between them
// that nobody has run.
func writeHistory(w io.Writer, log runlog.Log, now time.Time) error {
	var b bytes.Buffer
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "TICK\tATTEMPT\tHOLDER\tHOST\tSTARTED\tTOOK\tRESULT")
	missed := missedTicks(jobs.Job{Log: log}, now)
	for _, r := range log.Runs {
		var later []time.Time // than this run's tick
		for ; len(missed) > 0 && !r.Tick.IsZero() && missed[0].After(r.Tick); missed = missed[1:] {
			later = append(later, missed[0])
		}
		writeMissed(table, later)
		row := []string{text.Time(r.Tick), "", text.Cut(text.Escape(r.Holder), text.Column), text.Cut(text.Escape(r.Host), text.Column), text.Time(r.Started), "", describeResult(r)}
		if r.Attempt > 0 {
			row[1] = fmt.Sprint(r.Attempt)
		}
		if !r.Ended.IsZero() {
			row[5] = r.Ended.Sub(r.Started).Round(time.Millisecond).String()
		}
		for i, cell := range row {
			if cell == "" {
				row[i] = "-"
			}
		}
		fmt.Fprintln(table, strings.Join(row, "\t"))
	}
	writeMissed(table, missed)
	if err := table.Flush(); err != nil {
		return err
	}
	return writeAll(w, b.Bytes())
}

// missedTicks returns the ticks that nobody has run, the newest first.
func missedTicks(j jobs.Job, now time.Time) []time.Time {
	const most = 1000 // a schedule of each minute may be old
	s, ok := j.Schedule()
	if !ok {
		return nil
	}
	var missed []time.Time
	for _, t := range j.Ticks(s, now, most) {
		if t.Outcome == jobs.Missed {
			missed = append(missed, t.Due)
		}
	}
	return missed
}

// writeMissed prints rows for those ticks, up to 5.
func writeMissed(w io.Writer, ticks []time.Time) {
	const most = 5
	for _, t := range ticks[:min(most, len(ticks))] {
		fmt.Fprintln(w, text.Time(t)+"\t-\t-\t-\t-\t-\tmissed")
	}
	if len(ticks) > most {
		fmt.Fprintln(w, "...\t-\t-\t-\t-\t-\tmore missed")
	}
}

func describeResult(r runlog.Run) string {
	switch {
	case !r.IsAttempt():
		return text.Printable(fmt.Sprintf("%s by hand: %s", r.Result, r.Reason))
	case r.Signal != "":
		return text.Printable(fmt.Sprintf("%s (%s)", r.Result, r.Signal))
	case r.Exit != nil && *r.Exit != 0:
		return fmt.Sprintf("%s (exit %d)", r.Result, *r.Exit)
	}
	return string(r.Result)
}
