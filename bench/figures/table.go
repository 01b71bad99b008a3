package figures

import (
	"fmt"
	"math"
	"strings"
	"text/tabwriter"
)

// Table returns rows as a table of Markdown that can be read as text as well.
// The first row is the heading. It is "" where there is nothing but that.
func Table(rows [][]string) string {
	if len(rows) < 2 {
		return ""
	}
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 1, ' ', 0)
	for i, row := range rows {
		fmt.Fprintf(w, "| %s\t|\n", strings.Join(row, "\t| "))
		if i == 0 {
			fmt.Fprintf(w, "| ---%s\t|\n", strings.Repeat("\t| ---:", len(row)-1))
		}
	}
	w.Flush() // to memory: it can't fail
	return text.String()
}

// A Heading is that of a row or column of a Grid, and what it adds to the key
// of each figure in it.
type Heading struct {
	Name string
	Key
}

// Grid returns a table of figures, without the rows and columns that would be
// empty.
func (r *Run) Grid(corner string, rows, columns []Heading) string {
	cells := func(row Heading, columns []Heading) (cells []string) {
		for _, c := range columns {
			k := row.Key
			k.Work, k.Peer, k.Servers, k.Size = k.Work+c.Work, k.Peer+c.Peer, k.Servers+c.Servers, k.Size+c.Size
			cell := ""
			if f, ok := r.Get(k); ok {
				cell = Number(f.Median)
				if f.P99 > 0 {
					cell += " · " + Number(f.P99)
				}
			}
			cells = append(cells, cell)
		}
		return cells
	}
	table := [][]string{{corner}}
	var filled []Heading
	for _, c := range columns {
		for _, row := range rows {
			if cells(row, []Heading{c})[0] != "" {
				filled = append(filled, c)
				table[0] = append(table[0], c.Name)
				break
			}
		}
	}
	for _, row := range rows {
		if cells := cells(row, filled); strings.Join(cells, "") != "" {
			table = append(table, append([]string{row.Name}, cells...))
		}
	}
	return Table(table)
}

// Number prints about three digits.
func Number(v float64) string {
	switch {
	case v == 0 || v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	case v >= 0.01 || math.IsNaN(v):
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.2g", v)
}
