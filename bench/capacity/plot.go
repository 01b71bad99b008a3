package main

import (
	"fmt"
	"io"
	"math"
)

// The plot is 720 × 420, both axes logarithmic.
const (
	left, right, top, bottom = 70.0, 560.0, 20.0, 370.0
	fewest, most             = 10.0, 100_000.0 // starts
	shortest, eternal        = 1e-3, 1e5       // seconds
)

const kazooColor, leaseholdColor = "#c0392b", "#1f618d"

func across(starts float64) float64 {
	return left + (right-left)*math.Log(starts/fewest)/math.Log(most/fewest)
}

func down(seconds float64) float64 {
	return bottom - (bottom-top)*math.Log(max(seconds, shortest)/shortest)/math.Log(eternal/shortest)
}

// plot draws the longest wait against the number of starts, as SVG.
func (m Measurement) plot(w io.Writer) {
	fmt.Fprintln(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 420" font-family="sans-serif" font-size="12">`)
	fmt.Fprintln(w, `<rect width="720" height="420" fill="white"/>`)
	for x := fewest; x <= most; x *= 10 {
		fmt.Fprintf(w, `<path d="M%.1f %.1fV%.1f" stroke="#ddd"/><text x="%.1f" y="388" text-anchor="middle">%s</text>`+"\n",
			across(x), bottom, top, across(x), number(int(x)))
	}
	for y := shortest; y <= eternal*1.01; y *= 10 {
		fmt.Fprintf(w, `<path d="M%.1f %.1fH%.1f" stroke="#ddd"/><text x="62" y="%.1f" text-anchor="end">%s</text>`+"\n",
			left, down(y), right, down(y)+4, axisTime(y))
	}
	fmt.Fprintf(w, `<path d="M%.1f %.1fH%.1f" stroke="#888" stroke-dasharray="4 4"/><text x="%.1f" y="%.1f" fill="#666">clients give up</text>`+"\n",
		left, down(answerLimit), right, left+6, down(answerLimit)-5)
	fmt.Fprintf(w, `<text x="%.1f" y="410" text-anchor="middle">starts of one job (hosts)</text>`+"\n", (left+right)/2)
	for _, line := range []struct {
		name, color string
		kazoo       bool
		delay       float64
	}{
		{"kazoo, at once", kazooColor, true, 0},
		{"kazoo, within 60 s", "#e59866", true, spread},
		{"Leasehold, at once", leaseholdColor, false, 0},
		{"Leasehold, within 60 s", "#5dade2", false, spread},
	} {
		path, end := "", 0.0
		for i := range 9 {
			n := fewest * math.Pow(10, float64(i)/2)
			wait := longest(m.play(m.elsewhere(line.kazoo, int(n), line.delay)).answered)
			end = down(wait)
			path += fmt.Sprintf("%c%.1f %.1f", "ML"[min(i, 1)], across(n), end)
		}
		label := end + 4
		if line.kazoo && line.delay > 0 {
			label += 14 // it ends where the other does
		}
		fmt.Fprintf(w, `<path d="%s" fill="none" stroke="%s" stroke-width="2"/><text x="%.1f" y="%.1f" fill="%s">%s</text>`+"\n",
			path, line.color, right+6, label, line.color, line.name)
	}
	for _, h := range m.Herds {
		if h.Delay == 0 && !h.Expired && !h.Backlog {
			color := leaseholdColor
			if h.Kazoo {
				color = kazooColor
			}
			fmt.Fprintf(w, `<circle cx="%.1f" cy="%.1f" r="4" fill="none" stroke="%s"/>`+"\n", across(float64(h.Starts)), down(h.Last), color)
		}
	}
	fmt.Fprintf(w, `<circle cx="%.1f" cy="408" r="4" fill="none" stroke="black"/><text x="%.1f" y="412">measured</text>`+"\n</svg>\n", right+12, right+20)
}

func axisTime(s float64) string {
	if s < 0.99 {
		return fmt.Sprintf("%.0f ms", s*1e3)
	}
	return fmt.Sprintf("%.0f s", s)
}
