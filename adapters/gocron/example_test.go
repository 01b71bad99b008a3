package gocronlease_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/go-co-op/gocron/v2"

	"leasehold.example/leasehold"
	gocronlease "leasehold.example/leasehold/adapters/gocron"
	"leasehold.example/leasehold/leasetest"
	"leasehold.example/leasehold/schedule"
)

// A job that each replica has, and one of them does, every second.
func ExampleLocker() {
	client := &leasehold.Client{Store: leasetest.NewStore(), Holder: "pod-1"} // zookeeper.Open, in earnest
	locker := &gocronlease.Locker{Client: client, Path: "/jobs", Duration: 20 * time.Second}
	scheduler, err := gocron.NewScheduler(gocron.WithDistributedLocker(locker))
	if err != nil {
		log.Fatal(err)
	}
	done := make(chan string, 100)
	poll := func(ctx context.Context, l *leasehold.Lease) error { // ctx ends if the lease is lost
		done <- fmt.Sprint(l.Holder(), " has polled, token ", l.Token())
		return ctx.Err()
	}
	if _, err := scheduler.NewJob(gocron.DurationJob(time.Second), locker.Task("poll", poll), gocron.WithName("poll")); err != nil {
		log.Fatal(err)
	}
	scheduler.Start()
	fmt.Println(<-done)
	fmt.Println(<-done)
	if err := scheduler.Shutdown(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// pod-1 has polled, token 1
	// pod-1 has polled, token 1
}

// A scheduler all jobs of which are done by the leader.
func ExampleElector() {
	client := &leasehold.Client{Store: leasetest.NewStore(), Holder: "pod-1"}
	elector := &gocronlease.Elector{Client: client, Path: "/leader", Duration: 30 * time.Second}
	leading, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- elector.Run(leading) }()

	scheduler, err := gocron.NewScheduler(gocron.WithDistributedElector(elector))
	if err != nil {
		log.Fatal(err)
	}
	done := make(chan bool, 100)
	poll := func(ctx context.Context, l *leasehold.Lease) error {
		done <- true
		return ctx.Err()
	}
	if _, err := scheduler.NewJob(gocron.DurationJob(time.Second), elector.Task(poll)); err != nil {
		log.Fatal(err)
	}
	scheduler.Start()
	fmt.Println("the leader has polled:", <-done)
	if err := scheduler.Shutdown(); err != nil { // first, so that no job runs when another leads
		log.Fatal(err)
	}
	stop()
	fmt.Println("ended:", <-ended)
	// Output:
	// the leader has polled: true
	// ended: <nil>
}

// A job that is due at certain times needs no locker. Here gocron would call it every
// five minutes, on each replica; in this example it does so once.
func Example_job() {
	hourly, err := schedule.Parse("@hourly", "UTC")
	if err != nil {
		log.Fatal(err)
	}
	now := time.Date(2026, 11, 25, 2, 0, 10, 0, time.UTC) // in earnest it is left out
	clock := func() time.Time { return now }
	store := leasetest.NewStore()
	store.Now = clock
	done := make(chan bool)
	report := &leasehold.Job{
		Client: &leasehold.Client{Store: store, Holder: "pod-1", Now: clock},
		Path:   "/db/hourly", Duration: time.Minute,
		Schedule: leasehold.Schedule{Name: hourly.String(), Timezone: hourly.Zone(), Ticks: hourly.Around},
		Do: func(ctx context.Context, l *leasehold.Lease) error {
			fmt.Println("report of", l.Tick().Format(time.TimeOnly))
			close(done)
			return ctx.Err()
		},
	}
	scheduler, err := gocron.NewScheduler()
	if err != nil {
		log.Fatal(err)
	}
	often := gocron.OneTimeJob(gocron.OneTimeJobStartImmediately()) // gocron.CronJob("*/5 * * * *", false)
	if _, err := scheduler.NewJob(often, gocron.NewTask(report.Run)); err != nil {
		log.Fatal(err)
	}
	scheduler.Start()
	<-done
	if err := scheduler.Shutdown(); err != nil {
		log.Fatal(err)
	}
	// Output: report of 02:00:00
}
