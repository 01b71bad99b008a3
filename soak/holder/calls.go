package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/soak/history"
	"leasehold.example/leasehold/zookeeper"
)

// A request is one attempt to get a lease.
type request struct {
	op       string // try, acquire, try slot or acquire slot
	path     string
	slots    int
	duration time.Duration
}

// An acting is a lease of this process.
type acting struct {
	lease    *leasehold.Lease
	number   int64 // the call that granted it
	duration time.Duration

	mu      sync.Mutex // held over a look, so that none is logged after a stop
	stopped bool
}

// begin logs that a call begins, and returns its number.
func (p *process) begin(e history.Event) history.Event {
	p.mu.Lock()
	p.last++
	e.Call = p.last
	p.mu.Unlock()
	e.Kind = history.Call
	p.log(e)
	return e
}

// answer logs how the call ended.
func (p *process) answer(call history.Event, outcome history.Outcome, err error) history.Event {
	call.Kind, call.Outcome = history.Answer, outcome
	if err != nil {
		call.Reason = err.Error()
	}
	if held, ok := errors.AsType[*leasehold.HeldError](err); ok && outcome == history.Denied {
		call.By, call.End = held.Holder, held.End.Unix()
	}
	p.log(call)
	return call
}

// acquire returns nil unless the lease was granted.
func (p *process) acquire(ctx context.Context, r request) *acting {
	call := p.begin(history.Event{Op: r.op, Path: r.path, Duration: r.duration.Nanoseconds()})
	lease, err := p.ask(ctx, r)
	if err != nil {
		p.answer(call, outcomeOf(err), err)
		return nil
	}
	call.Path, call.Lease, call.Token, call.End = lease.Path(), call.Call, lease.Token(), lease.End().Unix()
	p.answer(call, history.Granted, nil)
	return &acting{lease: lease, number: call.Call, duration: r.duration}
}

func (p *process) ask(ctx context.Context, r request) (*leasehold.Lease, error) {
	switch r.op {
	case "try":
		return p.client.TryAcquire(ctx, r.path, r.duration)
	case "acquire":
		return p.client.Acquire(ctx, r.path, r.duration)
	case "try slot":
		return p.client.TryAcquireSlot(ctx, r.path, r.slots, r.duration)
	default:
		return p.client.AcquireSlot(ctx, r.path, r.slots, r.duration)
	}
}

// outcomeOf sorts errors. What matters comes first: a denial that ended a wait
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
	case errors.Is(err, zookeeper.ErrQueued):
		return history.Queued
	case errors.Is(err, leasehold.ErrUnreachable):
		return history.Unreachable
	case skewed:
		return history.Skewed
	}
	return history.Failed
}

// of returns an Event about the lease.
func (a *acting) of(e history.Event) history.Event {
	e.Lease, e.Path, e.Token = a.number, a.lease.Path(), a.lease.Token()
	e.Duration = a.duration.Nanoseconds()
	return e
}

// look asks whether this process may act, logs the answer, and returns it. The
// time is taken before.
func (p *process) look(a *acting) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stopped {
		return false
	}
	e := history.Stamp(a.of(history.Event{Kind: history.Look}))
	e.Left = a.lease.Remaining().Nanoseconds()
	p.log(e)
	return e.Left > 0
}

// stop has this process act no more.
func (p *process) stop(a *acting) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.stopped {
		a.stopped = true
		p.log(a.of(history.Event{Kind: history.Stop}))
	}
}

func (p *process) renew(ctx context.Context, a *acting) error {
	call := p.begin(a.of(history.Event{Op: "renew"}))
	err := a.lease.Renew(ctx)
	if err == nil {
		call.End = a.lease.End().Unix()
		p.answer(call, history.Renewed, nil)
		return nil
	}
	p.answer(call, outcomeOf(err), err)
	return err
}

func (p *process) release(ctx context.Context, a *acting) {
	p.stop(a)
	call := p.begin(a.of(history.Event{Op: "release"}))
	if err := a.lease.Release(ctx); err != nil {
		p.answer(call, outcomeOf(err), err)
		return
	}
	p.answer(call, history.Released, nil)
}

// hold keeps the lease alive and acts on it for a while.
func (p *process) hold(ctx context.Context, a *acting, work time.Duration) {
	call := p.begin(a.of(history.Event{Op: "hold"}))
	over := time.NewTimer(work)
	defer over.Stop()
	err := a.lease.Hold(ctx, func(ctx context.Context) error {
		for p.look(a) {
			select {
			case <-ctx.Done():
				p.stop(a) // which is what the end of the context demands
				return nil
			case <-over.C:
				return nil
			case <-time.After(step):
			}
		}
		return nil
	})
	if err != nil {
		p.answer(call, outcomeOf(err), err)
		return
	}
	p.answer(call, history.Kept, nil)
}
