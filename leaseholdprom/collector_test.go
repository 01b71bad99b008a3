package leaseholdprom_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/leaseholdprom"
	"leasehold.example/leasehold/leasetest"
	"leasehold.example/leasehold/runlog"
)

const path = "/db_leases/hourly_cleanup"

const (
	acquires  = "leasehold_acquires_total"
	duration  = "leasehold_try_acquire_duration_seconds"
	renewals  = "leasehold_renewals_total"
	losses    = "leasehold_losses_total"
	remaining = "leasehold_lease_remaining_seconds"
)

// values returns the samples of the metric by the value of its label, "" where it
// has none; of a histogram, how many observations it has.
func values(t *testing.T, c *leaseholdprom.Collector, metric string) map[string]float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			label := ""
			for _, l := range m.GetLabel() {
				label += l.GetValue()
			}
			if family.GetName() == metric {
				got[label] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return got
}

// wantCounts fails unless the counter has these values, and 0 for all else.
func wantCounts(t *testing.T, c *leaseholdprom.Collector, counter string, want map[string]float64) {
	t.Helper()
	for label, got := range values(t, c, counter) {
		if got != want[label] {
			t.Errorf("%s of %q: got %v, want %v", counter, label, got, want[label])
		}
	}
}

// wantGauge fails unless the gauge is l's remaining time, which is positive.
func wantGauge(t *testing.T, c *leaseholdprom.Collector, l *leasehold.Lease) {
	t.Helper()
	before := l.Remaining().Seconds()
	got, ok := values(t, c, remaining)[path]
	if after := l.Remaining().Seconds(); !ok || got > before || got < after || after <= 0 {
		t.Errorf("%s: got %v (there: %t), want from %v to %v", remaining, got, ok, after, before)
	}
}

func wantNoGauge(t *testing.T, c *leaseholdprom.Collector) {
	t.Helper()
	if got := values(t, c, remaining); len(got) != 0 {
		t.Errorf("%s: got %v, want none", remaining, got)
	}
}

func acquire(t *testing.T, c leasehold.Client, path string, d time.Duration) *leasehold.Lease {
	t.Helper()
	l, err := c.TryAcquire(t.Context(), path, d)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func inBubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, f)
}

func TestResults(t *testing.T) {
	t.Parallel()
	const d = time.Minute
	skewed := &leasehold.ClockSkewError{Path: path, Limit: d}
	early := &leasehold.ClockSkewError{Path: path, Limit: d, Until: time.Now()}
	for _, c := range []struct {
		err              error
		acquire, renewal string
	}{
		{nil, "granted", "renewed"},
		{&leasehold.HeldError{Path: path}, "denied", "error"},
		{&leasehold.TickError{Path: path, Decision: runlog.Decision{Verdict: runlog.IsDone}}, "denied", "error"},
		{fmt.Errorf("%w: %w", &leasehold.HeldError{Path: path}, context.DeadlineExceeded), "denied", "error"}, // an Acquire
		{early, "denied", "error"},
		{skewed, "skewed", "error"},
		{errors.Join(skewed, leasehold.ErrOutcomeUnknown), "unknown", "unknown"}, // not taken back
		{leasehold.ErrQueued, "queued", "error"},
		{leasehold.ErrUnreachable, "unreachable", "unreachable"},
		{fmt.Errorf("%w: %w", leasehold.ErrUnreachable, context.DeadlineExceeded), "unreachable", "unreachable"},
		{context.DeadlineExceeded, "unreachable", "unreachable"},
		{fmt.Errorf("%w: %w", leasehold.ErrUnreachable, context.Canceled), "canceled", "canceled"},
		{fmt.Errorf("%w: %w", leasehold.ErrOutcomeUnknown, context.Canceled), "unknown", "unknown"},
		{leasehold.ErrLost, "error", "lost"},
		{errors.Join(leasehold.ErrLost, leasehold.ErrOutcomeUnknown), "unknown", "lost"},
		{leasehold.ErrPermission, "error", "error"},
		{&leasehold.RecordError{Path: path, Err: errors.New("?")}, "error", "error"},
		{&leasehold.ArgumentError{}, "error", "error"},
		{&leasehold.SameNameError{}, "error", "error"},
	} {
		m := leaseholdprom.New()
		m.Observe(leasehold.Event{Kind: leasehold.EventTry, Path: path, Err: c.err, Took: time.Second})
		wantCounts(t, m, acquires, map[string]float64{c.acquire: 1})
		wantCounts(t, m, duration, map[string]float64{"": 1})
		m.Observe(leasehold.Event{Kind: leasehold.EventWait, Path: path, Err: c.err, Took: time.Hour})
		wantCounts(t, m, acquires, map[string]float64{c.acquire: 2})
		wantCounts(t, m, duration, map[string]float64{"": 1})
		m.Observe(leasehold.Event{Kind: leasehold.EventRenewal, Path: path, Err: c.err})
		wantCounts(t, m, renewals, map[string]float64{c.renewal: 1})
		if a, r := len(values(t, m, acquires)), len(values(t, m, renewals)); a != 8 || r != 6 {
			t.Errorf("%v: got %d results of acquiring and %d of renewals, want 8 and 6", c.err, a, r)
		}
	}
}

func TestHeldLease(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m, s := leaseholdprom.New(), leasetest.NewStore()
		client := leasehold.Client{Store: s, Holder: "host-a", Observe: m.Observe}
		wantNoGauge(t, m)
		l := acquire(t, client, path, time.Minute)
		wantGauge(t, m, l)
		time.Sleep(20 * time.Second)
		wantGauge(t, m, l)
		err := l.Hold(t.Context(), func(context.Context) error {
			time.Sleep(10 * time.Minute)
			if _, err := (&leasehold.Client{Store: s, Holder: "host-b", Observe: m.Observe}).TryAcquire(t.Context(), path, time.Minute); !errors.Is(err, leasehold.ErrHeld) {
				t.Errorf("host-b: got error %v, want ErrHeld", err)
			}
			if left := values(t, m, remaining)[path]; left < 30 {
				t.Errorf("%s: got %v while it is held, want more", remaining, left)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if n := values(t, m, renewals)["renewed"]; n < 600/17 || n > 600/13 {
			t.Errorf("got %v renewals, want one in 13 to 17 s", n)
		}
		time.Sleep(time.Minute)
		wantNoGauge(t, m)
		wantCounts(t, m, acquires, map[string]float64{"granted": 1, "denied": 1})
		wantCounts(t, m, losses, nil)

		l = acquire(t, client, path, time.Minute)
		if err := l.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantNoGauge(t, m)
	})
}

// A lease that was acquired anew is not hidden by the failures of the one before.
func TestSupersededLease(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m := leaseholdprom.New()
		client := leasehold.Client{Store: leasetest.NewStore(), Holder: "host-a", Observe: m.Observe}
		former := acquire(t, client, path, time.Minute)
		l := acquire(t, client, path, time.Minute)
		if err := former.Renew(t.Context()); !errors.Is(err, leasehold.ErrLost) {
			t.Errorf("Renew: got error %v, want ErrLost", err)
		}
		wantGauge(t, m, l)
		wantCounts(t, m, losses, map[string]float64{"": 1})
	})
}

// A lease in doubt has no remaining time, and has it again once it is confirmed.
func TestGaugeComesBackWithARenewal(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m, s := leaseholdprom.New(), &doubtful{Store: leasetest.NewStore()}
		l := acquire(t, leasehold.Client{Store: s, Holder: "host-a", Observe: m.Observe}, path, time.Minute)
		time.Sleep(time.Second)
		s.missing = leasehold.ReadInstant()
		wantNoGauge(t, m)
		time.Sleep(time.Second)
		if err := l.Renew(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantGauge(t, m, l)
	})
}

// A doubtful store finds that this host's clocks stood still.
type doubtful struct {
	*leasetest.Store
	missing leasehold.Instant
}

func (d *doubtful) TimeMissing() leasehold.Instant { return d.missing }

// Leases that are over are dropped, also if nobody collects.
func TestLeasesThatAreOverAreDropped(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m := leaseholdprom.New()
		client := leasehold.Client{Store: leasetest.NewStore(), Holder: "host-a", Observe: m.Observe}
		const lasting = 100
		for i := range lasting {
			acquire(t, client, fmt.Sprint("/lasting/", i), 24*time.Hour)
		}
		for i := range 2000 {
			acquire(t, client, fmt.Sprint("/report/", i), 2*time.Second)
			time.Sleep(10 * time.Second)
		}
		if n := leaseholdprom.Held(m); n > 2*(lasting+1) {
			t.Errorf("got %d leases, want no more than twice the %d that are not over", n, lasting+1)
		}
		if n := len(values(t, m, remaining)); n != lasting {
			t.Errorf("got %d series, want %d", n, lasting)
		}
	})
}

func TestNamesFollowTheConventions(t *testing.T) {
	t.Parallel()
	m := leaseholdprom.New()
	acquire(t, leasehold.Client{Store: leasetest.NewStore(), Holder: "host-a", Observe: m.Observe}, path, time.Minute)
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(m)
	problems, err := testutil.GatherAndLint(registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: got %q, want nothing to say", p.Metric, p.Text)
	}
	for _, metric := range []string{acquires, duration, renewals, losses, remaining} {
		if len(values(t, m, metric)) == 0 {
			t.Errorf("got no %s", metric)
		}
	}
}

// The documents name every metric, and none that is not there.
func TestDocumentsNameTheMetrics(t *testing.T) {
	t.Parallel()
	all := []string{acquires, duration, renewals, losses, remaining}
	slices.Sort(all)
	for _, document := range []string{"doc.go", "../docs/recipes.md"} {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		got := regexp.MustCompile(`leasehold(_[a-z]+)+_(total|seconds)`).FindAllString(string(text), -1)
		slices.Sort(got)
		if got = slices.Compact(got); !slices.Equal(got, all) {
			t.Errorf("%s: got the names %q, want %q", document, got, all)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	m, s := leaseholdprom.New(), leasetest.NewStore()
	const hosts, leases = 4, 100
	var wg sync.WaitGroup
	for h := range hosts {
		wg.Go(func() {
			client := leasehold.Client{Store: s, Holder: fmt.Sprint("host-", h), Observe: m.Observe}
			for i := range leases {
				l, err := client.TryAcquire(t.Context(), fmt.Sprintf("/%d/%d", h, i), time.Minute)
				if err == nil {
					err = l.Renew(t.Context())
				}
				if err != nil {
					t.Error(err)
				}
				values(t, m, remaining)
			}
		})
	}
	wg.Wait()
	wantCounts(t, m, acquires, map[string]float64{"granted": hosts * leases})
	wantCounts(t, m, renewals, map[string]float64{"renewed": hosts * leases})
	if n := len(values(t, m, remaining)); n != hosts*leases {
		t.Errorf("got %d series, want %d", n, hosts*leases)
	}
}
