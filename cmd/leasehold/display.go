package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/jobs"
	"leasehold.example/leasehold/cmd/leasehold/internal/text"
)

// writeJSON prints a line of JSON for each of all.
func writeJSON(w io.Writer, all []jobs.Job) error {
	b, err := jobs.JSON(all, time.Now())
	return errors.Join(writeAll(w, b), err)
}

// writeStatuses prints them as writeJSON does, without run logs.
func writeStatuses(w io.Writer, statuses []leasehold.Status) error {
	return writeJSON(w, jobs.WithoutLogs(statuses))
}

// writeTable prints states for people.
func writeTable(w io.Writer, states []jobs.Job) error {
	var b bytes.Buffer
	now := time.Now()
	columns := []string{"PATH", "STATE", "HOLDER", "END", "REMAINING", "SINCE", "TOKEN", "RUN", "REASON"}
	none := func(cell func(jobs.Job) string) bool {
		return !slices.ContainsFunc(states, func(s jobs.Job) bool { return cell(s) != "" })
	}
	reason := func(s jobs.Job) string { return text.Printable(s.Reason) }
	run := func(s jobs.Job) string { return describe(s, now) }
	noReason, noRun := none(reason), none(run)
	if noReason {
		columns = columns[:8]
	}
	if noRun {
		columns = slices.Delete(columns, 7, 8)
	}
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, strings.Join(columns, "\t"))
	for _, s := range states {
		remaining, since, token := "", "", ""
		if s.State == leasehold.Held {
			remaining = text.Remaining(s.Remaining)
		}
		if s.State != leasehold.Free {
			since = text.Time(s.Since)
			if s.Token > 0 {
				token = strconv.FormatInt(s.Token, 10)
			}
		}
		row := []string{text.Escape(s.Path), s.State.String(), text.Cut(text.Escape(s.Holder), text.Column), text.Time(s.End), remaining, since, token, run(s), reason(s)}
		if noRun {
			row = slices.Delete(row, 7, 8)
		}
		for i, cell := range row {
			if cell == "" {
				row[i] = "-"
			}
		}
		fmt.Fprintln(table, strings.Join(row[:len(columns)], "\t"))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	return writeAll(w, b.Bytes())
}

func writeAll(w io.Writer, b []byte) error {
	if _, err := w.Write(b); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}

// heldBy says who has the lease, and until when.
func heldBy(held *leasehold.HeldError) string {
	what := text.Escape(held.Path) + " is held by"
	if held.Slots != nil {
		what = fmt.Sprintf("all %d slots of %s are held, the first to end by", len(held.Slots), text.Escape(held.Path))
	}
	return fmt.Sprintf("%s %q until %s", what, text.Cut(held.Holder, text.Message), text.Time(held.End))
}

func denialMessage(held *leasehold.HeldError) string {
	return fmt.Sprintf("%s (for another %s, token %d)", heldBy(held), text.Remaining(held.Remaining), held.Token)
}

// denied returns what a denial says of the leases.
func denied(held *leasehold.HeldError) []leasehold.Status {
	if held.Slots != nil {
		return held.Slots
	}
	return []leasehold.Status{{
		Path: held.Path, Slot: -1, State: leasehold.Held, Holder: held.Holder,
		End: held.End, Remaining: held.Remaining, Token: held.Token,
	}}
}
