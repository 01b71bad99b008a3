package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/text"
	"leasehold.example/leasehold/runlog"
	"leasehold.example/leasehold/schedule"
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
		log, err = c.Runs(ctx, path)
		return err
	})
	switch {
	case err != nil:
		return err
	case f.json:
		return writeRuns(f.stdout, path, log)
	case len(log.Runs) == 0:
		if !f.quiet {
			f.say("no runs")
		}
		return nil
	}
	return writeHistory(f.stdout, log, time.Now())
}

// runJSON is what --json prints for a run. Keys are absent where they mean
// nothing.
type runJSON struct {
	Path     string   `json:"path,omitempty"`
	Tick     string   `json:"tick,omitempty"`
	Attempt  int      `json:"attempt,omitempty"`
	Holder   string   `json:"holder"`
	Host     string   `json:"host,omitempty"`
	Program  string   `json:"program,omitempty"`
	Started  string   `json:"started"`
	Ended    string   `json:"ended,omitempty"`
	Took     *float64 `json:"took_seconds,omitempty"`
	Result   string   `json:"result"`
	Exit     *int     `json:"exit,omitempty"`
	Signal   string   `json:"signal,omitempty"`
	Schedule string   `json:"schedule,omitempty"`
	Timezone string   `json:"timezone,omitempty"`
}

func newRunJSON(path string, r runlog.Run, h runlog.Head) *runJSON {
	line := &runJSON{
		Path: path, Tick: text.Time(r.Tick), Attempt: r.Attempt, Holder: r.Holder, Host: r.Host, Program: r.Program,
		Started: text.Time(r.Started), Ended: text.Time(r.Ended), Result: string(r.Result), Exit: r.Exit, Signal: r.Signal,
	}
	if !r.Ended.IsZero() {
		seconds := r.Ended.Sub(r.Started).Seconds()
		line.Took = &seconds
	}
	if !r.Tick.IsZero() {
		line.Schedule, line.Timezone = h.Schedule, h.Timezone
	}
	return line
}

// writeRuns prints a line of JSON for each attempt.
func writeRuns(w io.Writer, path string, log runlog.Log) error {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	for _, r := range log.Runs {
		if r.IsAttempt() {
			if err := encoder.Encode(newRunJSON(path, r, log.Head)); err != nil {
				return err
			}
		}
	}
	return writeAll(w, text.JSON(b.Bytes()))
}

// writeHistory prints the entries of a log for people, and the ticks between them
// that nobody has run.
func writeHistory(w io.Writer, log runlog.Log, now time.Time) error {
	var b bytes.Buffer
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "TICK\tATTEMPT\tHOLDER\tHOST\tSTARTED\tTOOK\tRESULT")
	after := newestDue(log.Head, now) // the tick of the row above; or this one, which may still be run
	for _, r := range log.Runs {
		if !r.Tick.IsZero() && r.Tick.Before(after) {
			for _, row := range missedRows(log.Head, r.Tick, after) {
				fmt.Fprintln(table, row)
			}
			after = r.Tick
		}
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
	if err := table.Flush(); err != nil {
		return err
	}
	return writeAll(w, b.Bytes())
}

// newestDue returns the newest tick of the log's schedule that is due, or now if
// there is none.
func newestDue(h runlog.Head, now time.Time) time.Time {
	if s, err := schedule.Parse(h.Schedule, h.Timezone); err == nil {
		if due, ok := s.Previous(now); ok {
			return due
		}
	}
	return now
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

// missedRows returns rows for the ticks after from and before to, the newest first.
func missedRows(h runlog.Head, from, to time.Time) []string {
	ticks, more := ticksBetween(h, from, to)
	var rows []string
	for _, t := range slices.Backward(ticks) {
		rows = append(rows, text.Time(t)+"\t-\t-\t-\t-\t-\tmissed")
	}
	if more {
		rows = append(rows, "...\t-\t-\t-\t-\t-\tmore missed")
	}
	return rows
}

// ticksBetween returns the last ticks of the log's schedule after from and before
// to, and whether there are more. Before the schedule was first seen there are
// none.
func ticksBetween(h runlog.Head, from, to time.Time) (ticks []time.Time, more bool) {
	const most = 5
	s, err := schedule.Parse(h.Schedule, h.Timezone)
	if err != nil { // another program's
		return nil, false
	}
	if from.Before(h.Since) {
		from = h.Since
	}
	for t, ok := s.Previous(to.Add(-time.Nanosecond)); ok && t.After(from); t, ok = s.Previous(t.Add(-time.Nanosecond)) {
		if len(ticks) == most {
			return ticks, true
		}
		ticks = slices.Insert(ticks, 0, t)
	}
	return ticks, false
}
