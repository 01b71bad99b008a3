package main

import (
	"bytes"
	"cmp"
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

// A column is one of the table of jobs. An optional one is left out where all its
// cells are empty.
type column struct {
	name     string
	optional bool
	cell     func(jobs.Job) string
}

func columns(now time.Time) []column {
	return []column{
		{"PATH", false, func(j jobs.Job) string { return text.Escape(j.Path) }},
		{"STATE", false, func(j jobs.Job) string { return j.State.String() }},
		{"HOLDER", false, func(j jobs.Job) string { return text.Cut(text.Escape(j.Holder), text.Column) }},
		{"END", false, func(j jobs.Job) string { return text.Time(j.End) }},
		{"REMAINING", false, func(j jobs.Job) string {
			if j.State != leasehold.Held {
				return ""
			}
			return text.Remaining(j.Remaining)
		}},
		{"ENDED", true, func(j jobs.Job) string {
			ended, ok := j.EndedAgo(now)
			if !ok {
				return ""
			}
			return ago(ended)
		}},
		{"SINCE", false, func(j jobs.Job) string { return text.Time(j.Since) }},
		{"TOKEN", false, func(j jobs.Job) string {
			if j.Token == 0 {
				return ""
			}
			return strconv.FormatInt(j.Token, 10)
		}},
		{"RUN", true, func(j jobs.Job) string { return describe(j, now) }},
		{"REASON", true, func(j jobs.Job) string { return text.Printable(j.Reason) }},
	}
}

// ago says how long ago something was.
func ago(d time.Duration) string {
	if days := d / (24 * time.Hour); days > 1 {
		return fmt.Sprintf("%d days ago", days)
	}
	return text.Remaining(d) + " ago"
}

// writeTable prints jobs for people.
func writeTable(w io.Writer, all []jobs.Job) error {
	var b bytes.Buffer
	shown := slices.DeleteFunc(columns(time.Now()), func(c column) bool {
		return c.optional && !slices.ContainsFunc(all, func(j jobs.Job) bool { return c.cell(j) != "" })
	})
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(cell func(column) string) {
		var cells []string
		for _, c := range shown {
			cells = append(cells, cmp.Or(cell(c), "-"))
		}
		fmt.Fprintln(table, strings.Join(cells, "\t"))
	}
	row(func(c column) string { return c.name })
	for _, j := range all {
		row(func(c column) string { return c.cell(j) })
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
