package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/runlog"
	"leasehold.example/leasehold/soak/history"
)

// runTicks asks for ticks of a schedule at path, and never returns.
func (p *process) runTicks(path string, period time.Duration, attempts int, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	between := func(min, max time.Duration) time.Duration {
		return min + time.Duration(rng.Int64N(int64(max-min)))
	}
	s := leasehold.Schedule{
		Name: "every " + period.String(), Timezone: "UTC", Attempts: attempts, RetryAfter: time.Millisecond,
		Ticks: func(t time.Time) (due, next time.Time, ok bool) {
			due = t.Truncate(period)
			return due, due.Add(period), true
		},
	}
	for {
		wait := rng.IntN(4) == 0
		h := p.acquireTick(path, s, wait, between(2*time.Second, 3*time.Second))
		if h == nil {
			time.Sleep(between(200*time.Millisecond, 1500*time.Millisecond))
			continue
		}
		p.runTick(h, between(200*time.Millisecond, 4*time.Second), rng.IntN(3) > 0)
		time.Sleep(between(10*time.Millisecond, time.Second))
	}
}

// acquireTick returns nil unless the newest tick was granted.
func (p *process) acquireTick(path string, s leasehold.Schedule, wait bool, d time.Duration) *heldLease {
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
	defer cancel()
	call := p.begin(history.Event{Op: "tick", Path: path, Duration: d.Nanoseconds()})
	acquire := p.client.TryAcquireTick
	if wait {
		acquire = p.client.AcquireTick
	}
	lease, err := acquire(ctx, path, s, d)
	if _, refused := errors.AsType[*leasehold.TickError](err); refused {
		call.Kind, call.Outcome, call.Reason = history.Result, history.Denied, err.Error()
		p.log(call)
		return nil
	}
	if err != nil {
		p.end(call, history.Granted, err)
		return nil
	}
	call.Lease, call.Token, call.End = call.Call, lease.Token(), lease.End().Unix()
	call.Tick, call.Attempt = lease.Tick().Unix(), lease.Attempt()
	p.end(call, history.Granted, nil)
	return &heldLease{lease: lease, number: call.Call, duration: d}
}

// runTick acts on the lease for a while, and says how that ended.
func (p *process) runTick(h *heldLease, work time.Duration, success bool) {
	working, stop := h.lease.KeepAlive(context.Background())
	defer stop()
	over := time.NewTimer(work)
	defer over.Stop()
	result := runlog.Failure
	if success {
		result = runlog.Success
	}
	for going := true; going; {
		if !p.sample(h) {
			break
		}
		select {
		case <-working.Done():
			result, success, going = runlog.Lost, false, false
		case <-over.C:
			going = false
		case <-time.After(step):
		}
	}
	p.stop(h)
	call := p.begin(h.of(history.Event{Op: "finish", Tick: h.lease.Tick().Unix(), Attempt: h.lease.Attempt(), Success: success}))
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	p.end(call, history.Finished, h.lease.Finish(ctx, leasehold.Outcome{Result: result}))
}
