package leasehold

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"leasehold.example/leasehold/runlog"
)

// docs/logging.md has the messages and keys that are logged at level Info and
// above: they are not to be changed.

func (c *Client) log() *slog.Logger {
	if c.Logger != nil {
		return c.Logger
	}
	return slog.New(slog.DiscardHandler)
}

// logDenial logs err if it is a denial, and returns it. While somebody waits, the
// same grant denies again and again, each time that it is renewed: that is told at
// level Debug.
func (r *request) logDenial(ctx context.Context, err error) error {
	by := r.denialAttrs(err)
	if by == nil {
		return err
	}
	level := slog.LevelInfo
	if grant := fmt.Sprint(by...); grant == r.deniedBy {
		level = slog.LevelDebug
	} else {
		r.deniedBy = grant
	}
	var held *HeldError
	if errors.As(err, &held) {
		by = append(by, "end", formatEnd(held.End))
	}
	r.log().Log(ctx, level, "lease denied", append(append([]any{"path", r.path, "holder", r.name}, by...), "reason", err)...)
	return err
}

// denialAttrs returns what tells one denial from another, nil if err is none.
func (r *request) denialAttrs(err error) []any {
	var (
		held *HeldError
		tick *TickError
		skew *ClockSkewError
	)
	switch {
	case errors.Is(err, ErrOutcomeUnknown):
		return nil
	case errors.As(err, &held):
		return []any{"by", held.Holder, "token", held.Token}
	case errors.As(err, &tick):
		attrs := []any{"tick", formatEnd(tick.Due), "verdict", tick.Verdict.String()}
		switch {
		case tick.Paused != nil:
			attrs = append(attrs, "by", tick.Paused.By)
		case tick.Run != nil:
			attrs = append(attrs, "by", tick.Run.Holder)
		}
		return attrs
	case errors.As(err, &skew) && !skew.Until.IsZero(), errors.Is(err, ErrQueued):
		return []any{}
	}
	return nil
}

func (l *Lease) logGrant(ctx context.Context) {
	attrs := []any{"path", l.path, "holder", l.request.name, "token", l.Token(), "end", formatEnd(l.End())}
	if l.slot != noSlot {
		attrs = append(attrs, "slot", l.slot)
	}
	l.request.log().InfoContext(ctx, "lease granted", append(attrs, l.tickAttrs()...)...)
}

func (l *Lease) logFinish(ctx context.Context, result runlog.Result) {
	attrs := append([]any{"path", l.path, "holder", l.request.name}, l.tickAttrs()...)
	l.request.log().InfoContext(ctx, "run finished", append(attrs, "result", result)...)
}

// tickAttrs returns which tick is run, if it is one.
func (l *Lease) tickAttrs() []any {
	if l.Attempt() == 0 {
		return nil
	}
	return []any{"tick", formatEnd(l.Tick()), "attempt", l.Attempt()}
}

// tellLoss logs, and tells Observe, why the lease was lost; only once, and not that
// its holder has released it.
func (l *Lease) tellLoss(why error) {
	if isRelease(why) || l.lossTold.Swap(true) {
		return
	}
	l.request.log().Warn("lease lost", "path", l.path, "holder", l.request.name, "token", l.Token(), "reason", why)
	if l.request.Observe != nil {
		l.request.Observe(Event{Kind: EventLoss, Path: l.path, Lease: l, Err: why})
	}
}
