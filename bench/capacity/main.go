// Command capacity measures what a start of a job costs a ZooKeeper ensemble,
// with Leasehold and with kazoo, computes from that how many starts an ensemble
// carries, and writes both into docs/capacity.md.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	docs := flag.String("docs", "../docs", "the folder of capacity.md, capacity.json and capacity.svg")
	again := flag.Bool("again", false, "compute again from capacity.json, and measure nothing")
	flag.Parse()
	if err := update(*docs, *again); err != nil {
		fmt.Fprintln(os.Stderr, "capacity:", err)
		os.Exit(1)
	}
}

func update(docs string, again bool) error {
	file := filepath.Join(docs, "capacity.json")
	var m Measurement
	if again {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(text, &m); err != nil {
			return err
		}
	} else {
		var err error
		if m, err = measure(func(s string) { fmt.Fprintln(os.Stderr, "capacity:", s) }); err != nil {
			return err
		}
		text, err := json.MarshalIndent(m, "", "\t")
		if err != nil {
			return err
		}
		if err := os.WriteFile(file, append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	fmt.Fprintln(os.Stderr, "capacity: computing")
	var page, plot bytes.Buffer
	if err := m.report(&page); err != nil {
		return err
	}
	m.plot(&plot)
	if err := os.WriteFile(filepath.Join(docs, "capacity.md"), page.Bytes(), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(docs, "capacity.svg"), plot.Bytes(), 0o644)
}

// simulate plays a herd that was measured, where it was measured: its clients
// share the server's processors, as far as others left them.
func (m Measurement) simulate(h Herd) outcome {
	costs := m.Leasehold
	if h.Kazoo {
		costs = m.Kazoo
	}
	slower := float64(m.Processors) / max(h.Available, 0.1)
	return simulate(crowd{
		starts: h.Starts, jobs: 1, delay: h.Delay, kazoo: h.Kazoo, expired: h.Expired,
		processors: m.Processors, local: true,
	}, costs.times(slower))
}
