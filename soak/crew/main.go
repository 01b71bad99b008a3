// Command crew stands for one host that runs many jobs, in turn with other hosts:
//
//	crew STORE HOLDER FILE
//
// FILE has the jobs, as JSON: an array of Job.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/runlog"
	"leasehold.example/leasehold/schedule"
	"leasehold.example/leasehold/zookeeper"
)

// A Job is one that all hosts run.
type Job struct {
	Path     string
	Schedule string
	Takes    time.Duration
	Failures int       // how many attempts of each tick fail
	Until    time.Time // nobody asks for later ticks; zero for no such time
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 4 {
		log.Fatal("usage: crew STORE HOLDER FILE")
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		log.Fatal(err)
	}
}

func run(url, holder, file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var jobs []Job
	if err := json.Unmarshal(data, &jobs); err != nil {
		return err
	}
	ctx := context.Background()
	store, err := zookeeper.Open(ctx, url, nil)
	if err != nil {
		return err
	}
	client := &leasehold.Client{Store: store, Holder: holder}
	failed := make(chan error)
	for _, j := range jobs {
		go func() { failed <- j.work(ctx, client) }()
	}
	return <-failed
}

// work asks for each tick until it is run, by whomever, or can't be run any more.
func (j Job) work(ctx context.Context, client *leasehold.Client) error {
	cron, err := schedule.Parse(j.Schedule, "UTC")
	if err != nil {
		return err
	}
	ticks := func(t time.Time) (due, next time.Time, ok bool) { // who asks just before a tick waits for it
		due, next, ok = cron.Around(t)
		return due, next, ok && (j.Until.IsZero() || !due.After(j.Until))
	}
	s := leasehold.Schedule{Name: j.Schedule, Timezone: "UTC", Ticks: ticks, Attempts: 2, RetryAfter: 3 * time.Second}
	settled := time.Time{}
	for {
		due, next, ok := cron.Around(time.Now())
		if !ok {
			return fmt.Errorf("%s is never due", j.Path)
		}
		switch {
		case !j.Until.IsZero() && due.After(j.Until):
			select {} // nobody fires it
		case due.Equal(settled):
			time.Sleep(time.Until(next) + rand.N(2*time.Second))
		case isSettled(j.try(ctx, client, s)):
			settled = due
		default:
			time.Sleep(time.Second + rand.N(2*time.Second))
		}
	}
}

func (j Job) try(ctx context.Context, client *leasehold.Client, s leasehold.Schedule) error {
	asking, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	l, err := client.TryAcquireTick(asking, j.Path, s, 5*time.Second)
	if err != nil {
		return err
	}
	// What Hold returns is in the run log.
	_ = l.Hold(ctx, func(ctx context.Context) error {
		select {
		case <-time.After(j.Takes):
		case <-ctx.Done():
		}
		if l.Attempt() <= j.Failures {
			return errors.New("this attempt fails")
		}
		return ctx.Err()
	})
	return nil
}

// isSettled reports whether nobody can run the tick any more. Who finds it held
// asks again.
func isSettled(err error) bool {
	var refused *leasehold.TickError
	return errors.As(err, &refused) && slices.Contains([]runlog.Verdict{runlog.IsDone, runlog.IsSpent, runlog.IsTooOld}, refused.Verdict)
}
