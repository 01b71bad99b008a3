package report

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"leasehold.example/leasehold/bench/chart"
	"leasehold.example/leasehold/bench/result"
)

// colors of the peers, that all can tell apart (Okabe and Ito's).
var colors = map[string]string{
	result.Bare: "#999999", result.Leasehold: "#0072b2", result.Kazoo: "#e69f00",
	result.Mutex: "#009e73", result.Semaphore: "#56b4e9", result.Etcd: "#cc79a7",
}

// Write writes the page performance.md into the folder docs, and its plots into
// docs/performance. source is the name of the file with the figures.
func Write(docs, source string, f *result.File) error {
	folder := filepath.Join(docs, "performance")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	var images strings.Builder
	for _, p := range plots(f) {
		if err := os.WriteFile(filepath.Join(folder, p.file), p.svg, 0o644); err != nil {
			return err
		}
		fmt.Fprintf(&images, "\n![%s](performance/%s)\n", p.alt, p.file)
	}
	var text strings.Builder
	fmt.Fprintf(&text, head, f.Command, source, f.Date.Format("2006-01-02 15:04"), f.Seconds/60)
	for _, part := range []map[string]string{f.Machine, f.Versions} {
		t := [][]string{{"", ""}}
		for _, key := range slices.Sorted(maps.Keys(part)) {
			t = append(t, []string{key, part[key]})
		}
		table{rows: t}.write(&text)
	}
	text.WriteString(method)
	for name, why := range f.Failed {
		fmt.Fprintf(&text, "\nNot measured, since it failed: %s: %s\n", name, why)
	}
	all := tables(f)
	all[0].title = "## " + all[0].title
	all[0].write(&text)
	text.WriteString(obstacles(f))
	text.WriteString("\n## Plots\n" + images.String() + "\n## Figures\n")
	for _, t := range all[1:] {
		t.title = "### " + t.title
		t.write(&text)
	}
	return os.WriteFile(filepath.Join(docs, "performance.md"), []byte(text.String()), 0o644)
}

const head = `# Performance

Leasehold beside its peers, and beside the bare requests that it can't do
without. Made by ` + "`%s`" + ` from a run that is kept in [bench/%[2]s](../bench/%[2]s);
` + "`cd bench && go run ./cmd/report`" + ` draws this page anew from it. Don't edit it.

Run on %[3]s UTC, in %.0[4]f minutes, on:
`

const method = `
How it is measured:

- All on one machine, over loopback: servers and clients share its processors.
  Every commit is synced to the disk named above. Compare within one run only.
- The peers take turns, requests in a new random order in each round; rounds that
  warm up are not counted. Medians and 99th percentiles. Whatever runs in a process of
  its own (kazoo, Curator) times itself there. On three servers all clients use the
  same follower.
- "Bare request" is one get, set or create through go-zookeeper, the client
  library in wide use; Leasehold has a client of its own.
- A grant finds a lease that the same peer's holder has given up; a takeover finds
  another's lease expired. Peers' locks are not leases: Curator's mutex and semaphore and
  etcd's last as long as a session, so their "grant" is an acquisition of what
  is free, and they have no takeover.
- A herd is contenders with a session each that all ask at the same moment. Those
  of one peer are in one process (kazoo's in one for each processor), so that
  processor time is part of what is measured. "Committed writes" are transactions
  that the server logged, failed ones included; requests include the sessions'
  pings; both are the most of any round.
- A process that holds leases is observed once all of them are acquired and have been renewed.
  "Bytes each" is live heap and stacks beyond those of the callers' own
  goroutines, one a lease. A renewal is late when it comes with less than a third
  of the usable time left.
- A whole process is timed from its start to its end. etcdctl 3.4 has no way to
  be denied at once. The one that connects and closes is a Go program of thirty
  lines and go-zookeeper, nothing else.
`

type plot struct {
	file, alt string
	svg       []byte
}

func plots(f *result.File) []plot {
	var all []plot
	lines := func(file, alt string, l chart.Lines) {
		if len(l.Lines) > 0 {
			l.Title = cmp.Or(l.Title, alt)
			all = append(all, plot{file, alt, l.SVG()})
		}
	}
	if groups := medians(f); len(groups) > 0 {
		const alt = "Medians on an open session, one server"
		all = append(all, plot{"medians.svg", alt, chart.Bars{Title: alt, X: "ms", Groups: groups}.SVG()})
	}
	lines("herd.svg", "Herd on one expired lease, until all have an answer",
		chart.Lines{X: "contenders", Y: "ms", Lines: fits(f, "herd, ms")})
	lines("slots.svg", "Deny on slots, all held",
		chart.Lines{X: "slots", Y: "ms", Lines: fits(f, "deny on slots, ms")})
	lines("memory.svg", "Memory of one process that holds leases, beyond the callers' goroutines",
		chart.Lines{X: "leases", Y: "bytes", Lines: fits(f, "memory, bytes")})
	return all
}

// medians compares peers work by work, each with its floor.
func medians(f *result.File) []chart.Group {
	floors := map[string]string{result.Deny: result.Get, result.Renew: result.Set, result.GrantNew: result.Create}
	var groups []chart.Group
	for _, work := range []string{result.Deny, result.Renew, result.Grant, result.GrantNew, result.Takeover, result.Release} {
		g := chart.Group{Name: work}
		for _, peer := range result.Peers {
			of := work
			if peer == result.Bare {
				of = floors[work]
			}
			if m, ok := f.Measure(of, peer, 1, 0); ok {
				g.Bars = append(g.Bars, chart.Bar{Name: peer, Color: colors[peer], Value: m.Median})
			}
		}
		if len(g.Bars) > 0 {
			groups = append(groups, g)
		}
	}
	return groups
}

// fits draws a cost for each peer, with its exponent in the legend.
func fits(f *result.File, what string) (lines []chart.Line) {
	for _, fit := range f.Fits {
		if fit.What != what {
			continue
		}
		l := chart.Line{Name: fmt.Sprintf("%s (n^%.2f)", fit.Peer, fit.Exponent), Color: colors[fit.Peer]}
		for _, p := range fit.Points {
			l.Points = append(l.Points, chart.Point{X: p.Size, Y: p.Cost})
		}
		lines = append(lines, l)
	}
	return lines
}
