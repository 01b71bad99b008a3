package main

// What counts as carried: nobody waits longer for a session than Leasehold's
// client lets a server take (a third of the session timeout of 10 s), nor for
// the answer than --timeout allows by default. Beyond that clients give up and
// ask again, and the load grows by itself; that isn't simulated. kazoo waits
// for sessions up to 15 s, and for its lock without end.
const (
	sessionLimit = 10.0 / 3
	answerLimit  = 10.0
)

// elsewhere is a crowd of starts of one job on hosts of their own, in the
// server's network.
func (m Measurement) elsewhere(kazoo bool, starts int, delay float64) crowd {
	return crowd{starts: starts, jobs: 1, delay: delay, kazoo: kazoo, processors: m.Processors, roundTrip: 0.5e-3}
}

func (m Measurement) play(c crowd) outcome {
	if c.kazoo {
		return simulate(c, m.Kazoo)
	}
	return simulate(c, m.Leasehold)
}

func (o outcome) carried(kazoo bool) bool {
	return longest(o.answered) <= answerLimit && (kazoo || longest(o.opened) <= sessionLimit)
}

func longest(sorted []float64) float64 { return sorted[len(sorted)-1] }

// capacity returns the greatest number of starts that the server carries, to
// two digits, if their starts are put off by up to delay.
func (m Measurement) capacity(kazoo bool, delay float64) int {
	// More than the formula's rate for all the time that there is can't be.
	most := rate(denial(m.Leasehold), m.Processors) * (delay + answerLimit)
	if kazoo {
		most = min(most, (delay+answerLimit)/link(m.Kazoo, 0, 0))
	}
	low, high := 1, int(most)+2
	if likely := int(0.8 * rate(denial(m.Leasehold), m.Processors) * delay); !kazoo && likely > 0 && m.play(m.elsewhere(kazoo, likely, delay)).carried(kazoo) {
		low = likely
	}
	for high-low > max(1, high/50) {
		n := (low + high) / 2
		if m.play(m.elsewhere(kazoo, n, delay)).carried(kazoo) {
			low = n
		} else {
			high = n
		}
	}
	return twoDigits(low)
}

// twoDigits cuts n off after its first two digits.
func twoDigits(n int) int {
	unit := 1
	for n/unit >= 100 {
		unit *= 10
	}
	return n / unit * unit
}
