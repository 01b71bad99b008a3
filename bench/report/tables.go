// Package report shows what a run found: as tables, as plots, and as the page
// docs/performance.md.
package report

import (
	"fmt"
	"io"
	"strings"

	"leasehold.example/leasehold/bench/result"
)

// A table is one of text, which Markdown shows as a table as well.
type table struct {
	title string
	rows  [][]string // the first is the heading
}

// write writes it with aligned columns; the first is aligned to the left.
func (t table) write(w *strings.Builder) {
	if len(t.rows) < 2 {
		return
	}
	width := make([]int, len(t.rows[0]))
	for _, row := range t.rows {
		for i, cell := range row {
			width[i] = max(width[i], len([]rune(cell)))
		}
	}
	if t.title != "" {
		fmt.Fprintf(w, "\n%s\n", t.title)
	}
	w.WriteString("\n")
	for i, row := range t.rows {
		for j, cell := range row {
			space := strings.Repeat(" ", width[j]-len([]rune(cell)))
			if j == 0 {
				cell, space = cell+space, ""
			}
			fmt.Fprintf(w, "| %s%s ", space, cell)
		}
		w.WriteString("|\n")
		if i == 0 {
			for j := range row {
				right := ":"
				if j == 0 {
					right = "-"
				}
				fmt.Fprintf(w, "| %s%s ", strings.Repeat("-", max(2, width[j]-1)), right)
			}
			w.WriteString("|\n")
		}
	}
}

// Tables writes all tables of a run.
func Tables(w io.Writer, f *result.File) error {
	var text strings.Builder
	for _, t := range tables(f) {
		t.write(&text)
	}
	_, err := io.WriteString(w, text.String())
	return err
}

func tables(f *result.File) []table {
	all := []table{rows(f)}
	for _, servers := range []int{1, 3} {
		all = append(all, requests(f, servers))
	}
	return append(all, slots(f), processes(f), herds(f), holds(f), growth(f))
}

func rows(f *result.File) table {
	t := table{"What must hold", [][]string{{"work", "must be", "is", ""}}}
	for _, r := range f.Rows {
		is := number(r.Got)
		if r.Why != "" {
			is = r.Why
		}
		t.rows = append(t.rows, []string{r.Work, r.Must, is, r.Verdict()})
	}
	return t
}

// number prints three digits or so.
func number(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	case v >= 0.01:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.2g", v)
}

func both(m result.Measure) string { return number(m.Median) + " · " + number(m.P99) }

func plural(servers int) string {
	if servers == 1 {
		return "one server"
	}
	return "three servers"
}

// peerTable has a row for each work and a column for each peer that has
// figures for any of them.
func peerTable(f *result.File, title string, works []string, get func(work, peer string) (result.Measure, bool)) table {
	t := table{title: title, rows: [][]string{{"work"}}}
	var peers []string
	for _, peer := range result.Peers {
		for _, work := range works {
			if _, ok := get(work, peer); ok {
				peers = append(peers, peer)
				break
			}
		}
	}
	t.rows[0] = append(t.rows[0], peers...)
	for _, work := range works {
		row, any := []string{work}, false
		for _, peer := range peers {
			m, ok := get(work, peer)
			cell := ""
			if ok {
				any, cell = true, both(m)
			}
			row = append(row, cell)
		}
		if any {
			t.rows = append(t.rows, row)
		}
	}
	return t
}

func requests(f *result.File, servers int) table {
	works := []string{
		result.Get, result.Set, result.Create, result.Deny, result.Renew,
		result.Grant, result.GrantNew, result.Takeover, result.Release, result.Cycle,
	}
	return peerTable(f, "Requests on an open session, "+plural(servers)+" (median · p99, ms)", works,
		func(work, peer string) (result.Measure, bool) { return f.Measure(work, peer, servers, 0) })
}

func slots(f *result.File) table {
	sizes := map[string]result.Measure{} // only Slots and Servers are of use
	var works []string
	for _, servers := range []int{1, 3} {
		for _, n := range []int{1, 10, 100} {
			work := fmt.Sprintf("%d, %s", n, plural(servers))
			works, sizes[work] = append(works, work), result.Measure{Slots: n, Servers: servers}
		}
	}
	return peerTable(f, "Deny on slots, all of them held (median · p99, ms)", works,
		func(work, peer string) (result.Measure, bool) {
			return f.Measure(result.DenySlots, peer, sizes[work].Servers, sizes[work].Slots)
		})
}

func processes(f *result.File) table {
	return peerTable(f, "Whole processes, from start to end (median · p99, ms)",
		[]string{result.ProcessConnect, result.ProcessStart, result.ProcessDenied, result.ProcessGranted},
		func(work, peer string) (result.Measure, bool) { return f.Measure(work, peer, 1, 0) })
}

func herds(f *result.File) table {
	t := table{"Herds on one expired lease, until the last contender has an answer", [][]string{{
		"contenders", "peer", "rounds", "median ms", "longest ms", "requests", "committed writes", "by losers that come later",
	}}}
	for _, h := range f.Herds {
		row := []string{fmt.Sprint(h.Contenders), h.Peer, fmt.Sprint(h.Rounds), number(h.Median), number(h.P99)}
		if h.Requests > 0 {
			row = append(row, fmt.Sprint(h.Requests), fmt.Sprint(h.Commits))
		} else {
			row = append(row, "", "")
		}
		late := ""
		if h.Peer == result.Leasehold {
			late = fmt.Sprint(h.Late)
		}
		t.rows = append(t.rows, append(row, late))
	}
	return t
}

func holds(f *result.File) table {
	t := table{"One process that holds leases of 10 s", [][]string{{
		"leases", "requests/s", "commits/s", "processors", "bytes each", "resident bytes each", "goroutines each", "least left, s", "renewed late", "lost",
	}}}
	for _, h := range f.Holds {
		n := float64(h.Leases)
		t.rows = append(t.rows, []string{
			fmt.Sprint(h.Leases), number(h.Requests), number(h.Commits), number(h.CPU / h.Seconds),
			fmt.Sprintf("%.0f", float64(h.Bytes)/n), fmt.Sprintf("%.0f", float64(h.RSS)/n), number(float64(h.Goroutines) / n),
			fmt.Sprintf("%.1f (late: %.1f)", h.Least, h.LateBelow), fmt.Sprint(h.Late), fmt.Sprint(h.Lost),
		})
	}
	return t
}

func growth(f *result.File) table {
	t := table{"Growth: cost = c · sizeᵉ, by least squares of the logarithms", [][]string{{"cost", "against", "peer", "sizes", "e"}}}
	for _, fit := range f.Fits {
		t.rows = append(t.rows, []string{
			fit.What, fit.Against, fit.Peer, fmt.Sprintf("%g to %g", fit.From, fit.To), fmt.Sprintf("%.2f", fit.Exponent),
		})
	}
	return t
}
