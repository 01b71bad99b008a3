package gocronlease_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-co-op/gocron/v2"
	"github.com/google/uuid"

	"leasehold.example/leasehold"
	gocronlease "leasehold.example/leasehold/adapters/gocron"
	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/zookeeper"
)

func TestMain(m *testing.M) { zktest.Main(m) }

// client returns a Client on the shared server, with a connection of its own.
func client(t *testing.T, holder string) *leasehold.Client {
	t.Helper()
	store, err := zookeeper.Open(t.Context(), "zk://"+zktest.Shared(t).Addr(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return &leasehold.Client{Store: store, Holder: holder}
}

var paths atomic.Int32

// newPath returns one that no other test has, nor this one when it is run again.
func newPath(t *testing.T) string { return fmt.Sprintf("/%s-%d", t.Name(), paths.Add(1)) }

// A replica is a process with a Locker and a scheduler.
type replica struct {
	gocron.Scheduler
	client *leasehold.Client
	locker *gocronlease.Locker
	denied chan error // by the Locker
}

// replicas returns some whose leases last for d.
func replicas(t *testing.T, n int, d time.Duration) []*replica {
	t.Helper()
	path := newPath(t)
	var all []*replica
	for i := range n {
		c := client(t, fmt.Sprint("replica-", i))
		l := &gocronlease.Locker{Client: c, Path: path, Duration: d}
		all = append(all, &replica{scheduler(t, gocron.WithDistributedLocker(l)), c, l, make(chan error, 1000)})
	}
	return all
}

// add adds the job "poll", whose first run is at start, and starts the scheduler.
func (r *replica) add(t *testing.T, period time.Duration, start time.Time, task gocron.Task) {
	t.Helper()
	_, err := r.NewJob(gocron.DurationJob(period), task, gocron.WithName("poll"),
		gocron.WithStartAt(gocron.WithStartDateTime(start)),
		gocron.WithEventListeners(gocron.AfterLockError(func(_ uuid.UUID, _ string, err error) { r.denied <- err })))
	if err != nil {
		t.Fatal(err)
	}
	r.Start()
}

// scheduler returns one that is shut down at the test's end.
func scheduler(t *testing.T, options ...gocron.SchedulerOption) gocron.Scheduler {
	t.Helper()
	s, err := gocron.NewScheduler(options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Shutdown(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// receive fails unless something comes soon.
func receive[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(time.Minute):
		t.Fatalf("%s: got nothing in a minute", what)
		panic("not reached")
	}
}

func lock(t *testing.T, l *gocronlease.Locker) gocron.Lock {
	t.Helper()
	k, err := l.Lock(context.WithoutCancel(t.Context()), "poll")
	if err != nil {
		t.Fatalf("Lock by %q: got error %v, want a lock", l.Client.Holder, err)
	}
	return k
}
