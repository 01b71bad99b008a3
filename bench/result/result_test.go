package result_test

import (
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"leasehold.example/leasehold/bench/result"
)

func TestSummarize(t *testing.T) {
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
		median, p99 := result.Summarize(test.samples)
		if median != test.median || p99 != test.p99 {
			t.Errorf("%d samples: got median %v and p99 %v, want %v and %v", len(test.samples), median, p99, test.median, test.p99)
		}
	}
}

func TestExponent(t *testing.T) {
	t.Parallel()
	for _, want := range []float64{-1, 0, 0.5, 1, 2} {
		var points []result.Point
		for _, size := range []float64{1, 10, 200, 10_000} {
			points = append(points, result.Point{Size: size, Cost: 3 * math.Pow(size, want)})
		}
		if got := result.Exponent(points); math.Abs(got-want) > 1e-9 {
			t.Errorf("got exponent %v, want %v", got, want)
		}
	}
	// One of three points off by a factor of e, at the far end.
	got := result.Exponent([]result.Point{{Size: 1, Cost: 1}, {Size: math.E, Cost: 1}, {Size: math.E * math.E, Cost: math.E}})
	if math.Abs(got-0.5) > 1e-9 {
		t.Errorf("got exponent %v by least squares, want 0.5", got)
	}
	for _, points := range [][]result.Point{nil, {{Size: 10, Cost: 1}}, {{Size: 10, Cost: 1}, {Size: 10, Cost: 2}}} {
		if got := result.Exponent(points); !math.IsNaN(got) {
			t.Errorf("%v: got exponent %v, want NaN", points, got)
		}
	}
}

// run is one in which every row holds, just so.
func run() *result.File {
	f := &result.File{}
	for _, servers := range []int{1, 3} {
		add := func(work, peer string, slots int, ms float64) {
			f.Measures = append(f.Measures, result.Measure{Work: work, Peer: peer, Servers: servers, Slots: slots, Median: ms})
		}
		add(result.Get, result.Bare, 0, 1)
		add(result.Set, result.Bare, 0, 2)
		add(result.Deny, result.Leasehold, 0, 1.15)
		add(result.Deny, result.Kazoo, 0, 11.5)
		for _, peer := range []string{result.Etcd, result.Mutex, result.Semaphore} {
			add(result.Deny, peer, 0, 1.15)
		}
		add(result.Renew, result.Leasehold, 0, 2.5)
		add(result.Renew, result.Kazoo, 0, 20)
		for _, work := range []string{result.Takeover, result.Grant, result.GrantNew} {
			add(work, result.Leasehold, 0, 6.6)
			add(work, result.Kazoo, 0, 19.81)
		}
		add(result.Cycle, result.Mutex, 0, 6)
		add(result.DenySlots, result.Leasehold, 10, 1)
		add(result.DenySlots, result.Leasehold, 100, 9.5)
		add(result.DenySlots, result.Kazoo, 100, 285)
		add(result.ProcessDenied, result.Leasehold, 0, 13)
		add(result.ProcessDenied, result.Kazoo, 0, 104)
		add(result.ProcessConnect, result.Bare, 0, 10)
	}
	f.Herds = []result.Herd{
		{Peer: result.Leasehold, Servers: 1, Contenders: 200, Median: 100, Commits: 201},
		{Peer: result.Kazoo, Servers: 1, Contenders: 200, Median: 800, Commits: 400},
	}
	f.Holds = []result.Hold{{Leases: 10_000, HoldReport: result.HoldReport{Bytes: 40_960_000, Goroutines: 10_000}}}
	return f
}

func judged(f *result.File) *result.File {
	f.Grow()
	f.Judge()
	return f
}

func TestEveryRowCanHold(t *testing.T) {
	t.Parallel()
	f := judged(run())
	for _, r := range f.Rows {
		if !r.OK {
			t.Errorf("%s, %s: got %v, %s", r.Work, r.Must, r.Got, r.Verdict())
		}
	}
	if !f.Held() {
		t.Error("the run does not hold as a whole")
	}
}

// TestEveryRowCanBeMissed spoils one figure at a time.
func TestEveryRowCanBeMissed(t *testing.T) {
	t.Parallel()
	missed := map[string]bool{}
	spoil := func(change func(f *result.File)) {
		f := run()
		change(f)
		judged(f)
		if f.Held() {
			t.Error("got a run that holds with a spoilt figure")
		}
		for _, r := range f.Rows {
			if !r.OK {
				missed[r.Work+r.Must] = true
			}
		}
	}
	for i, m := range run().Measures {
		if m.Peer == result.Leasehold && m.Slots != 10 && (m.Servers == 1 || !strings.HasPrefix(m.Work, "process")) {
			spoil(func(f *result.File) { f.Measures[i].Median *= 1.01 })
		}
	}
	spoil(func(f *result.File) { f.Herds[0].Median++ })
	spoil(func(f *result.File) { f.Herds[0].Commits++ })
	spoil(func(f *result.File) { f.Herds[0].Late++ })
	spoil(func(f *result.File) { f.Holds[0].Late++ })
	spoil(func(f *result.File) { f.Holds[0].Lost++ })
	spoil(func(f *result.File) { f.Holds[0].Bytes++ })
	spoil(func(f *result.File) { f.Holds[0].Goroutines++ })
	for i, m := range run().Measures {
		if m.Work == result.DenySlots && m.Slots == 10 {
			spoil(func(f *result.File) { f.Measures[i].Median *= 0.9 })
		}
	}
	for _, r := range judged(run()).Rows {
		if !missed[r.Work+r.Must] {
			t.Errorf("%s, %s: held whatever was spoilt", r.Work, r.Must)
		}
	}
}

func TestWhatWasNotMeasuredIsMissed(t *testing.T) {
	t.Parallel()
	f := judged(&result.File{})
	if len(f.Rows) == 0 || f.Held() {
		t.Errorf("got %d rows that hold: %v, want some, and false", len(f.Rows), f.Held())
	}
	for _, r := range f.Rows {
		if r.OK || r.Verdict() != "not measured" {
			t.Errorf("%s, %s: got %q and OK: %v, want not measured and false", r.Work, r.Must, r.Verdict(), r.OK)
		}
	}
}

func TestSaveAndLoad(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "run.json")
	f := judged(run())
	if err := f.Save(name); err != nil {
		t.Fatal(err)
	}
	again, err := result.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	again.Judge()
	if len(again.Rows) != len(f.Rows) || !again.Held() {
		t.Errorf("got %d rows that hold: %v, want %d that do", len(again.Rows), again.Held(), len(f.Rows))
	}
}
