package gocronlease

import (
	"context"
	"errors"
	"log/slog"

	"leasehold.example/leasehold"
)

// A holding is a lease that is kept alive.
type holding struct {
	lease   *leasehold.Lease
	working context.Context // ends before the lease is over
	stop    func()
}

func hold(ctx context.Context, lease *leasehold.Lease) (*holding, error) {
	working, stop := lease.KeepAlive(ctx)
	var bad *leasehold.ArgumentError
	if err := context.Cause(working); errors.As(err, &bad) { // the Client's Grace
		stop()
		return nil, err
	}
	return &holding{lease, working, stop}, nil
}

// do calls f with a context that ends with ctx, and when the lease is lost.
func (h *holding) do(ctx context.Context, f func(context.Context, *leasehold.Lease) error) error {
	working, end := context.WithCancelCause(ctx)
	defer end(nil)
	defer context.AfterFunc(h.working, func() { end(context.Cause(h.working)) })()
	err := f(working, h.lease)
	if lost := context.Cause(h.working); errors.Is(lost, leasehold.ErrLost) && !errors.Is(err, leasehold.ErrLost) {
		err = errors.Join(err, lost)
	}
	return err
}

// forProcess returns c for leases that belong to this very process: they count against
// others of its holder name, too.
func forProcess(c *leasehold.Client) *leasehold.Client {
	own := *c
	own.Once, own.Adopt = true, false
	own.RunLog = false // a lease is that of many runs
	if own.Logger == nil {
		own.Logger = slog.New(slog.DiscardHandler)
	}
	return &own
}

func checkClient(c *leasehold.Client) error {
	if c == nil {
		return &leasehold.ArgumentError{Name: "Client", Want: "must be set"}
	}
	return nil
}
