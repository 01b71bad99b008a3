// Package robfigcron lets the jobs of robfig/cron (github.com/robfig/cron/v3) in many
// processes run once for each time they are due, in one of them.
//
// [Schedule] makes the times of a cron.Schedule the ticks of a [leasehold.Job], and [Job]
// makes that a cron.Job. [Wrapper] is for a cron.Job that there is already.
package robfigcron

import (
	"context"
	"errors"
	"sort"
	"time"

	"github.com/robfig/cron/v3"

	"leasehold.example/leasehold"
)

// Schedule returns the times of s, as a Cron has them whose Location is zone, as a
// schedule of leasehold's. spec is what s was parsed from; it becomes the name.
//
// All hosts must mean the same zone by its name: time.Local will not do, unless it is
// UTC. And all processes must share the times: @every will not do, since it counts from
// when a process starts. For these it returns a *leasehold.ArgumentError.
func Schedule(spec string, s cron.Schedule, zone *time.Location) (leasehold.Schedule, error) {
	bad := func(want string) (leasehold.Schedule, error) {
		return leasehold.Schedule{}, &leasehold.ArgumentError{Name: "schedule", Value: spec, Want: want}
	}
	switch s := s.(type) {
	case nil:
		return bad("its times must be given")
	case cron.ConstantDelaySchedule:
		return bad("@every counts from when a process starts, which all processes do not share: give times, like */5 * * * *")
	case *cron.SpecSchedule:
		if s.Location != time.Local { // spec begins with TZ=
			zone = s.Location
		}
	}
	if zone == nil || zone.String() == "Local" {
		return bad("its time zone is another one on another host: name it, with cron.WithLocation or TZ=")
	}
	return leasehold.Schedule{Name: spec, Timezone: zone.String(), Ticks: ticks{s, zone}.around}, nil
}

// Job returns j as a cron.Job. What its Run returns goes to the logger, but for the end
// of ctx: end that before, or when, the Cron is stopped, since Stop waits for jobs, and a
// job may be waiting for one elsewhere.
func Job(ctx context.Context, j *leasehold.Job, logger cron.Logger) cron.Job {
	return cron.FuncJob(func() {
		err := j.Run(ctx)
		if err != nil && (ctx.Err() == nil || !errors.Is(err, ctx.Err())) {
			logger.Error(err, "job", "path", j.Path)
		}
	})
}

// Wrapper returns a cron.JobWrapper for one cron.Job, which takes the place of j's Do.
// A cron.Job has no context: nothing stops it when its lease is lost, which goes to the
// logger. And it has no result: when it has ended it counts as a success, and if it
// panics, as a run that did not report.
func Wrapper(ctx context.Context, j *leasehold.Job, logger cron.Logger) cron.JobWrapper {
	return func(inner cron.Job) cron.Job {
		wrapped := &leasehold.Job{Client: j.Client, Path: j.Path, Schedule: j.Schedule, Duration: j.Duration}
		wrapped.Do = func(context.Context, *leasehold.Lease) error {
			inner.Run()
			return nil
		}
		return Job(ctx, wrapped, logger)
	}
}

// ticks are the times of a schedule, which are whole seconds.
type ticks struct {
	schedule cron.Schedule
	zone     *time.Location
}

// maxGap is how far back the newest tick may be. cron looks no further ahead, either.
const maxGap = 5 * 366 * 24 * time.Hour

// around returns the newest tick at or before t, and the one after it. cron only looks
// ahead, so it searches for the first second after which no tick comes until t.
func (s ticks) around(t time.Time) (due, next time.Time, ok bool) {
	if next = s.after(t); next.IsZero() {
		return due, next, false
	}
	first := t.Truncate(time.Second).Add(-maxGap)
	second := func(i int) time.Time { return first.Add(time.Duration(i) * time.Second) }
	n := sort.Search(int(maxGap/time.Second), func(i int) bool {
		tick := s.after(second(i))
		return tick.IsZero() || tick.After(t)
	})
	return second(n).UTC(), next, n > 0
}

// after returns the first tick after t, and the zero time if there is none.
func (s ticks) after(t time.Time) time.Time {
	return s.schedule.Next(t.Round(0).In(s.zone)).UTC() // of wall time alone
}
