package figures

import (
	"bytes"
	"fmt"
	"html"
	"math"
)

// A Point has positive coordinates.
type Point struct{ X, Y float64 }

// A Line is one of a Chart.
type Line struct {
	Name, Color string
	Points      []Point // from left to right
	Loose       bool    // markers alone
}

// A Chart has both axes logarithmic, so that growth is a slope.
type Chart struct {
	Title, X, Y string
	Lines       []Line
}

// The plot itself, in a picture of 720 × 420.
const left, right, top, bottom = 90.0, 690.0, 62.0, 382.0

// An axis maps values to coordinates.
type axis struct{ least, most, from, to float64 }

func (a axis) at(v float64) float64 {
	return a.from + (a.to-a.from)*math.Log(v/a.least)/math.Log(a.most/a.least)
}

// extend makes room for a value; an axis begins and ends where a decade does.
func (a *axis) extend(v float64) {
	least, most := math.Pow(10, math.Floor(math.Log10(v))), math.Pow(10, math.Ceil(math.Log10(v)))
	if most == least {
		most *= 10
	}
	if a.least == 0 {
		a.least, a.most = least, most
	}
	a.least, a.most = min(a.least, least), max(a.most, most)
}

// SVG draws the chart. There must be a point.
func (c Chart) SVG() []byte {
	x, y := axis{from: left, to: right}, axis{from: bottom, to: top}
	for _, line := range c.Lines {
		for _, p := range line.Points {
			x.extend(p.X)
			y.extend(p.Y)
		}
	}
	var b bytes.Buffer
	text := func(x, y float64, attributes, text string) {
		fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" %s>%s</text>`+"\n", x, y, attributes, html.EscapeString(text))
	}
	b.WriteString(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 420" font-family="sans-serif" font-size="12" fill="#333">
<rect width="720" height="420" fill="#fff"/>
`)
	text(12, 22, `font-size="15" font-weight="bold"`, c.Title)
	text((left+right)/2, 412, `text-anchor="middle"`, c.X)
	text(12, top+12, "", c.Y)
	for v := x.least; v < x.most*1.01; v *= 10 {
		fmt.Fprintf(&b, `<path d="M%.1f %.1fV%.1f" stroke="#ddd"/>`+"\n", x.at(v), bottom, top)
		text(x.at(v), bottom+16, `text-anchor="middle"`, fmt.Sprintf("%g", v))
	}
	for v := y.least; v < y.most*1.01; v *= 10 {
		fmt.Fprintf(&b, `<path d="M%.1f %.1fH%.1f" stroke="#ddd"/>`+"\n", left, y.at(v), right)
		text(left-8, y.at(v)+4, `text-anchor="end"`, fmt.Sprintf("%g", v))
	}
	legend := 12.0
	for _, line := range c.Lines {
		text(legend, 45, fmt.Sprintf(`fill="%s" font-weight="bold"`, line.Color), line.Name)
		legend += 24 + 7*float64(len(line.Name))
		var path bytes.Buffer
		for i, p := range line.Points {
			fmt.Fprintf(&path, "%c%.1f %.1f", "ML"[min(i, 1)], x.at(p.X), y.at(p.Y))
			fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="4" fill="%s"/>`+"\n", x.at(p.X), y.at(p.Y), line.Color)
		}
		if !line.Loose {
			fmt.Fprintf(&b, `<path d="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", path.String(), line.Color)
		}
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}
