// Package result is what a run of the benchmark found: figures, the machine
// they are of, the exponents of growth, and the table of what must hold. It
// is pure: what measures and what draws are elsewhere.
package result

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"time"
)

// A File is one run, as it is kept in bench/results.
type File struct {
	Date     time.Time         `json:"date"`
	Quick    bool              `json:"quick,omitempty"` // too short to be quoted
	Command  string            `json:"command"`
	Seconds  float64           `json:"seconds"`
	Machine  map[string]string `json:"machine"`
	Versions map[string]string `json:"versions"`
	Done     []string          `json:"done"` // stages; the rest is still to come
	Failed   map[string]string `json:"failed,omitempty"`
	Measures []Measure         `json:"measures"`
	Herds    []Herd            `json:"herds"`
	Holds    []Hold            `json:"holds"`
	Fits     []Fit             `json:"fits"`
	Rows     []Row             `json:"rows"`
}

// A Measure is how long one kind of work took one peer.
type Measure struct {
	Work    string  `json:"work"`
	Peer    string  `json:"peer"`
	Servers int     `json:"servers"`
	Slots   int     `json:"slots,omitempty"`
	N       int     `json:"n"` // samples
	Median  float64 `json:"median_ms"`
	P99     float64 `json:"p99_ms"`
}

// A Herd is contenders that wanted one free lease at the same moment: medians
// of several rounds, until the last contender had its answer.
type Herd struct {
	Peer       string  `json:"peer"`
	Servers    int     `json:"servers"`
	Contenders int     `json:"contenders"`
	Rounds     int     `json:"rounds"`
	Median     float64 `json:"median_ms"`
	P99        float64 `json:"p99_ms"`

	// As the servers counted; 0 for etcd, which was not asked. The most that
	// any round had.
	Requests int64 `json:"requests,omitempty"`
	Commits  int64 `json:"commits,omitempty"`

	// Late is what was committed when all losers tried once more. Only
	// Leasehold's do.
	Late int64 `json:"late_commits"`
}

// A Hold is one process that holds leases and renews them.
type Hold struct {
	Leases   int     `json:"leases"`
	Duration float64 `json:"duration_s"`
	Seconds  float64 `json:"seconds"` // observed

	// In one second, as the server counted.
	Requests float64 `json:"requests_per_s"`
	Commits  float64 `json:"commits_per_s"`

	HoldReport
}

// A HoldReport is what the process that holds leases says of itself. Bytes,
// goroutines and processor time are of all leases together, beyond what the
// callers' own goroutines take, which do nothing but wait.
type HoldReport struct {
	CPU        float64 `json:"cpu_s"`       // spent in the observed time
	Bytes      int64   `json:"live_bytes"`  // live heap and stacks
	RSS        int64   `json:"rss_bytes"`   // as the system sees it, garbage included
	Goroutines int     `json:"goroutines"`  // the most seen
	Least      float64 `json:"least_s"`     // what was left of the lease that was renewed latest
	LateBelow  float64 `json:"late_s"`      // with less left, a renewal is late
	Late       int     `json:"late_leases"` // that were seen with less
	Lost       int     `json:"lost_leases"`
}

// Load reads a File.
func Load(name string) (*File, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var f File
	return &f, json.Unmarshal(data, &f)
}

// Save writes the File so that there is always a whole one under its name.
func (f *File) Save(name string) error {
	data, err := json.MarshalIndent(f, "", " ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(name+".new", append(data, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

// Measure returns the figures of a kind of work, and whether there are any.
func (f *File) Measure(work, peer string, servers, slots int) (Measure, bool) {
	for _, m := range f.Measures {
		if m.Work == work && m.Peer == peer && m.Servers == servers && m.Slots == slots {
			return m, true
		}
	}
	return Measure{}, false
}

// Herd returns the figures of a herd, and whether there are any.
func (f *File) Herd(peer string, servers, contenders int) (Herd, bool) {
	for _, h := range f.Herds {
		if h.Peer == peer && h.Servers == servers && h.Contenders == contenders {
			return h, true
		}
	}
	return Herd{}, false
}

// Summarize returns the median and the 99th percentile of the samples in
// milliseconds: the value below which, or at which, 99 of 100 samples are.
// There must be samples.
func Summarize(samples []time.Duration) (median, p99 float64) {
	ms := make([]float64, len(samples))
	for i, s := range samples {
		ms[i] = float64(s) / float64(time.Millisecond)
	}
	slices.Sort(ms)
	n := len(ms)
	return (ms[(n-1)/2] + ms[n/2]) / 2, ms[int(math.Ceil(0.99*float64(n)))-1]
}
