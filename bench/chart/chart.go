// Package chart draws two kinds of plots as small SVG files: lines on
// logarithmic axes, where growth is a slope, and bars on one, where a ratio is
// a length.
package chart

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
	"strings"
)

// A Point is where a line has a marker, with both coordinates positive.
type Point struct{ X, Y float64 }

// A Line is one of Lines.
type Line struct {
	Name, Color string
	Points      []Point // by growing X
}

// Lines is a plot with both axes logarithmic.
type Lines struct {
	Title, X, Y string
	Lines       []Line
}

// A Bar is one of a Group.
type Bar struct {
	Name, Color string
	Value       float64 // positive
}

// A Group is bars that are to be compared.
type Group struct {
	Name string
	Bars []Bar
}

// Bars is a plot with a logarithmic axis.
type Bars struct {
	Title, X string
	Groups   []Group
}

const (
	width  = 720.0
	left   = 150.0 // of the plot itself, from the left edge
	right  = 20.0
	top    = 62.0 // below the title and the legend
	bottom = 44.0
)

// An axis maps values to coordinates.
type axis struct {
	least, most float64 // values
	from, to    float64 // coordinates
}

func (a axis) at(v float64) float64 {
	return a.from + (a.to-a.from)*math.Log(v/a.least)/math.Log(a.most/a.least)
}

// newAxis returns one that has room for the values, and ends where a decade, or
// a half or a fifth of it, does.
func newAxis(values []float64, from, to float64) axis {
	a := axis{least: math.Inf(1), from: from, to: to}
	for _, v := range values {
		a.least, a.most = min(a.least, v), max(a.most, v)
	}
	a.least, a.most = step(a.least, -1), step(a.most, 1)
	if a.least >= a.most {
		a.least, a.most = a.least/2, a.least*2
	}
	return a
}

// step returns v or the next of …, 0.5, 1, 2, 5, 10, … in the direction.
func step(v, direction float64) float64 {
	const near = 1 + 1e-9
	decade := math.Pow(10, math.Floor(math.Log10(v)))
	steps := []float64{1, 2, 5, 10}
	found := steps[0]
	if direction > 0 {
		found = steps[3]
	}
	for _, s := range steps {
		if direction < 0 && decade*s <= v*near {
			found = s
		}
		if direction > 0 && decade*s >= v/near {
			found = min(found, s)
		}
	}
	return decade * found
}

// ticks returns where the axis has labels: at decades, and at halves and fifths
// where these are few.
func (a axis) ticks() (ticks []float64) {
	each := []float64{1}
	if a.most/a.least < 1000 {
		each = []float64{1, 2, 5}
	}
	for decade := math.Pow(10, math.Floor(math.Log10(a.least))); decade <= a.most; decade *= 10 {
		for _, s := range each {
			if v := decade * s; v >= a.least*(1-1e-9) && v <= a.most*(1+1e-9) {
				ticks = append(ticks, v)
			}
		}
	}
	return ticks
}

// A canvas is an SVG in the making.
type canvas struct {
	bytes.Buffer
	height float64
}

func newCanvas(height float64, title string) *canvas {
	c := &canvas{height: height}
	fmt.Fprintf(c, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" width="%g" height="%g" font-family="sans-serif" font-size="12">`+"\n", width, height, width, height)
	fmt.Fprintf(c, `<rect width="%g" height="%g" fill="#fff"/>`+"\n", width, height)
	fmt.Fprintf(c, `<text x="12" y="22" font-size="15" font-weight="bold">%s</text>`+"\n", escape(title))
	return c
}

func escape(text string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(text)) // a strings.Builder never fails
	return b.String()
}

func (c *canvas) text(x, y float64, anchor, text string) {
	fmt.Fprintf(c, `<text x="%.1f" y="%.1f" text-anchor="%s" fill="#333">%s</text>`+"\n", x, y, anchor, escape(text))
}

func (c *canvas) line(x1, y1, x2, y2 float64, color string) {
	fmt.Fprintf(c, `<path d="M%.1f %.1fL%.1f %.1f" stroke="%s"/>`+"\n", x1, y1, x2, y2, color)
}

// legend writes names below the title, each once.
func (c *canvas) legend(entries []Bar) {
	x, seen := 12.0, map[string]bool{}
	for _, e := range entries {
		if seen[e.Name] {
			continue
		}
		seen[e.Name] = true
		fmt.Fprintf(c, `<rect x="%.1f" y="34" width="12" height="12" fill="%s"/>`+"\n", x, e.Color)
		c.text(x+17, 44.5, "start", e.Name)
		x += 34 + 6.6*float64(len([]rune(e.Name)))
	}
}

// scale draws the horizontal axis.
func (c *canvas) scale(a axis, name string) {
	for _, v := range a.ticks() {
		c.line(a.at(v), top, a.at(v), c.height-bottom, "#ddd")
		c.text(a.at(v), c.height-bottom+16, "middle", label(v))
	}
	c.text((a.from+a.to)/2, c.height-8, "middle", name)
}

func label(v float64) string {
	switch {
	case v >= 1e9:
		return fmt.Sprintf("%.3gG", v/1e9)
	case v >= 1e6:
		return fmt.Sprintf("%.3gM", v/1e6)
	case v >= 1e4:
		return fmt.Sprintf("%.3gk", v/1e3)
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

func (c *canvas) finish() []byte {
	c.WriteString("</svg>\n")
	return c.Bytes()
}

// SVG draws the plot. There must be a point.
func (l Lines) SVG() []byte {
	const height = 420.0
	c := newCanvas(height, l.Title)
	var xs, ys []float64
	var names []Bar
	for _, line := range l.Lines {
		names = append(names, Bar{Name: line.Name, Color: line.Color})
		for _, p := range line.Points {
			xs, ys = append(xs, p.X), append(ys, p.Y)
		}
	}
	c.legend(names)
	const inset = 90.0
	x, y := newAxis(xs, inset, width-right), newAxis(ys, height-bottom, top)
	c.scale(x, l.X)
	for _, v := range y.ticks() {
		c.line(inset, y.at(v), width-right, y.at(v), "#ddd")
		c.text(inset-8, y.at(v)+4, "end", label(v))
	}
	fmt.Fprintf(c, `<text transform="translate(22 %.1f) rotate(-90)" text-anchor="middle" fill="#333">%s</text>`+"\n", (top+height-bottom)/2, escape(l.Y))
	for _, line := range l.Lines {
		var path strings.Builder
		for i, p := range line.Points {
			fmt.Fprintf(&path, "%c%.1f %.1f", "ML"[min(i, 1)], x.at(p.X), y.at(p.Y))
			fmt.Fprintf(c, `<circle cx="%.1f" cy="%.1f" r="4" fill="%s"/>`+"\n", x.at(p.X), y.at(p.Y), line.Color)
		}
		fmt.Fprintf(c, `<path d="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", path.String(), line.Color)
	}
	return c.finish()
}

// SVG draws the plot. There must be a bar.
func (b Bars) SVG() []byte {
	const thick, gap = 15.0, 12.0
	height := top + bottom
	var values []float64
	var names []Bar
	for _, g := range b.Groups {
		height += gap + thick*float64(len(g.Bars))
		names = append(names, g.Bars...)
		for _, bar := range g.Bars {
			values = append(values, bar.Value)
		}
	}
	c := newCanvas(height, b.Title)
	c.legend(names)
	x := newAxis(values, left, width-right-40) // room for the longest bar's label
	c.scale(x, b.X)
	y := top + gap/2
	for _, g := range b.Groups {
		c.text(left-10, y+thick*float64(len(g.Bars))/2+4, "end", g.Name)
		for _, bar := range g.Bars {
			fmt.Fprintf(c, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>`+"\n", x.from, y+1, max(1, x.at(bar.Value)-x.from), thick-2, bar.Color)
			c.text(max(x.from+1, x.at(bar.Value))+4, y+thick-3.5, "start", label(bar.Value))
			y += thick
		}
		y += gap
	}
	return c.finish()
}
