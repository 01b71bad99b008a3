package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"text/template"

	"leasehold.example/leasehold/bench/figures"
	"leasehold.example/leasehold/internal/testpair"
)

const docs = "../docs/"

//go:embed performance.md.tmpl
var page string

// results is where the figures of a pair of versions are kept.
func results(pair string) string { return "results/performance-" + pair + ".json" }

// writePage makes docs/performance.md and its plots from the figures that are
// kept: those of Debian's servers, and beside them what must hold on the newest.
func writePage() error {
	run, err := figures.Load(results(testpair.Debian))
	if err != nil {
		return err
	}
	newest, err := figures.Load(results(testpair.Newest))
	if errors.Is(err, fs.ErrNotExist) {
		newest, err = nil, nil
	}
	if err != nil {
		return err
	}
	for name, svg := range plots(run) {
		if err := os.WriteFile(docs+"performance/"+name, svg, 0o644); err != nil {
			return err
		}
	}
	t, err := template.New("").Funcs(template.FuncMap{
		"pairs": func(m map[string]string) string {
			rows := [][]string{{"", ""}}
			for _, key := range slices.Sorted(maps.Keys(m)) {
				rows = append(rows, []string{key, m[key]})
			}
			return figures.Table(rows)
		},
		"minutes": func(seconds float64) string { return fmt.Sprintf("%.0f", seconds/60) },
	}).Parse(page)
	if err != nil {
		return err
	}
	var text strings.Builder
	err = t.Execute(&text, map[string]any{
		"Run": run, "Newest": newest, "Promises": promisesTable(run, newest), "Tables": tables(run),
	})
	if err != nil {
		return err
	}
	return os.WriteFile(docs+"performance.md", []byte(text.String()), 0o644)
}

// promisesTable shows what must hold; newest may be nil.
func promisesTable(run, newest *figures.Run) string {
	rows := [][]string{{"work", "must be", "on " + run.Versions["ZooKeeper"]}}
	for _, p := range promises(run) {
		rows = append(rows, []string{p.work, p.must, p.verdict()})
	}
	if newest != nil {
		rows[0] = append(rows[0], "on "+newest.Versions["ZooKeeper"])
		for i, p := range promises(newest) {
			rows[i+1] = append(rows[i+1], p.verdict())
		}
	}
	return figures.Table(rows)
}

func heading(name string, k figures.Key) figures.Heading { return figures.Heading{Name: name, Key: k} }

// tables shows all figures of a run.
func tables(run *figures.Run) string {
	var text strings.Builder
	add := func(title, table string) {
		if table != "" {
			fmt.Fprintf(&text, "\n### %s\n\n%s", title, table)
		}
	}
	var byPeer []figures.Heading
	for _, peer := range peers {
		byPeer = append(byPeer, heading(peer, figures.Key{Peer: peer}))
	}
	works := func(servers int, names ...string) (rows []figures.Heading) {
		for _, work := range names {
			rows = append(rows, heading(work, figures.Key{Work: work, Servers: servers}))
		}
		return rows
	}
	sized := func(work, unit string, sizes ...int) (rows []figures.Heading) {
		for _, servers := range []int{1, 3} {
			for _, size := range sizes {
				rows = append(rows, heading(fmt.Sprintf("%d %s%s", size, unit, on(servers)), figures.Key{Work: work, Servers: servers, Size: size}))
			}
		}
		return rows
	}
	for _, servers := range []int{1, 3} {
		add("Requests on an open session"+on(servers)+" (median · p99, ms)", run.Grid("work",
			works(servers, get, set, create, deny, renew, grant, grantNew, takeover, release, bothWays, handover,
				tickGranted, tickFinished, tickDenied, tickDeniedByLog), byPeer))
	}
	add("Deny on slots, all of them held (median · p99, ms)", run.Grid("slots", sized(denySlots, "slots", 1, 10, 100), byPeer))
	add("Whole processes, from start to end (median · p99, ms)", run.Grid("work",
		works(1, processConnect, processStart, processDenied, processGranted), byPeer))
	sizes := []int{10, 50, 200, 1000}
	add("Herd on one expired lease, until the last contender has an answer (median · p99, ms)",
		run.Grid("contenders", sized(herd, "contenders", sizes...), byPeer))
	for _, work := range []string{herdRequests, herdCommits, herdLate} {
		add(strings.ToUpper(work[:1])+work[1:], run.Grid("contenders", sized(work, "contenders", sizes...), byPeer))
	}
	var holds []figures.Heading
	for _, n := range full.holds {
		holds = append(holds, heading(fmt.Sprintf("%d leases", n), figures.Key{Peer: ours, Size: n}))
	}
	add("One process that holds leases of 10 s", run.Grid("in all",
		works(1, holdRequests, holdCommits, holdCPU, holdBytes, holdGoroutines, holdLate, holdLost), holds))
	return text.String()
}

// colors of the peers that all can tell apart (Okabe and Ito's).
var colors = map[string]string{ours: "#0072b2", kazoo: "#e69f00", mutex: "#009e73", semaphore: "#56b4e9", etcd: "#cc79a7"}

// plots are the pictures of the page, by file name.
func plots(run *figures.Run) map[string][]byte {
	all := map[string][]byte{}
	for _, p := range []struct{ file, title, work, x, y string }{
		{"herd.svg", "Herd on one expired lease, until all have an answer", herd, "contenders", "ms"},
		{"slots.svg", "Deny on slots, all held", denySlots, "slots", "ms"},
		{"memory.svg", "Memory of one process that holds leases, beyond the callers' goroutines", holdBytes, "leases", "bytes"},
	} {
		chart := figures.Chart{Title: p.title, X: p.x, Y: p.y}
		for _, peer := range peers {
			if points := run.Sizes(figures.Key{Work: p.work, Peer: peer, Servers: 1}); len(points) > 1 {
				name := fmt.Sprintf("%s (n^%.2f)", peer, figures.Exponent(points))
				chart.Lines = append(chart.Lines, figures.Line{Name: name, Color: colors[peer], Points: points})
			}
		}
		if len(chart.Lines) > 0 {
			all[p.file] = chart.SVG()
		}
	}
	return all
}
