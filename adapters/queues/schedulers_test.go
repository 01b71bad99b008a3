// Package queues_test has the code of docs/schedulers.md, so that it is compiled. To be
// run it needs the servers of asynq and river.
package queues_test

import (
	"context"
	"database/sql"
	"errors"
	"log"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/riverqueue/river"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/schedule"
)

var (
	client      *leasehold.Client
	queue       *asynq.Client
	redis       asynq.RedisClientOpt
	riverClient *river.Client[*sql.Tx]
)

func makeReport(context.Context, *leasehold.Lease) error { return nil }

func anyScheduler(ctx context.Context) error {
	nightly, err := schedule.Parse("0 2 * * *", "UTC")
	if err != nil {
		return err
	}
	report := leasehold.Job{
		Client: client, Path: "/db/nightly", Duration: time.Minute,
		Schedule: leasehold.Schedule{Name: nightly.String(), Timezone: nightly.Zone(), Ticks: nightly.Around, Attempts: 2},
		Do:       makeReport, // func(ctx context.Context, l *leasehold.Lease) error
	}
	for range time.Tick(time.Minute) { // or let your scheduler call it
		if err := report.Run(ctx); err != nil {
			log.Print(err)
		}
	}
	return nil
}

func runScheduler(ctx context.Context) error {
	scheduler := asynq.NewScheduler(redis, nil)
	if _, err := scheduler.Register("*/5 * * * *", asynq.NewTask("poll", nil)); err != nil {
		return err
	}
	if err := scheduler.Start(); err != nil {
		return err
	}
	<-ctx.Done()
	scheduler.Shutdown()
	return nil
}

func leadScheduler(ctx context.Context) error {
	for {
		lease, err := client.Acquire(ctx, "/schedulers/asynq", 30*time.Second)
		if err != nil {
			return err
		}
		err = lease.Hold(ctx, runScheduler)
		if !errors.Is(err, leasehold.ErrLost) {
			return errors.Join(err, lease.Release(ctx))
		}
		log.Print(err) // wait for it again
	}
}

func enqueueReport(ctx context.Context, l *leasehold.Lease) error {
	id := asynq.TaskID("report " + l.Tick().Format(time.RFC3339))
	_, err := queue.EnqueueContext(ctx, asynq.NewTask("report", nil), id, asynq.Retention(24*time.Hour))
	if errors.Is(err, asynq.ErrTaskIDConflict) { // an earlier attempt has done it
		return nil
	}
	return err
}

type reportArgs struct{ Night time.Time }

func (reportArgs) Kind() string { return "report" }

func insertReport(ctx context.Context, l *leasehold.Lease) error {
	_, err := riverClient.Insert(ctx, reportArgs{Night: l.Tick()}, &river.InsertOpts{UniqueOpts: river.UniqueOpts{ByArgs: true}})
	return err
}

var _ = []any{anyScheduler, leadScheduler, enqueueReport, insertReport}

var goBlock = regexp.MustCompile("(?s)```go\n(.*?)```")

// TestPage: the code in docs/schedulers.md is here, but for how far it is indented.
func TestPage(t *testing.T) {
	t.Parallel()
	here, page := code(t, "schedulers_test.go"), code(t, "../../docs/schedulers.md")
	blocks := goBlock.FindAllStringSubmatch(page, -1)
	for _, block := range blocks {
		if !strings.Contains(here, block[1]) {
			t.Errorf("got code in docs/schedulers.md that is not here:\n%s", block[1])
		}
	}
	if len(blocks) == 0 {
		t.Error("got no code in docs/schedulers.md")
	}
}

// code returns the lines of a file, without what they are indented by.
func code(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`(?m)^\s+`).ReplaceAllString(string(data), "")
}
