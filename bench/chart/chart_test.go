package chart_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"leasehold.example/leasehold/bench/chart"
)

// circles returns where a plot has markers, and fails unless it is an SVG.
func circles(t *testing.T, svg []byte) (points []chart.Point) {
	t.Helper()
	for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, svg)
		}
		e, ok := token.(xml.StartElement)
		if !ok || e.Name.Local != "circle" {
			continue
		}
		at := map[string]float64{}
		for _, a := range e.Attr {
			at[a.Name.Local], _ = strconv.ParseFloat(a.Value, 64)
		}
		points = append(points, chart.Point{X: at["cx"], Y: at["cy"]})
	}
	if strings.Contains(string(svg), "NaN") || strings.Contains(string(svg), "Inf") {
		t.Errorf("a coordinate is no number in\n%s", svg)
	}
	return points
}

func TestLinesAreLogarithmic(t *testing.T) {
	t.Parallel()
	svg := chart.Lines{Title: "a < b", X: "n", Y: "ms", Lines: []chart.Line{
		{Name: "square", Color: "#000", Points: []chart.Point{{10, 1}, {100, 100}, {1000, 10_000}}},
	}}.SVG()
	p := circles(t, svg)
	if len(p) != 3 {
		t.Fatalf("got %d markers, want 3", len(p))
	}
	if p[1].X*2 != p[0].X+p[2].X || p[1].Y*2 != p[0].Y+p[2].Y {
		t.Errorf("got markers %v, want them in line and equally far apart", p)
	}
	if p[0].Y <= p[2].Y || p[0].X >= p[2].X {
		t.Errorf("got markers %v, want more of anything to be up and to the right", p)
	}
	if !strings.Contains(string(svg), "a &lt; b") {
		t.Error("the title is not there, or not escaped")
	}
}

func TestOnePointIsEnough(t *testing.T) {
	t.Parallel()
	for _, v := range []float64{0.003, 1, 3, 5000} {
		circles(t, chart.Lines{Lines: []chart.Line{{Points: []chart.Point{{v, v}}}}}.SVG())
		circles(t, chart.Bars{Groups: []chart.Group{{Bars: []chart.Bar{{Value: v}}}}}.SVG())
	}
}

func TestLongerBarsAreMore(t *testing.T) {
	t.Parallel()
	svg := chart.Bars{Groups: []chart.Group{{Bars: []chart.Bar{
		{Name: "a", Color: "#111", Value: 0.2}, {Name: "b", Color: "#111", Value: 2}, {Name: "c", Color: "#111", Value: 20},
	}}}}.SVG()
	circles(t, svg)
	var widths []float64
	for _, m := range regexp.MustCompile(`width="([0-9.]+)" height="13.0"`).FindAllSubmatch(svg, -1) {
		w, _ := strconv.ParseFloat(string(m[1]), 64)
		widths = append(widths, w)
	}
	if len(widths) != 3 || widths[0] >= widths[1] || widths[1]*2-widths[0]-widths[2] > 0.2 {
		t.Errorf("got widths %v, want three that grow alike", widths)
	}
}
