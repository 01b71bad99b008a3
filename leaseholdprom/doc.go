// Package leaseholdprom has metrics, for Prometheus, of what a Go program does with
// leases: it registers a [Collector], and sets a [leasehold.Client]'s Observe.
//
//	metrics := leaseholdprom.New()
//	prometheus.MustRegister(metrics)
//	client := leasehold.Client{Store: store, Observe: metrics.Observe}
//
// A Collector is safe for concurrent use. Clients of one store may share one; those
// of several stores need one each, told apart with
// [prometheus.WrapRegistererWith].
//
// # The metrics
//
//	leasehold_acquires_total{result}         counter
//
// Calls of TryAcquire, Acquire and their kin for slots and ticks that have
// returned. One that waits counts once, at its end. result is
//
//	granted      the lease was granted
//	denied       another has it, or the run log refuses the tick
//	queued       a client of kazoo kept the path locked
//	skewed       this host's clock and the store's disagree: nothing is granted
//	unreachable  the store did not answer in time
//	unknown      a write was sent, and what became of it is not known
//	canceled     the caller's context was canceled
//	error        all else, as no permission, a bad record, a bad argument
//
//	leasehold_try_acquire_duration_seconds   histogram
//
// How long the calls took that don't wait for a holder: TryAcquire and its kin,
// whatever their result. Among several slots that kazoo keeps locked, and shortly
// before the next tick, they take longer without the store being slow.
//
//	leasehold_renewals_total{result}         counter
//
// Renewals by Hold, KeepAlive and Renew: each attempt counts, and several may fail
// before one is in time. result is renewed, lost, unreachable, unknown, canceled
// or error.
//
//	leasehold_losses_total                   counter
//
// Leases that turned out to be over without having been released: Hold or Context
// told the work to stop, or a renewal or a release found it. Each counts once.
//
//	leasehold_lease_remaining_seconds{path}  gauge
//
// For how long the holder may act on each lease that it has, were it not renewed:
// [leasehold.Lease.Remaining]. The series ends with the lease. path is that of the
// slot, where there are slots.
//
// Each result has its series from the start, at 0. Only the gauge has a label that
// is not from a fixed set, and no more series than there are leases held.
//
// # What is not promised
//
// A counter tells what this process was told, not what is so on the store: a loss
// that nobody has noticed yet is not counted, and a lease that runs out when its
// work has ended is no loss. A gauge that is gone does not say whether the lease was
// lost, released or kept to its end. What other processes do, and whether a job ran
// at all, is not here.
package leaseholdprom
