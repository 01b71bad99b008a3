package main

import (
	_ "embed"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"text/template"

	"leasehold.example/leasehold/bench/figures"
)

const docs = "../docs/"

//go:embed capacity.md.tmpl
var page string

// modelOf returns what a run measured the costs to be. A session is counted
// half for its opening and half for its close.
func modelOf(run *figures.Run) model {
	value := func(name, peer string) float64 { return run.Value(figures.Key{Work: name, Peer: peer}) }
	cost := func(request, peer, client string) work {
		return work{
			value(request+", pipeline", peer) / 1000,
			value(request+", server", peer) / 1000,
			value(request+", client", client) / 1000,
		}
	}
	// The server's part was measured with many of Leasehold's clients at once,
	// whoever asks.
	of := func(peer string) costs {
		half := work{}.plus(cost("session", leaseholdPeer, peer), 0.5)
		return costs{
			open: half, close: half, read: cost("read", leaseholdPeer, peer), write: cost("write", leaseholdPeer, peer),
			child: cost("child", kazooPeer, kazooPeer), flush: value("flush", "") / 1000,
		}
	}
	return model{int(value("processors", "")), of(leaseholdPeer), of(kazooPeer)}
}

// writePage makes docs/capacity.md and its plot from the figures that are kept.
func writePage() error {
	run, err := figures.Load(results)
	if err != nil {
		return err
	}
	m := modelOf(run)
	t, err := template.New("").Parse(page)
	if err != nil {
		return err
	}
	perSecond := rate(denial(m.leasehold), m.processors)
	var text strings.Builder
	err = t.Execute(&text, map[string]any{
		"Run": run, "Date": run.Date.Format("2006-01-02"), "Flush": micro(m.leasehold.flush), "Processors": m.processors,
		"Carried": carriedTable(m), "Waits": waitsTable(m), "Costs": costsTable(m), "Herds": herdsTable(run, m),
		"Rate": number(twoDigits(perSecond)), "Denial": seconds(1 / perSecond),
		"Link": seconds(link(m.kazoo, roundTrip, 0)), "Link10k": seconds(link(m.kazoo, roundTrip, 10_000)),
	})
	if err != nil {
		return err
	}
	if err := os.WriteFile(docs+"capacity.svg", plot(run, m), 0o644); err != nil {
		return err
	}
	return os.WriteFile(docs+"capacity.md", []byte(text.String()), 0o644)
}

func carriedTable(m model) string {
	rows := [][]string{{"random delay of each start, up to", "kazoo carries", "Leasehold carries"}}
	for _, delay := range []float64{0, 10, 30, 60} {
		rows = append(rows, []string{
			fmt.Sprintf("%g s", delay), number(m.carried(true, delay)) + " starts", number(m.carried(false, delay)) + " starts",
		})
	}
	rows[1][0] = "none"
	return figures.Table(rows)
}

func waitsTable(m model) string {
	rows := [][]string{{"starts of one job at once", "kazoo", "Leasehold"}}
	for _, n := range []int{100, 1_000, 10_000, 100_000} {
		row := []string{number(n)}
		for _, kazoo := range []bool{true, false} {
			wait := seconds(m.wait(kazoo, n))
			if n > m.carried(kazoo, 0) {
				wait = "**" + wait + "**"
			}
			row = append(row, wait)
		}
		rows = append(rows, row)
	}
	return figures.Table(rows)
}

func costsTable(m model) string {
	rows := [][]string{{"", "server's busiest thread (P)", "its other threads (S)", "Leasehold's client", "kazoo's client"}}
	l, k := m.leasehold, m.kazoo
	for _, c := range []struct {
		name             string
		leasehold, kazoo work
	}{
		{"open a session, or close it", l.open, k.open},
		{"read", l.read, k.read},
		{"write a small node", l.write, k.write},
	} {
		rows = append(rows, []string{c.name, micro(c.leasehold.pipeline), micro(c.leasehold.server), micro(c.leasehold.client), micro(c.kazoo.client)})
	}
	rows = append(rows, []string{"each child in a list", micro(k.child.pipeline), micro(k.child.server), "", micro(k.child.client)})
	return figures.Table(rows)
}

func herdsTable(run *figures.Run, m model) string {
	rows := [][]string{{"starts", "", "median wait", "longest wait", "longest, computed", "computed / measured"}}
	for _, f := range run.Figures {
		name, ok := strings.CutSuffix(f.Work, ", longest")
		if !ok {
			continue
		}
		k := f.Key
		k.Work = name + ", median"
		row := []string{number(f.Size), f.Peer + ", " + name, seconds(run.Value(k) / 1000), seconds(f.Median / 1000), "", ""}
		if name == starts {
			computed := m.here(f.Peer == kazooPeer, f.Size)
			row[4], row[5] = seconds(computed), fmt.Sprintf("%.2f", computed*1000/f.Median)
		}
		rows = append(rows, row)
	}
	return figures.Table(rows)
}

// plot draws the longest wait against the number of starts at once.
func plot(run *figures.Run, m model) []byte {
	c := figures.Chart{Title: "Longest wait of starts at once", X: "starts of one job (hosts)", Y: "s"}
	for _, peer := range []struct{ name, color string }{{kazooPeer, "#e69f00"}, {leaseholdPeer, "#0072b2"}} {
		computed := figures.Line{Name: peer.name + ", computed", Color: peer.color}
		for i := range 9 {
			n := math.Round(10 * math.Pow(10, float64(i)/2))
			computed.Points = append(computed.Points, figures.Point{X: n, Y: m.wait(peer.name == kazooPeer, int(n))})
		}
		measured := figures.Line{Name: peer.name + ", measured", Color: peer.color, Loose: true}
		for _, p := range run.Sizes(figures.Key{Work: starts + ", longest", Peer: peer.name}) {
			measured.Points = append(measured.Points, figures.Point{X: p.X, Y: p.Y / 1000})
		}
		c.Lines = append(c.Lines, computed, measured)
	}
	return c.SVG()
}

func micro(s float64) string { return figures.Number(s * 1e6) }

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
