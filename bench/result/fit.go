package result

import "math"

// A Fit says how a cost grows: in proportion to size to the power of Exponent.
type Fit struct {
	What     string  `json:"what"`
	Against  string  `json:"against"`
	Peer     string  `json:"peer"`
	Exponent float64 `json:"exponent"`
	From     float64 `json:"from"` // the smallest size
	To       float64 `json:"to"`
	Points   []Point `json:"points"`
}

// A Point is a cost at a size, both positive.
type Point struct {
	Size float64 `json:"size"`
	Cost float64 `json:"cost"`
}

// Exponent fits cost = c · size^e to the points, by least squares of the
// logarithms, and returns e. It is NaN for fewer than two sizes.
func Exponent(points []Point) float64 {
	var n, sx, sy, sxx, sxy float64
	for _, p := range points {
		x, y := math.Log(p.Size), math.Log(p.Cost)
		n++
		sx += x
		sy += y
		sxx += x * x
		sxy += x * y
	}
	spread := n*sxx - sx*sx
	if spread < 1e-9 {
		return math.NaN()
	}
	return (n*sxy - sx*sy) / spread
}

// Units of what grows.
const (
	Hosts = "contenders"
	Slots = "slots"
	Lease = "leases"
)

// Grow fits everything that was measured at more than one size.
func (f *File) Grow() {
	f.Fits = nil
	servers := []int{1, 3}
	for _, n := range servers {
		for _, peer := range Peers {
			f.grow("herd, ms"+on(n), Hosts, peer, f.herds(peer, n, func(h Herd) float64 { return h.Median }))
			f.grow("herd, requests"+on(n), Hosts, peer, f.herds(peer, n, func(h Herd) float64 { return float64(h.Requests) }))
			f.grow("herd, commits"+on(n), Hosts, peer, f.herds(peer, n, func(h Herd) float64 { return float64(h.Commits) }))
			var points []Point
			for _, m := range f.Measures {
				if m.Work == DenySlots && m.Peer == peer && m.Servers == n {
					points = append(points, Point{float64(m.Slots), m.Median})
				}
			}
			f.grow("deny on slots, ms"+on(n), Slots, peer, points)
		}
	}
	f.grow("memory, bytes", Lease, Leasehold, f.holds(func(h Hold) float64 { return float64(h.Bytes) }))
	f.grow("processor, s per s", Lease, Leasehold, f.holds(func(h Hold) float64 { return h.CPU / h.Seconds }))
	f.grow("requests per s", Lease, Leasehold, f.holds(func(h Hold) float64 { return h.Requests }))
	f.grow("goroutines", Lease, Leasehold, f.holds(func(h Hold) float64 { return float64(h.Goroutines) }))
}

func on(servers int) string {
	if servers == 1 {
		return ""
	}
	return ", three servers"
}

func (f *File) herds(peer string, servers int, cost func(Herd) float64) (points []Point) {
	for _, h := range f.Herds {
		if h.Peer == peer && h.Servers == servers {
			points = append(points, Point{float64(h.Contenders), cost(h)})
		}
	}
	return points
}

func (f *File) holds(cost func(Hold) float64) (points []Point) {
	for _, h := range f.Holds {
		points = append(points, Point{float64(h.Leases), cost(h)})
	}
	return points
}

// grow adds a fit of those points that have a cost, if there are enough.
func (f *File) grow(what, against, peer string, points []Point) {
	var positive []Point
	for _, p := range points {
		if p.Cost > 0 {
			positive = append(positive, p)
		}
	}
	e := Exponent(positive)
	if math.IsNaN(e) {
		return
	}
	fit := Fit{What: what, Against: against, Peer: peer, Exponent: e, From: math.Inf(1), Points: positive}
	for _, p := range positive {
		fit.From, fit.To = min(fit.From, p.Size), max(fit.To, p.Size)
	}
	f.Fits = append(f.Fits, fit)
}

// Fit returns a fit, and whether there is one.
func (f *File) Fit(what, against, peer string) (Fit, bool) {
	for _, fit := range f.Fits {
		if fit.What == what && fit.Against == against && fit.Peer == peer {
			return fit, true
		}
	}
	return Fit{}, false
}
