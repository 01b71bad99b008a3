package gocronlease

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/go-co-op/gocron/v2"

	"leasehold.example/leasehold"
)

// An Elector is a [gocron.Elector]: all jobs of a scheduler are run by the process that
// has the lease at Path. Its fields may be set until Run is called.
type Elector struct {
	Client *leasehold.Client
	Path   string

	// Duration is how long others wait until they take over from a process that died.
	Duration time.Duration

	holding atomic.Pointer[holding] // nil while another is the leader
}

var _ gocron.Elector = (*Elector)(nil)

var errNotLeader = errors.New("another process is the leader")

// retryTime is the pause after a failure to acquire the lease.
const retryTime = 5 * time.Second

// Run keeps asking for the lease, and keeps it, until ctx ends; then it releases it, so
// that another leads at once. Start it before the scheduler, and end ctx after
// Shutdown, when no job runs any more.
//
// It returns an error at once if the Client, the path or the duration can't be used, and
// at the end if the lease was not released. Any other goes to the Client's Logger, and it
// tries again.
func (e *Elector) Run(ctx context.Context) error {
	if err := checkClient(e.Client); err != nil {
		return err
	}
	client := forProcess(e.Client)
	for {
		err := e.lead(ctx, client)
		var bad *leasehold.ArgumentError
		switch {
		case errors.As(err, &bad):
			return err
		case ctx.Err() != nil && (err == nil || errors.Is(err, ctx.Err())):
			return nil
		case ctx.Err() != nil:
			return err
		case err != nil:
			client.Logger.WarnContext(ctx, "no leader here", "path", e.Path, "reason", err)
			select {
			case <-time.After(retryTime):
			case <-ctx.Done():
			}
		}
	}
}

// lead waits for the lease, and keeps it until it is lost, or ctx ends.
func (e *Elector) lead(ctx context.Context, client *leasehold.Client) error {
	lease, err := client.Acquire(ctx, e.Path, e.Duration)
	if err != nil {
		return err
	}
	h, err := hold(ctx, lease)
	if err != nil {
		return errors.Join(err, lease.Release(ctx))
	}
	e.holding.Store(h)
	<-h.working.Done()
	e.holding.Store(nil)
	h.stop()
	if ctx.Err() != nil {
		return lease.Release(ctx)
	}
	return context.Cause(h.working)
}

// IsLeader returns nil while this process has the lease. It makes no request.
func (e *Elector) IsLeader(context.Context) error {
	h := e.holding.Load()
	if h == nil || h.lease.Remaining() <= 0 {
		return errNotLeader
	}
	return context.Cause(h.working)
}

// Task returns a task whose context ends with that of its job, and, with the cause
// leasehold.ErrLost, before another process can be the leader. gocron can't end the
// context of any other task.
func (e *Elector) Task(f func(ctx context.Context, l *leasehold.Lease) error) gocron.Task {
	return gocron.NewTask(func(ctx context.Context) error {
		h := e.holding.Load()
		if h == nil {
			return errNotLeader
		}
		return h.do(ctx, f)
	})
}
