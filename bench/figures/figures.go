// Package figures is what a benchmark finds, in the one format in which it is
// kept, and how it is shown: as tables and as plots. What measures is elsewhere.
package figures

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"slices"
	"time"
)

// A Key says what a figure is of.
type Key struct {
	Work    string `json:"work"`
	Peer    string `json:"peer,omitempty"`
	Servers int    `json:"servers,omitempty"`
	Size    int    `json:"size,omitempty"` // slots, contenders or leases
}

// A Figure is the median and the 99th percentile of N samples, or one value.
type Figure struct {
	Key
	N      int     `json:"n,omitempty"`
	Median float64 `json:"median"`
	P99    float64 `json:"p99,omitempty"`
}

// A Run is all that one run found. Times are in milliseconds.
type Run struct {
	Date     time.Time         `json:"date"`
	Seconds  float64           `json:"seconds"`
	Machine  map[string]string `json:"machine"`
	Versions map[string]string `json:"versions"`
	Failed   map[string]string `json:"failed,omitempty"` // stages, and why
	Figures  []Figure          `json:"figures"`
}

// Load reads a Run.
func Load(name string) (*Run, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var r Run
	return &r, json.Unmarshal(data, &r)
}

// Save writes the Run, each figure on a line.
func (r *Run) Save(name string) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	data = bytes.ReplaceAll(data, []byte(`{"work"`), []byte("\n{\"work\""))
	return os.WriteFile(name, append(data, '\n'), 0o644)
}

// Add adds one value.
func (r *Run) Add(k Key, value float64) {
	r.Figures = append(r.Figures, Figure{Key: k, N: 1, Median: value})
}

// AddSamples adds the figure of samples, if there are any.
func (r *Run) AddSamples(k Key, samples []time.Duration) {
	if n := len(samples); n > 0 {
		slices.Sort(samples)
		ms := func(i int) float64 { return float64(samples[i]) / float64(time.Millisecond) }
		// At the 99th percentile or below it are 99 of 100.
		r.Figures = append(r.Figures, Figure{k, n, (ms((n-1)/2) + ms(n/2)) / 2, ms((99*n+99)/100 - 1)})
	}
}

// Get returns a figure, and whether there is one.
func (r *Run) Get(k Key) (Figure, bool) {
	i := slices.IndexFunc(r.Figures, func(f Figure) bool { return f.Key == k })
	if i < 0 {
		return Figure{}, false
	}
	return r.Figures[i], true
}

// Value returns a median, or NaN where there is none.
func (r *Run) Value(k Key) float64 {
	if f, ok := r.Get(k); ok {
		return f.Median
	}
	return math.NaN()
}

// Sizes returns what was measured of k at each size, smallest first.
func (r *Run) Sizes(k Key) (points []Point) {
	for _, f := range r.Figures {
		k.Size = f.Size
		if f.Key == k && f.Size > 0 && f.Median > 0 {
			points = append(points, Point{float64(f.Size), f.Median})
		}
	}
	slices.SortFunc(points, func(a, b Point) int { return int(a.X - b.X) })
	return points
}

// Exponent fits y = c · xᵉ to the points, by least squares of the logarithms,
// and returns e. It is NaN for fewer than two sizes.
func Exponent(points []Point) float64 {
	var n, sx, sy, sxx, sxy float64
	for _, p := range points {
		x, y := math.Log(p.X), math.Log(p.Y)
		n, sx, sy, sxx, sxy = n+1, sx+x, sy+y, sxx+x*x, sxy+x*y
	}
	spread := n*sxx - sx*sx
	if spread < 1e-9 {
		return math.NaN()
	}
	return (n*sxy - sx*sy) / spread
}
