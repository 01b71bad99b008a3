package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/soak/history"
)

// A request is one attempt to get a lease.
type request struct {
	op       string // try, acquire, try slot or acquire slot
	path     string
	slots    int
	duration time.Duration
}

// A heldLease is a lease of this process.
type heldLease struct {
	lease    *leasehold.Lease
	number   int64 // the call that granted it
	duration time.Duration

	mu      sync.Mutex // held over a sample, so that none is logged after a stop
	stopped bool
}

// begin logs that a call begins, and returns the Event with its number.
func (p *process) begin(e history.Event) history.Event {
	p.mu.Lock()
	p.last++
	e.Call = p.last
	p.mu.Unlock()
	e.Kind = history.Call
	p.log(e)
	return e
}

// end logs how the call ended: with success, or the outcome that err means.
func (p *process) end(call history.Event, success history.Outcome, err error) {
	call.Kind, call.Outcome = history.Result, success
	if err != nil {
		call.Outcome, call.Reason = outcomeOf(err), err.Error()
	}
	if held, ok := errors.AsType[*leasehold.HeldError](err); ok && call.Outcome == history.Denied {
		call.By, call.End = held.Holder, held.End.Unix()
	}
	p.log(call)
}

// acquire returns nil unless the lease was granted.
func (p *process) acquire(ctx context.Context, r request) *heldLease {
	call := p.begin(history.Event{Op: r.op, Path: r.path, Duration: r.duration.Nanoseconds()})
	lease, err := r.call(ctx, p.client)
	if err != nil {
		p.end(call, history.Granted, err)
		return nil
	}
	call.Path, call.Lease, call.Token, call.End = lease.Path(), call.Call, lease.Token(), lease.End().Unix()
	p.end(call, history.Granted, nil)
	return &heldLease{lease: lease, number: call.Call, duration: r.duration}
}

func (r request) call(ctx context.Context, client *leasehold.Client) (*leasehold.Lease, error) {
	switch r.op {
	case "try":
		return client.TryAcquire(ctx, r.path, r.duration)
	case "acquire":
		return client.Acquire(ctx, r.path, r.duration)
	case "try slot":
		return client.TryAcquireSlot(ctx, r.path, r.slots, r.duration)
	default:
		return client.AcquireSlot(ctx, r.path, r.slots, r.duration)
	}
}

// outcomeOf sorts errors, by what matters most: a denial that ended a wait
// matches the context's error as well.
func outcomeOf(err error) history.Outcome {
	_, skewed := errors.AsType[*leasehold.ClockSkewError](err)
	switch {
	case errors.Is(err, leasehold.ErrOutcomeUnknown):
		return history.Unknown
	case errors.Is(err, leasehold.ErrHeld):
		return history.Denied
	case errors.Is(err, leasehold.ErrLost):
		return history.Lost
	case errors.Is(err, leasehold.ErrQueued):
		return history.Queued
	case errors.Is(err, leasehold.ErrUnreachable):
		return history.Unreachable
	case skewed:
		return history.Skewed
	}
	return history.Failed
}

// of returns an Event about the lease.
func (h *heldLease) of(e history.Event) history.Event {
	e.Lease, e.Path, e.Token = h.number, h.lease.Path(), h.lease.Token()
	e.Duration = h.duration.Nanoseconds()
	return e
}

// sample reads whether this process may act, logs it and returns it. The time is
// taken before.
func (p *process) sample(h *heldLease) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopped {
		return false
	}
	e := history.Stamp(h.of(history.Event{Kind: history.Sample}))
	e.Left = h.lease.Remaining().Nanoseconds()
	p.log(e)
	return e.Left > 0
}

// stop logs that this process acts no more.
func (p *process) stop(h *heldLease) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.stopped {
		h.stopped = true
		p.log(h.of(history.Event{Kind: history.Stop}))
	}
}

func (p *process) renew(ctx context.Context, h *heldLease) {
	call := p.begin(h.of(history.Event{Op: "renew"}))
	err := h.lease.Renew(ctx)
	if err == nil {
		call.End = h.lease.End().Unix()
	}
	p.end(call, history.Renewed, err)
}

func (p *process) release(ctx context.Context, h *heldLease) {
	p.stop(h)
	call := p.begin(h.of(history.Event{Op: "release"}))
	p.end(call, history.Released, h.lease.Release(ctx))
}

// hold keeps the lease alive and acts on it for a while.
func (p *process) hold(ctx context.Context, h *heldLease, work time.Duration) {
	call := p.begin(h.of(history.Event{Op: "hold"}))
	over := time.NewTimer(work)
	defer over.Stop()
	err := h.lease.Hold(ctx, func(ctx context.Context) error {
		for p.sample(h) {
			select {
			case <-ctx.Done():
				p.stop(h)
				return nil
			case <-over.C:
				return nil
			case <-time.After(step):
			}
		}
		return nil
	})
	p.end(call, history.Kept, err)
}
