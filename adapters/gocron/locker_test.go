package gocronlease_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/go-co-op/gocron/v2"

	"leasehold.example/leasehold"
	gocronlease "leasehold.example/leasehold/adapters/gocron"
)

// TestLockerKeeps: the tickers of three replicas are not in step, and the job is short.
// A lock that ended with the run would let each of them run it (gocron#841).
func TestLockerKeeps(t *testing.T) {
	t.Parallel()
	all := replicas(t, 3, 30*time.Second)
	ran := make(chan int, 1000)
	start := time.Now().Add(time.Second)
	for i, r := range all {
		r.add(t, time.Second, start.Add(time.Duration(i)*300*time.Millisecond), gocron.NewTask(func() { ran <- i }))
	}
	first := receive(t, "run", ran)
	for range 4 {
		if i := receive(t, "run", ran); i != first {
			t.Errorf("got a run by replica-%d, want all by replica-%d", i, first)
		}
	}
	for i, r := range all {
		for range 3 {
			if i == first {
				continue
			}
			if err := receive(t, "denial", r.denied); !errors.Is(err, leasehold.ErrHeld) {
				t.Errorf("replica-%d: got error %v, want that the lease is held", i, err)
			}
		}
	}
}

// TestLockerRenews: a run outlasts the lease that it began with (gocron#799).
func TestLockerRenews(t *testing.T) {
	t.Parallel()
	all := replicas(t, 2, 5*time.Second)
	working, finish := make(chan *leasehold.Lease), make(chan struct{})
	all[0].add(t, time.Hour, time.Now().Add(time.Second), all[0].locker.Task("poll", func(ctx context.Context, l *leasehold.Lease) error {
		working <- l
		<-finish
		return nil
	}))
	defer close(finish)
	l := receive(t, "run", working)
	for end := l.End(); !time.Now().After(end.Add(time.Second)); time.Sleep(100 * time.Millisecond) {
		if l.Remaining() <= 0 {
			t.Fatalf("got no time left of %s while the job runs", l)
		}
	}
	var held *leasehold.HeldError
	if _, err := all[1].locker.Lock(t.Context(), "poll"); !errors.As(err, &held) || held.Holder != "replica-0" {
		t.Errorf("got error %v, want that replica-0 has the lease", err)
	}
}

// TestLockerRelease: with Release another process may run the job at once.
func TestLockerRelease(t *testing.T) {
	t.Parallel()
	all := replicas(t, 2, time.Minute)
	for range 2 {
		for _, r := range all {
			r.locker.Release = true
			if err := lock(t, r.locker).Unlock(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestLockerLost: the job's context ends with its lease, and a later run has another.
func TestLockerLost(t *testing.T) {
	t.Parallel()
	r := replicas(t, 1, 5*time.Second)[0]
	working, ended := make(chan *leasehold.Lease), make(chan error, 1)
	r.add(t, time.Second, time.Now().Add(time.Second), r.locker.Task("poll", func(ctx context.Context, l *leasehold.Lease) error {
		select {
		case working <- l:
		case <-ctx.Done():
			return ctx.Err()
		}
		<-ctx.Done()
		select {
		case ended <- context.Cause(ctx):
		default:
		}
		return nil
	}))
	l := receive(t, "run", working)
	if err := r.client.ForceRelease(t.Context(), l.Path(), l.Token()); err != nil {
		t.Fatal(err)
	}
	if err := receive(t, "end of the run", ended); !errors.Is(err, leasehold.ErrLost) {
		t.Errorf("got the cause %v, want that the lease is lost", err)
	}
	if again := receive(t, "another run", working); again.Token() <= l.Token() {
		t.Errorf("got the token %d after %d, want a greater one", again.Token(), l.Token())
	}
}

// TestLockerLeaseEnds: a lease that has ended between two runs was not lost.
func TestLockerLeaseEnds(t *testing.T) {
	t.Parallel()
	r := replicas(t, 1, 3*time.Second)[0]
	r.client.Observe = func(e leasehold.Event) {
		if e.Kind == leasehold.EventLoss {
			t.Errorf("got a loss, %v, want none", e.Err)
		}
	}
	var last leasehold.Status
	for range 2 {
		if err := lock(t, r.locker).Unlock(t.Context()); err != nil {
			t.Error(err)
		}
		s, err := r.client.Status(t.Context(), r.locker.Path+"/poll")
		if err != nil || s.Token <= last.Token {
			t.Fatalf("got the token %d and error %v, want one greater than %d", s.Token, err, last.Token)
		}
		last = s
		time.Sleep(time.Until(s.End))
	}
}

// TestLockerLeaseNearlyEnds: a lease that it is too late to renew does not keep its own
// process from the next run.
func TestLockerLeaseNearlyEnds(t *testing.T) {
	t.Parallel()
	r := replicas(t, 1, 5*time.Second)[0]
	r.client.MaxClockSkew = 3 * time.Second
	k := lock(t, r.locker)
	if err := k.Unlock(t.Context()); err != nil {
		t.Error(err)
	}
	time.Sleep(2 * time.Second) // nothing of it can be used any more
	if err := lock(t, r.locker).Unlock(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestLockerOneName: two processes of one holder name, as on one host, are two.
func TestLockerOneName(t *testing.T) {
	t.Parallel()
	all := replicas(t, 2, time.Minute)
	all[1].client.Holder = all[0].client.Holder
	for range 2 { // the second time it goes on with the lease that it has kept
		k := lock(t, all[0].locker)
		if _, err := all[1].locker.Lock(t.Context(), "poll"); !errors.Is(err, leasehold.ErrHeld) {
			t.Errorf("got error %v, want that the lease is held", err)
		}
		if err := k.Unlock(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// TestLockerOverlap: a run that is due while an earlier one goes on takes nothing away
// from that.
func TestLockerOverlap(t *testing.T) {
	t.Parallel()
	r := replicas(t, 1, 30*time.Second)[0]
	ran, finish := make(chan context.Context, 1000), make(chan struct{})
	r.add(t, time.Second, time.Now().Add(time.Second), r.locker.Task("poll", func(ctx context.Context, _ *leasehold.Lease) error {
		ran <- ctx
		<-finish
		return nil
	}))
	ctx := receive(t, "run", ran)
	for range 2 {
		if err := receive(t, "denial", r.denied); !errors.Is(err, leasehold.ErrHeld) {
			t.Errorf("got error %v, want that the job still runs", err)
		}
	}
	if err := context.Cause(ctx); err != nil || len(ran) > 0 {
		t.Errorf("got error %v and %d more runs, want that the first goes on alone", err, len(ran))
	}
	close(finish)
	receive(t, "another run", ran)
}

func TestLockerArguments(t *testing.T) {
	t.Parallel()
	var bad *leasehold.ArgumentError
	c, path := client(t, "replica-0"), newPath(t)
	c.Grace = time.Hour
	for what, l := range map[string]*gocronlease.Locker{
		"no Client":    {Duration: time.Minute},
		"bad Path":     {Client: client(t, "replica-0"), Path: "jobs", Duration: time.Minute},
		"no Duration":  {Client: client(t, "replica-0")},
		"a long Grace": {Client: c, Path: path, Duration: time.Minute},
	} {
		if _, err := l.Lock(t.Context(), "poll"); !errors.As(err, &bad) {
			t.Errorf("%s: got error %v, want an ArgumentError", what, err)
		}
	}
	if s, err := c.Status(t.Context(), path+"/poll"); err != nil || s.State == leasehold.Held {
		t.Errorf("after a long Grace: got the state %q and error %v, want that nothing is kept", s.State, err)
	}
	unnamed, ended := &gocronlease.Locker{Client: client(t, "replica-0"), Path: path, Duration: time.Minute}, make(chan error, 1)
	s := scheduler(t, gocron.WithDistributedLocker(unnamed))
	_, err := s.NewJob(gocron.OneTimeJob(gocron.OneTimeJobStartImmediately()), unnamed.Task("poll", nil),
		gocron.WithEventListeners(gocron.AfterJobRunsWithError(afterError(ended))))
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if err := receive(t, "end of a run", ended); !errors.As(err, &bad) {
		t.Errorf("a job without the name: got error %v, want an ArgumentError", err)
	}
}
