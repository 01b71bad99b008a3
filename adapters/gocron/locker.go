package gocronlease

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-co-op/gocron/v2"

	"leasehold.example/leasehold"
)

// A Locker is a [gocron.Locker]: each job has a lease, which is renewed while the job
// runs, and kept after that until it ends. So a job stays with the process that ran it
// first, and moves to another one when that has not run it for Duration.
//
// Its fields may be set until its first use.
type Locker struct {
	Client *leasehold.Client

	// Path is where the leases are: a job's is at Path, a slash, and the job's name,
	// which is that of its function unless gocron.WithName gives one. Names must differ.
	Path string

	// Duration is for how long a job's lease lasts after its last renewal. Twice the
	// time between two runs is a good one: if it is shorter than that time, or little
	// longer, other processes run the job in between.
	Duration time.Duration

	// Release makes a job's lease end with each run. Then a process whose clock or
	// ticker is a moment behind does a short job again: set it only for jobs that need
	// no more than not to run twice at a time.
	Release bool

	jobs sync.Map // name → *lock
}

var _ gocron.Locker = (*Locker)(nil)

// lockTime bounds the requests of a Lock: gocron does not plan a job's next run before
// that has returned.
const lockTime = 10 * time.Second

var errRunning = fmt.Errorf("%w: the job still runs in this process", leasehold.ErrHeld)

// Lock returns an error, and the job is not run, if another process has the job's
// lease, also one of the same holder name; if an earlier run of the job is still going
// on (both match leasehold.ErrHeld); or if the lease can't be had. The Client's Logger
// is told of that, since gocron tells nobody but a gocron.AfterLockError.
func (l *Locker) Lock(ctx context.Context, key string) (gocron.Lock, error) {
	if err := checkClient(l.Client); err != nil {
		return nil, err
	}
	found, _ := l.jobs.LoadOrStore(key, &lock{locker: l, client: forProcess(l.Client), path: l.Path + "/" + key})
	k := found.(*lock)
	if !k.running.TryLock() {
		return nil, errRunning
	}
	if err := k.obtain(ctx); err != nil {
		k.running.Unlock()
		if !errors.Is(err, leasehold.ErrHeld) {
			k.client.Logger.WarnContext(ctx, "job not run", "job", key, "reason", err)
		}
		return nil, err
	}
	return k, nil
}

// Task returns the task of the job of that name. f's context ends with that of the
// job, and, with the cause leasehold.ErrLost, before the job's lease is over. gocron
// can't end the context of any other task.
func (l *Locker) Task(name string, f func(ctx context.Context, l *leasehold.Lease) error) gocron.Task {
	return gocron.NewTask(func(ctx context.Context) error {
		if found, ok := l.jobs.Load(name); ok {
			if h := found.(*lock).holding.Load(); h != nil {
				return h.do(ctx, f)
			}
		}
		return &leasehold.ArgumentError{Name: "job", Value: name, Want: "must have this Locker, and this name by gocron.WithName"}
	})
}

// A lock is that of one job, for all its runs.
type lock struct {
	locker *Locker
	client *leasehold.Client
	path   string

	running sync.Mutex // held by a run, also while it asks
	lease   *leasehold.Lease
	holding atomic.Pointer[holding] // nil between runs
}

// obtain goes on with the lease that an earlier run has kept, or acquires one.
func (k *lock) obtain(ctx context.Context) error {
	attempt, cancel := context.WithTimeout(ctx, lockTime)
	defer cancel()
	err := leasehold.ErrLost
	if k.lease != nil && time.Now().Before(k.lease.End()) { // else nothing was lost
		if err = k.lease.Renew(attempt); errors.Is(err, leasehold.ErrLost) {
			_ = k.lease.Release(attempt) // if it was too late to renew it, it keeps even this process off
		}
	}
	if errors.Is(err, leasehold.ErrLost) {
		k.lease, err = k.client.TryAcquire(attempt, k.path, k.locker.Duration)
	}
	if err != nil {
		return err
	}
	h, err := hold(ctx, k.lease)
	if err != nil {
		return errors.Join(err, k.release(ctx))
	}
	k.holding.Store(h)
	return nil
}

// Unlock ends the renewals.
func (k *lock) Unlock(ctx context.Context) error {
	defer k.running.Unlock()
	k.holding.Swap(nil).stop()
	if !k.locker.Release {
		return nil
	}
	err := k.release(ctx)
	if err != nil {
		k.client.Logger.WarnContext(ctx, "lease of a job not released", "path", k.path, "reason", err)
	}
	return err
}

func (k *lock) release(ctx context.Context) error {
	lease := k.lease
	k.lease = nil
	return lease.Release(ctx)
}
