package figures_test

import (
	"bytes"
	"encoding/xml"
	"io"
	"math"
	"regexp"
	"strconv"
	"testing"
	"time"

	"leasehold.example/leasehold/bench/figures"
)

func TestAddSamples(t *testing.T) {
	t.Parallel()
	upTo := func(n int) (samples []time.Duration) {
		for i := range n {
			samples = append(samples, time.Duration((i*7919)%n+1)*time.Millisecond) // 1 to n, shuffled: 7919 is prime
		}
		return samples
	}
	for _, test := range []struct {
		samples     []time.Duration
		median, p99 float64
	}{
		{upTo(1), 1, 1},
		{upTo(2), 1.5, 2},
		{upTo(5), 3, 5},
		{upTo(100), 50.5, 99},
		{upTo(101), 51, 100},
		{upTo(1000), 500.5, 990},
		{[]time.Duration{3 * time.Second, 1500 * time.Microsecond, 0}, 1.5, 3000},
	} {
		var run figures.Run
		run.AddSamples(figures.Key{Work: "x"}, test.samples)
		if f, _ := run.Get(figures.Key{Work: "x"}); f.Median != test.median || f.P99 != test.p99 || f.N != len(test.samples) {
			t.Errorf("%d samples: got %+v, want median %v and p99 %v", len(test.samples), f, test.median, test.p99)
		}
	}
}

func TestExponent(t *testing.T) {
	t.Parallel()
	for _, want := range []float64{-1, 0, 0.5, 1, 2} {
		var points []figures.Point
		for _, x := range []float64{1, 10, 200, 10_000} {
			points = append(points, figures.Point{X: x, Y: 3 * math.Pow(x, want)})
		}
		if got := figures.Exponent(points); math.Abs(got-want) > 1e-9 {
			t.Errorf("got exponent %v, want %v", got, want)
		}
	}
	// One of three points off by a factor of e, at the far end.
	if got := figures.Exponent([]figures.Point{{1, 1}, {math.E, 1}, {math.E * math.E, math.E}}); math.Abs(got-0.5) > 1e-9 {
		t.Errorf("got exponent %v by least squares, want 0.5", got)
	}
	for _, points := range [][]figures.Point{nil, {{10, 1}}, {{10, 1}, {10, 2}}} {
		if got := figures.Exponent(points); !math.IsNaN(got) {
			t.Errorf("%v: got exponent %v, want NaN", points, got)
		}
	}
}

func TestGrid(t *testing.T) {
	t.Parallel()
	var run figures.Run
	run.Add(figures.Key{Work: "a", Peer: "p"}, 12.34)
	run.AddSamples(figures.Key{Work: "b", Peer: "q"}, []time.Duration{time.Millisecond})
	heads := func(names ...string) (rows, columns []figures.Heading) {
		for _, n := range names {
			rows = append(rows, figures.Heading{Name: n, Key: figures.Key{Work: n}})
			columns = append(columns, figures.Heading{Name: n, Key: figures.Key{Peer: n}})
		}
		return rows, columns
	}
	rows, _ := heads("a", "none", "b")
	_, columns := heads("p", "nobody", "q")
	const want = "| x   | p    | q           |\n| --- | ---: | ---:        |\n| a   | 12.3 |             |\n| b   |      | 1.00 · 1.00 |\n"
	if got := run.Grid("x", rows, columns); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got := run.Grid("x", rows[1:2], columns); got != "" {
		t.Errorf("got %q without a figure, want nothing", got)
	}
}

// What grows evenly on both logarithmic axes is in line, and more is up and to
// the right.
func TestChart(t *testing.T) {
	t.Parallel()
	draw := func(points ...figures.Point) (markers []figures.Point) {
		svg := figures.Chart{Title: "a < b", Lines: []figures.Line{{Name: "x", Color: "#000", Points: points}}}.SVG()
		d := xml.NewDecoder(bytes.NewReader(svg))
		for _, err := d.Token(); err != io.EOF; _, err = d.Token() {
			if err != nil {
				t.Fatalf("%v in\n%s", err, svg)
			}
		}
		if regexp.MustCompile(`NaN|Inf`).Match(svg) {
			t.Errorf("%v: a coordinate is no number in\n%s", points, svg)
		}
		for _, m := range regexp.MustCompile(`cx="([0-9.]+)" cy="([0-9.]+)"`).FindAllSubmatch(svg, -1) {
			x, _ := strconv.ParseFloat(string(m[1]), 64)
			y, _ := strconv.ParseFloat(string(m[2]), 64)
			markers = append(markers, figures.Point{X: x, Y: y})
		}
		return markers
	}
	p := draw(figures.Point{X: 10, Y: 1}, figures.Point{X: 100, Y: 100}, figures.Point{X: 1000, Y: 10_000})
	if len(p) != 3 || math.Abs(p[1].X*2-p[0].X-p[2].X) > 0.2 || math.Abs(p[1].Y*2-p[0].Y-p[2].Y) > 0.2 || p[0].X >= p[2].X || p[0].Y <= p[2].Y {
		t.Errorf("got markers %v, want three in line and equally far apart", p)
	}
	for _, v := range []float64{0.003, 1, 3, 5000} {
		draw(figures.Point{X: v, Y: v})
	}
}
