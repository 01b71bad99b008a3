package main

import (
	_ "embed"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/template"
)

//go:embed capacity.md.tmpl
var document string

// A reported value is what the document shows; capacity.md.tmpl uses its
// fields.
type reported struct {
	Measurement
	Carried       []carriedRow
	Crowds        []crowdRow
	Rate, Denial  string // of Leasehold, a second
	Link, Link10k string // of kazoo's queue
}

type carriedRow struct{ Delay, Kazoo, Leasehold string }

type crowdRow struct {
	Starts                               string
	KazooOnce, Once, KazooSpread, Spread string
}

var (
	delays = []float64{0, 10, 30, 60} // seconds
	sizes  = []int{100, 1_000, 10_000, 100_000}
)

// spread is the delay, in seconds, that the table of crowds compares with none.
const spread = 60

func (m Measurement) carriedRow(delay float64) carriedRow {
	name := "none"
	if delay > 0 {
		name = fmt.Sprintf("%g s", delay)
	}
	return carriedRow{name, number(m.capacity(true, delay)), number(m.capacity(false, delay))}
}

func (m Measurement) crowdRow(starts int) crowdRow {
	cell := func(kazoo bool, delay float64) string {
		o := m.play(m.elsewhere(kazoo, starts, delay))
		text := seconds(longest(o.answered))
		if !o.carried(kazoo) {
			text = "**" + text + "**"
		}
		return text
	}
	return crowdRow{number(starts), cell(true, 0), cell(false, 0), cell(true, spread), cell(false, spread)}
}

// isNoisy reports whether other programs took part of the machine.
func (m Measurement) isNoisy() bool {
	return slices.ContainsFunc(m.Herds, func(h Herd) bool { return h.Available < 0.9*float64(m.Processors) })
}

// report computes everything, and writes the document.
func (m Measurement) report(w io.Writer) error {
	r := reported{Measurement: m, Carried: make([]carriedRow, len(delays)), Crowds: make([]crowdRow, len(sizes))}
	err := together(len(delays)+len(sizes), func(i int) error {
		if i < len(delays) {
			r.Carried[i] = m.carriedRow(delays[i])
		} else {
			r.Crowds[i-len(delays)] = m.crowdRow(sizes[i-len(delays)])
		}
		return nil
	})
	if err != nil {
		return err
	}
	perSecond := rate(denial(m.Leasehold), m.Processors)
	r.Rate = number(twoDigits(int(perSecond)))
	r.Denial = seconds(1 / perSecond)
	r.Link = seconds(link(m.Kazoo, 0.5e-3, 0))
	r.Link10k = seconds(link(m.Kazoo, 0.5e-3, 10_000))
	t, err := template.New("capacity.md").Funcs(template.FuncMap{
		"seconds": seconds,
		"number":  number,
		"micro":   func(s float64) string { return strconv.FormatFloat(s*1e6, 'f', 1, 64) },
		"micro2":  func(s float64) string { return strconv.FormatFloat(s*1e6, 'f', 2, 64) },
		"herd":    m.herdRow,
		"noisy":   m.isNoisy,
		"costs": func() []costRow {
			return []costRow{
				{"open a session", m.Leasehold.Open, m.Kazoo.Open},
				{"close it", m.Leasehold.Close, m.Kazoo.Close},
				{"read", m.Leasehold.Read, m.Kazoo.Read},
				{"write a small node", m.Leasehold.Write, m.Kazoo.Write},
			}
		},
	}).Parse(document)
	if err != nil {
		return err
	}
	return t.Execute(w, r)
}

type costRow struct {
	Name      string
	Leasehold Work
	Kazoo     Work
}

// herdRow compares a herd with its simulation.
func (m Measurement) herdRow(h Herd) string {
	var what []string
	switch {
	case h.Kazoo:
		what = append(what, "kazoo")
	default:
		what = append(what, "Leasehold")
	}
	if h.Expired {
		what = append(what, "the lease is free")
	}
	if h.Delay > 0 {
		what = append(what, fmt.Sprintf("within %g s", h.Delay))
	}
	simulated, ratio := "not simulated", ""
	if h.Backlog {
		what = append(what, "default backlog")
	} else {
		o := m.simulate(h)
		median := quantile(o.answered, 0.5)
		simulated = seconds(median) + ", " + seconds(o.last)
		ratio = fmt.Sprintf("%.2f, %.2f", median/h.Median, o.last/h.Last)
		if !o.carried(h.Kazoo) {
			ratio = "beyond the limit: clients gave up, and asked again"
		}
	}
	return fmt.Sprintf("| %s | %s | %.2f | %s, %s | %s | %s |", number(h.Starts), strings.Join(what, ", "), h.Available,
		seconds(h.Median), seconds(h.Last), simulated, ratio)
}

// seconds prints a duration with two or three digits and its unit.
func seconds(s float64) string {
	switch {
	case s < 1e-3:
		return fmt.Sprintf("%.2f ms", s*1e3)
	case s < 1:
		return fmt.Sprintf("%.3g ms", s*1e3)
	case s < 100:
		return fmt.Sprintf("%.2g s", s)
	case s < 3*3600:
		return fmt.Sprintf("%.0f min", s/60)
	}
	return fmt.Sprintf("%.0f h", s/3600)
}

// number prints n with commas.
func number(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
