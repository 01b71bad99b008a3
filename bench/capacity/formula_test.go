package main

import (
	"math"
	"testing"
)

// example is near to what is measured.
var example = costs{
	open:  work{25e-6, 100e-6, 150e-6},
	close: work{25e-6, 100e-6, 150e-6},
	read:  work{4e-6, 27e-6, 35e-6},
	write: work{12e-6, 30e-6, 100e-6},
	child: work{0.2e-6, 0.2e-6, 0.7e-6},
	flush: 200e-6,
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 0.02*want {
		t.Errorf("%s: got %g, want %g", what, got, want)
	}
}

func TestRateIsThatOfTheBottleneck(t *testing.T) {
	t.Parallel()
	near(t, "two processors", rate(work{pipeline: 20e-6, server: 80e-6}, 2), 20_000)
	near(t, "one thread", rate(work{pipeline: 80e-6, server: 20e-6}, 2), 12_500)
}

// What is carried is what is answered just within the limits.
func TestCarried(t *testing.T) {
	t.Parallel()
	m := model{processors: 2, leasehold: example, kazoo: example}
	near(t, "kazoo at once", queueing(example, roundTrip, m.carried(true, 0)), answerLimit)
	near(t, "Leasehold at once: the last session", float64(m.carried(false, 0))/rate(example.open, 2), sessionLimit)
	perSecond := rate(denial(example), 2)
	near(t, "Leasehold within a minute", float64(m.carried(false, 60)), (60+sessionLimit)*perSecond)
	n := m.carried(true, 60)
	if low, high := 60/link(example, roundTrip, m.carried(true, 0)), 70/link(example, roundTrip, 0); float64(n) < low || float64(n) > high {
		t.Errorf("kazoo within a minute: got %d, want %g to %g", n, low, high)
	}
	for n, want := range map[float64]int{7: 7, 99: 99, 101: 100, 12_345: 12_000} {
		if got := twoDigits(n); got != want {
			t.Errorf("twoDigits(%g): got %d, want %d", n, got, want)
		}
	}
}

func TestNumbersAreReadable(t *testing.T) {
	t.Parallel()
	for s, want := range map[float64]string{0.000175: "0.17 ms", 0.0123: "12.3 ms", 4.04: "4 s", 600: "10 min", 20_000: "6 h"} {
		if got := seconds(s); got != want {
			t.Errorf("seconds(%g): got %q, want %q", s, got, want)
		}
	}
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1_234_567: "1,234,567"} {
		if got := number(n); got != want {
			t.Errorf("number(%d): got %q, want %q", n, got, want)
		}
	}
}
