package leaseholdprom

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"leasehold.example/leasehold"
)

// The values of the label result.
const (
	granted     = "granted"
	renewed     = "renewed"
	denied      = "denied"
	queued      = "queued"
	skewed      = "skewed"
	unreachable = "unreachable"
	unknown     = "unknown"
	canceled    = "canceled"
	lost        = "lost"
	failed      = "error"
)

// Each result has its series from the start, so that the first one of its kind
// shows as an increase.
var (
	acquireResults = []string{granted, denied, queued, skewed, unreachable, unknown, canceled, failed}
	renewalResults = []string{renewed, lost, unreachable, unknown, canceled, failed}
)

// A Collector holds the metrics of a Client. It is safe for concurrent use.
type Collector struct {
	acquires *prometheus.CounterVec
	duration prometheus.Histogram
	renewals *prometheus.CounterVec
	losses   prometheus.Counter

	remaining *prometheus.Desc

	mu      sync.Mutex                  // guards what is below
	held    map[string]*leasehold.Lease // by path; some may be over
	sweepAt int                         // how many there are when those that are over are dropped
}

var _ prometheus.Collector = (*Collector)(nil)

// minSweep is how many leases are kept, over or not, without a look at them.
const minSweep = 64

// New returns a Collector, to be registered, whose Observe is to be the Client's.
func New() *Collector {
	c := &Collector{
		acquires: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "leasehold_acquires_total",
			Help: "Calls that asked for a lease, waiting or not, by how they ended.",
		}, []string{"result"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "leasehold_try_acquire_duration_seconds",
			Help:    "How long calls took that ask for a lease without waiting for it, however they ended.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}),
		renewals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "leasehold_renewals_total",
			Help: "Attempts to renew a lease, by how they ended.",
		}, []string{"result"}),
		losses: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "leasehold_losses_total",
			Help: "Leases that were in use, or not yet released, and turned out to be over.",
		}),
		remaining: prometheus.NewDesc("leasehold_lease_remaining_seconds",
			"For how long the holder may still act on the lease if it is not renewed.", []string{"path"}, nil),
		held:    map[string]*leasehold.Lease{},
		sweepAt: minSweep,
	}
	for _, result := range acquireResults {
		c.acquires.WithLabelValues(result)
	}
	for _, result := range renewalResults {
		c.renewals.WithLabelValues(result)
	}
	return c
}

// Observe counts e. It asks no store, and returns at once.
func (c *Collector) Observe(e leasehold.Event) {
	switch e.Kind {
	case leasehold.EventTry:
		c.duration.Observe(e.Took.Seconds())
		c.acquires.WithLabelValues(result(e.Err, granted)).Inc()
	case leasehold.EventWait:
		c.acquires.WithLabelValues(result(e.Err, granted)).Inc()
	case leasehold.EventRenewal:
		c.renewals.WithLabelValues(renewalResult(e.Err)).Inc()
	case leasehold.EventLoss:
		c.losses.Inc()
	}
	if e.Lease != nil && e.Err == nil {
		c.hold(e.Lease)
	}
}

// result returns how a call ended, ok if it did well.
func result(err error, ok string) string {
	var (
		tick *leasehold.TickError
		skew *leasehold.ClockSkewError
	)
	switch {
	case err == nil:
		return ok
	case errors.Is(err, leasehold.ErrOutcomeUnknown):
		return unknown
	case errors.Is(err, leasehold.ErrHeld), errors.As(err, &tick):
		return denied
	case errors.As(err, &skew) && !skew.Until.IsZero(): // the clocks agree: another still has it
		return denied
	case errors.As(err, &skew):
		return skewed
	case errors.Is(err, leasehold.ErrQueued):
		return queued
	case errors.Is(err, context.Canceled):
		return canceled
	case errors.Is(err, leasehold.ErrUnreachable), errors.Is(err, context.DeadlineExceeded):
		return unreachable
	}
	return failed
}

func renewalResult(err error) string {
	if errors.Is(err, leasehold.ErrLost) {
		return lost
	}
	if r := result(err, renewed); slices.Contains(renewalResults, r) {
		return r
	}
	return failed // with Adopt, what acquiring it anew came to
}

// hold keeps l until it is over.
func (c *Collector) hold(l *leasehold.Lease) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held[l.Path()] = l
	if len(c.held) < c.sweepAt {
		return
	}
	c.sweep()
	c.sweepAt = max(minSweep, 2*len(c.held))
}

// sweep drops the leases that are over, and returns the remaining time of the others.
func (c *Collector) sweep() map[string]time.Duration {
	remaining := make(map[string]time.Duration, len(c.held))
	for path, l := range c.held {
		if left := l.Remaining(); left > 0 {
			remaining[path] = left
		} else {
			delete(c.held, path) // its next renewal, if there is one, brings it back
		}
	}
	return remaining
}

// Describe sends the descriptions of all metrics.
func (c *Collector) Describe(descs chan<- *prometheus.Desc) {
	for _, m := range c.kept() {
		m.Describe(descs)
	}
	descs <- c.remaining
}

// Collect sends all metrics.
func (c *Collector) Collect(metrics chan<- prometheus.Metric) {
	for _, m := range c.kept() {
		m.Collect(metrics)
	}
	c.mu.Lock()
	remaining := c.sweep()
	c.mu.Unlock() // a slow receiver must not delay Observe
	for path, left := range remaining {
		metrics <- prometheus.MustNewConstMetric(c.remaining, prometheus.GaugeValue, left.Seconds(), path)
	}
}

func (c *Collector) kept() []prometheus.Collector {
	return []prometheus.Collector{c.acquires, c.duration, c.renewals, c.losses}
}
