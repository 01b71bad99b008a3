package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/text"
)

// stateJSON is what --json prints for a lease. Keys are absent where they mean
// nothing.
type stateJSON struct {
	Path      string   `json:"path"`
	Slot      *int     `json:"slot,omitempty"`
	State     string   `json:"state"`
	Holder    string   `json:"holder,omitempty"`
	End       string   `json:"end,omitempty"`
	Remaining *float64 `json:"remaining_seconds,omitempty"`
	Since     string   `json:"since,omitempty"`
	Token     int64    `json:"token,omitempty"`
	Reason    string   `json:"reason,omitempty"`
	Run       string   `json:"run,omitempty"`
	LastRun   *runJSON `json:"last_run,omitempty"`
}

// writeJSON prints one line for each of states.
func writeJSON(w io.Writer, states []leaseState) error {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	for _, s := range states {
		line := stateJSON{Path: s.Path, State: s.State.String(), Holder: s.Holder, End: text.Time(s.End), Reason: s.Reason, Run: s.run()}
		if r := s.newest(); r != nil {
			line.LastRun = newRunJSON("", *r, s.log.Head)
		}
		if s.Slot >= 0 {
			line.Slot = &s.Slot
		}
		if s.State == leasehold.Held {
			seconds := s.Remaining.Truncate(time.Millisecond).Seconds()
			line.Remaining = &seconds
		}
		if s.State != leasehold.Free { // else they are those of a lease that was given up
			line.Since, line.Token = text.Time(s.Since), s.Token
		}
		if err := encoder.Encode(line); err != nil {
			return fmt.Errorf("write the state of %q: %w", s.Path, err)
		}
	}
	return writeAll(w, text.JSON(b.Bytes()))
}

// writeTable prints states for people.
func writeTable(w io.Writer, states []leaseState) error {
	var b bytes.Buffer
	now := time.Now()
	columns := []string{"PATH", "STATE", "HOLDER", "END", "REMAINING", "SINCE", "TOKEN", "RUN", "REASON"}
	none := func(cell func(leaseState) string) bool {
		return !slices.ContainsFunc(states, func(s leaseState) bool { return cell(s) != "" })
	}
	reason := func(s leaseState) string { return text.Printable(s.Reason) }
	run := func(s leaseState) string { return s.describe(now) }
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

// denialMessage says who has the lease, and until when.
func denialMessage(held *leasehold.HeldError) string {
	what := text.Escape(held.Path) + " is held by"
	if held.Slots != nil {
		what = fmt.Sprintf("all %d slots of %s are held, the first to end by", len(held.Slots), text.Escape(held.Path))
	}
	return fmt.Sprintf("%s %q until %s (for another %s, token %d)",
		what, text.Cut(held.Holder, text.Message), text.Time(held.End), text.Remaining(held.Remaining), held.Token)
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
