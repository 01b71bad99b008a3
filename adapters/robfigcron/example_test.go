package robfigcron_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/robfig/cron/v3"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/adapters/robfigcron"
	"leasehold.example/leasehold/leasetest"
)

// A report that each replica has in its crontab, and one of them makes. In this example
// two o'clock comes once for each of them.
func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	const nightly = "0 2 * * *"
	times, err := cron.ParseStandard(nightly)
	if err != nil {
		log.Fatal(err)
	}
	schedule, err := robfigcron.Schedule(nightly, times, time.UTC)
	if err != nil {
		log.Fatal(err)
	}
	now := time.Date(2026, 11, 25, 2, 0, 0, 0, time.UTC) // in earnest it is left out
	clock := func() time.Time { return now }
	store := leasetest.NewStore() // zookeeper.Open, in earnest
	store.Now = clock

	for _, replica := range []string{"pod-1", "pod-2", "pod-3"} {
		c := cron.New(cron.WithLocation(time.UTC))
		id := c.Schedule(times, robfigcron.Job(ctx, &leasehold.Job{
			Client: &leasehold.Client{Store: store, Holder: replica, Now: clock},
			Path:   "/db/nightly", Schedule: schedule, Duration: time.Minute,
			Do: func(ctx context.Context, l *leasehold.Lease) error {
				fmt.Println(replica, "reports for", l.Tick().Format(time.DateTime))
				return ctx.Err()
			},
		}, cron.PrintfLogger(log.New(os.Stderr, "cron: ", 0))))
		c.Entry(id).WrappedJob.Run() // c.Start(), in earnest
	}
	// Output: pod-1 reports for 2026-11-25 02:00:00
}

// A cron.Job that there is already.
func ExampleWrapper() {
	var job cron.Job = cron.FuncJob(func() { fmt.Println("cleaning up") })
	const hourly = "@hourly"
	times, err := cron.ParseStandard(hourly)
	if err != nil {
		log.Fatal(err)
	}
	schedule, err := robfigcron.Schedule(hourly, times, time.UTC)
	if err != nil {
		log.Fatal(err)
	}
	now := time.Date(2026, 11, 25, 2, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	store := leasetest.NewStore()
	store.Now = clock
	once := &leasehold.Job{
		Client: &leasehold.Client{Store: store, Holder: "pod-1", Now: clock},
		Path:   "/db/cleanup", Schedule: schedule, Duration: time.Minute,
	}
	chain := cron.NewChain(cron.Recover(cron.DefaultLogger), robfigcron.Wrapper(context.Background(), once, cron.DefaultLogger))
	c := cron.New(cron.WithLocation(time.UTC))
	id := c.Schedule(times, chain.Then(job))
	c.Entry(id).WrappedJob.Run() // c.Start(), in earnest
	c.Entry(id).WrappedJob.Run()
	// Output: cleaning up
}
