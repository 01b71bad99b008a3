package gocronlease_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/go-co-op/gocron/v2"
	"github.com/google/uuid"

	"leasehold.example/leasehold"
	gocronlease "leasehold.example/leasehold/adapters/gocron"
)

func afterError(to chan<- error) func(uuid.UUID, string, error) {
	return func(_ uuid.UUID, _ string, err error) { to <- err }
}

// TestElector: one of three processes, whose holder names are the same, runs all jobs;
// when it ends another does, and when that loses the lease its jobs' contexts end.
func TestElector(t *testing.T) {
	t.Parallel()
	type run struct {
		leader int
		ctx    context.Context
		lease  *leasehold.Lease
	}
	ran, path := make(chan run), newPath(t)
	var stops []func()
	for i := range 3 {
		e := &gocronlease.Elector{Client: client(t, "host"), Path: path, Duration: 5 * time.Second}
		s := scheduler(t, gocron.WithDistributedElector(e))
		_, err := s.NewJob(gocron.DurationJob(time.Second), e.Task(func(ctx context.Context, l *leasehold.Lease) error {
			select {
			case ran <- run{i, ctx, l}:
				<-ctx.Done()
			case <-ctx.Done():
			}
			return nil
		}), gocron.WithSingletonMode(gocron.LimitModeReschedule))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
		ended := make(chan error)
		go func() { ended <- e.Run(ctx) }()
		stop := func() {
			if ctx.Err() != nil {
				return
			}
			cancel()
			if err := receive(t, "Run's end", ended); err != nil {
				t.Errorf("Run: got error %v, want nil", err)
			}
		}
		t.Cleanup(stop)
		stops = append(stops, stop)
		s.Start()
	}

	first := receive(t, "run", ran)
	stops[first.leader]()
	if first.ctx.Err() == nil {
		t.Error("Run has ended, and the job's context has not")
	}
	second := receive(t, "run by another", ran)
	if second.leader == first.leader {
		t.Errorf("got a run by process %d, which has ended", second.leader)
	}
	c := client(t, "operator")
	if err := c.ForceRelease(t.Context(), second.lease.Path(), second.lease.Token()); err != nil {
		t.Fatal(err)
	}
	receive(t, "end of the job's context", second.ctx.Done())
	if err := context.Cause(second.ctx); !errors.Is(err, leasehold.ErrLost) {
		t.Errorf("got the cause %v, want that the lease is lost", err)
	}
	receive(t, "run by a third one, or again", ran)
}

func TestElectorArguments(t *testing.T) {
	t.Parallel()
	c := client(t, "replica-0")
	c.Grace = time.Hour
	for what, e := range map[string]*gocronlease.Elector{
		"no Client":    {Path: "/leader", Duration: time.Minute},
		"no Path":      {Client: client(t, "replica-0"), Duration: time.Minute},
		"no Duration":  {Client: client(t, "replica-0"), Path: "/leader"},
		"a long Grace": {Client: c, Path: "/leader", Duration: time.Minute},
	} {
		var bad *leasehold.ArgumentError
		if err := e.Run(t.Context()); !errors.As(err, &bad) {
			t.Errorf("%s: got error %v, want an ArgumentError", what, err)
		}
		if err := e.IsLeader(t.Context()); err == nil {
			t.Errorf("%s: is the leader", what)
		}
	}
}
