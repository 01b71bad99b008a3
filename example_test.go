package leasehold_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/leasetest"
	"leasehold.example/leasehold/runlog"
	"leasehold.example/leasehold/schedule"
)

// A report that is due each night at two o'clock. Every host asks, every few
// minutes; one runs it, and another if that one fails.
func ExampleClient_TryAcquireTick() {
	nightly, err := schedule.Parse("0 2 * * *", "UTC")
	if err != nil {
		log.Fatal(err)
	}
	s := leasehold.Schedule{Name: nightly.String(), Timezone: nightly.Zone(), Ticks: nightly.Around, Attempts: 3}
	now := time.Date(2026, 11, 25, 2, 0, 0, 0, time.UTC) // in earnest it is left out
	clock := func() time.Time { return now }
	store := leasetest.NewStore() // zookeeper.Open, in earnest
	store.Now = clock

	report := func(host string, result error) {
		client := leasehold.Client{Store: store, Holder: host, Now: clock}
		// One minute is how long others wait until they take over from a host that died.
		lease, err := client.TryAcquireTick(context.Background(), "/db/nightly", s, time.Minute)
		var denial *leasehold.TickError
		switch {
		case errors.As(err, &denial): // err says more
			fmt.Printf("%s: nothing to do: %s\n", host, denial.Verdict)
			return
		case errors.Is(err, leasehold.ErrHeld):
			fmt.Printf("%s: %v\n", host, err)
			return
		case err != nil:
			log.Fatal(err)
		}
		err = lease.Hold(context.Background(), func(ctx context.Context) error { return result })
		fmt.Printf("%s: attempt %d: %v\n", host, lease.Attempt(), err)
	}
	report("host-a", errors.New("no disk space"))
	report("host-b", nil)
	now = now.Add(5 * time.Minute)
	report("host-b", nil)
	now = now.Add(5 * time.Minute)
	report("host-b", nil)
	report("host-a", nil)
	// Output:
	// host-a: attempt 1: no disk space
	// host-b: nothing to do: waiting
	// host-b: attempt 2: <nil>
	// host-b: nothing to do: done
	// host-a: lease "/db/nightly" is held by "host-b" until 2026-11-26T01:59:54Z
}

// A scheduler within the process, here one that has only a ticker. Every replica of a
// service has it; the report is made by one of them, each night.
func ExampleJob() {
	nightly, err := schedule.Parse("0 2 * * *", "UTC")
	if err != nil {
		log.Fatal(err)
	}
	now := time.Date(2026, 11, 25, 2, 0, 0, 0, time.UTC) // in earnest it is left out
	clock := func() time.Time { return now }
	store := leasetest.NewStore() // zookeeper.Open, in earnest
	store.Now = clock

	for _, replica := range []string{"pod-1", "pod-2", "pod-3"} {
		report := leasehold.Job{
			Client:   &leasehold.Client{Store: store, Holder: replica, Now: clock},
			Path:     "/db/nightly",
			Schedule: leasehold.Schedule{Name: nightly.String(), Timezone: nightly.Zone(), Ticks: nightly.Around},
			Duration: time.Minute,
			Do: func(ctx context.Context, l *leasehold.Lease) error {
				fmt.Println(replica, "reports for", l.Tick().Format(time.DateTime))
				return ctx.Err()
			},
		}
		// In earnest: for range time.Tick(time.Minute) { … }
		if err := report.Run(context.Background()); err != nil {
			log.Print(err)
		}
	}
	// Output: pod-1 reports for 2026-11-25 02:00:00
}

// Work that can't be one function: it begins in one place, and ends in another.
func ExampleLease_KeepAlive() {
	client := leasehold.Client{Store: leasetest.NewStore(), Holder: "host-a", RunLog: true}
	lease, err := client.TryAcquire(context.Background(), "/imports/customers", time.Minute)
	if err != nil {
		log.Fatal(err)
	}
	working, stop := lease.KeepAlive(context.Background()) // ends if the lease is lost
	defer stop()

	fmt.Println("importing; lost:", context.Cause(working))

	// RunLog has entered the run in the path's run log; this enters how it ended.
	if err := lease.Finish(context.Background(), leasehold.Outcome{Result: runlog.Success}); err != nil {
		log.Fatal(err)
	}
	stop()
	runs, err := client.Runs(context.Background(), "/imports/customers")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(runs.Runs[0].Holder, runs.Runs[0].Result)
	// Output:
	// importing; lost: <nil>
	// host-a success
}

// A cron job that is started on every host, and runs on one. The lease is not
// released: it outlasts the hour, so that a host that is late does not run the
// job again, and that the same host has it the next time.
func ExampleClient_TryAcquire() {
	store := leasetest.NewStore() // zookeeper.Open, in earnest

	cleanUp := func(ctx context.Context, host string) error {
		client := leasehold.Client{Store: store, Holder: host} // no Holder is the host's name
		lease, err := client.TryAcquire(ctx, "/db_leases/hourly_cleanup", 70*time.Minute)
		var held *leasehold.HeldError
		if errors.As(err, &held) {
			fmt.Printf("%s: %s does it\n", host, held.Holder)
			return nil
		}
		if err != nil {
			return err
		}
		ctx, cancel := lease.Context(ctx) // ends before the lease does
		defer cancel()
		fmt.Printf("%s: cleaning up\n", host)
		return ctx.Err()
	}
	for _, host := range []string{"host-a", "host-b", "host-a"} {
		if err := cleanUp(context.Background(), host); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// host-a: cleaning up
	// host-b: host-a does it
	// host-a: cleaning up
}

// A service that runs on one host at a time. The others wait, and one of them
// takes over when it stops, fails or is cut off.
func ExampleLease_Hold() {
	client := leasehold.Client{Store: leasetest.NewStore(), Holder: "host-a"}

	serve := func(ctx context.Context, work func(ctx context.Context, token int64) error) error {
		for {
			lease, err := client.Acquire(ctx, "/services/indexer", 30*time.Second)
			if err != nil {
				return err
			}
			err = lease.Hold(ctx, func(ctx context.Context) error { return work(ctx, lease.Token()) })
			if errors.Is(err, leasehold.ErrLost) {
				log.Print(err)
				continue // wait for it again
			}
			return errors.Join(err, lease.Release(ctx))
		}
	}
	err := serve(context.Background(), func(ctx context.Context, token int64) error {
		// Stop when ctx ends, and send the token along with what is written.
		fmt.Println("serving, token", token)
		return ctx.Err()
	})
	fmt.Println("ended:", err)
	// Output:
	// serving, token 1
	// ended: <nil>
}

// Workers that share the work in two shards: the slot says which.
func ExampleClient_TryAcquireSlot() {
	store := leasetest.NewStore()
	const shards = 2
	for _, host := range []string{"host-a", "host-b", "host-c", "host-b"} {
		client := leasehold.Client{Store: store, Holder: host}
		lease, err := client.TryAcquireSlot(context.Background(), "/crawler", shards, time.Minute)
		switch {
		case errors.Is(err, leasehold.ErrHeld):
			fmt.Println(host, "stands by")
		case err != nil:
			log.Fatal(err)
		default:
			fmt.Printf("%s crawls shard %d of %d\n", host, lease.Slot(), shards)
		}
	}
	// Output:
	// host-a crawls shard 0 of 2
	// host-b crawls shard 1 of 2
	// host-c stands by
	// host-b crawls shard 1 of 2
}

// A unit test sets the time, and needs no server.
func Example_fakeClock() {
	now := time.Date(2026, 11, 22, 18, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	store := leasetest.NewStore()
	a := leasehold.Client{Store: store, Holder: "host-a", Now: clock}
	b := leasehold.Client{Store: store, Holder: "host-b", Now: clock}
	ctx := context.Background()

	if _, err := a.TryAcquire(ctx, "/jobs/report", time.Hour); err != nil {
		log.Fatal(err)
	}
	_, err := b.TryAcquire(ctx, "/jobs/report", time.Hour)
	fmt.Println(err)

	now = now.Add(time.Hour) // host-a is gone
	lease, err := b.TryAcquire(ctx, "/jobs/report", time.Hour)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(lease.Holder(), "has it until", lease.End().Format(time.TimeOnly))
	// Output:
	// lease "/jobs/report" is held by "host-a" until 2026-11-22T19:00:00Z
	// host-b has it until 20:00:00
}
