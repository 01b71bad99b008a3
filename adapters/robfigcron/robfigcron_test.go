package robfigcron_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/robfig/cron/v3"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/adapters/robfigcron"
	"leasehold.example/leasehold/internal/cleanfolder"
	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/runlog"
	"leasehold.example/leasehold/zookeeper"
)

func TestMain(m *testing.M) { zktest.Main(m) }

func TestReadme(t *testing.T) {
	t.Parallel()
	cleanfolder.TestReadme(t)
}

const spec = "*/2 * * * * *"

// job returns one on the shared server, with a connection of its own, that is due every
// two seconds.
func job(t *testing.T, path, holder string) *leasehold.Job {
	t.Helper()
	store, err := zookeeper.Open(t.Context(), "zk://"+zktest.Shared(t).Addr(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	s, err := robfigcron.Schedule(spec, times(t), time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	client := &leasehold.Client{Store: store, Holder: holder}
	return &leasehold.Job{Client: client, Path: path, Schedule: s, Duration: 5 * time.Second}
}

var paths atomic.Int32

// newPath returns one that no other test has, nor this one when it is run again.
func newPath(t *testing.T) string { return fmt.Sprintf("/%s-%d", t.Name(), paths.Add(1)) }

func times(t *testing.T) cron.Schedule {
	t.Helper()
	times, err := seconds.Parse(spec)
	if err != nil {
		t.Fatal(err)
	}
	return times
}

// start starts a Cron with the job, which is stopped at the test's end, after ctx.
func start(t *testing.T, j cron.Job) *cron.Cron {
	t.Helper()
	c := cron.New(cron.WithLocation(time.UTC))
	c.Schedule(times(t), j)
	c.Start()
	return c
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

// An errorLog is a cron.Logger.
type errorLog chan error

func (l errorLog) Error(err error, _ string, _ ...any) { l <- err }
func (l errorLog) Info(string, ...any)                 {}

// TestOnce: three processes, of which two have one holder name, run the job once for
// each tick, and end when they are told to.
func TestOnce(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	defer cancel()
	ran, errs := make(chan time.Time, 1000), make(errorLog, 1000)
	var crons []*cron.Cron
	path := newPath(t)
	for i, holder := range []string{"host-a", "host-b", "host-b"} {
		j := job(t, path, holder)
		if i == 0 {
			j.Do = func(_ context.Context, l *leasehold.Lease) error { ran <- l.Tick(); return nil }
			crons = append(crons, start(t, robfigcron.Job(ctx, j, errs)))
			continue
		}
		plain := cron.FuncJob(func() { ran <- time.Now().Truncate(2 * time.Second) })
		crons = append(crons, start(t, robfigcron.Wrapper(ctx, j, errs)(plain)))
	}
	for range 5 {
		receive(t, "run", ran)
	}
	cancel()
	for _, c := range crons {
		receive(t, "end", c.Stop().Done())
	}
	if len(errs) > 0 {
		t.Errorf("got error %v, want none", <-errs)
	}
	log, err := job(t, path, "operator").Client.Runs(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if len(log.Runs) < 5 || len(log.Runs) > 5+len(ran)+1 { // one may have been ended
		t.Errorf("got %d runs in the log and %d more than 5 of them here", len(log.Runs), len(ran))
	}
	for i, run := range log.Runs {
		if i > 0 && !run.Tick.Before(log.Runs[i-1].Tick) || run.Attempt != 1 {
			t.Errorf("got run %d of the tick %s, attempt %d, want it before that of the run after it, attempt 1", i, run.Tick, run.Attempt)
		}
	}
}

// TestFailure: what a job returns, and that its lease was lost, is logged.
func TestFailure(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	errs, leases := make(errorLog, 1000), make(chan *leasehold.Lease, 1000)
	j, full := job(t, newPath(t), "host-a"), errors.New("no disk space")
	j.Do = func(ctx context.Context, l *leasehold.Lease) error {
		leases <- l
		<-ctx.Done()
		return full
	}
	c := start(t, robfigcron.Job(ctx, j, errs))
	l := receive(t, "run", leases)
	if err := j.Client.ForceRelease(t.Context(), l.Path(), l.Token()); err != nil {
		t.Fatal(err)
	}
	if err := receive(t, "error", errs); !errors.Is(err, full) || !errors.Is(err, leasehold.ErrLost) {
		t.Errorf("got error %v, want that of the job, and that its lease is lost", err)
	}
	receive(t, "another run", leases)
	cancel()
	receive(t, "end", c.Stop().Done())
}

// TestPanic: a job that panics leaves a run that did not report; it is up to
// cron.Recover whether the process goes on.
func TestPanic(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	errs := make(errorLog, 1000)
	j := job(t, newPath(t), "host-a")
	chain := cron.NewChain(cron.Recover(errs), robfigcron.Wrapper(ctx, j, errs))
	c := start(t, chain.Then(cron.FuncJob(func() { panic("out of cheese") })))
	if err := receive(t, "error", errs); fmt.Sprint(err) != "out of cheese" {
		t.Errorf("got error %v, want the panic", err)
	}
	cancel()
	receive(t, "end", c.Stop().Done())
	log, err := j.Client.Runs(t.Context(), j.Path)
	if err != nil {
		t.Fatal(err)
	}
	if len(log.Runs) == 0 || log.Runs[len(log.Runs)-1].Result == runlog.Success {
		t.Errorf("got the runs %+v, want one that is no success", log.Runs)
	}
}

func TestArguments(t *testing.T) {
	t.Parallel()
	errs := make(errorLog, 1000)
	robfigcron.Job(t.Context(), &leasehold.Job{}, errs).Run()
	var bad *leasehold.ArgumentError
	if err := receive(t, "error", errs); !errors.As(err, &bad) {
		t.Errorf("got error %v, want an ArgumentError", err)
	}
}
