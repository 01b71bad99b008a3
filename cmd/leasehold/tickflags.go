package main

import (
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/text"
	"leasehold.example/leasehold/schedule"
)

// scheduleHelp is the part of run's help about --schedule.
const scheduleHelp = `
With --schedule, COMMAND is run once for each tick, which is a time of a cron
expression, on one of the hosts. Start leasehold from cron or a timer on all of
them, as often as you like: the first to ask runs the newest tick that is due. If
that host dies, or COMMAND fails, the next to ask runs the tick again, while
--attempts allows it; after a success nobody does. Ticks that were due before the
schedule was first seen at PATH are not run, but for one in the last 2 minutes: see
--since. All hosts need the same schedule and zone. With --wait it waits while
another runs the tick, and never for the next tick. COMMAND also gets
LEASEHOLD_TICK, LEASEHOLD_ATTEMPT and LEASEHOLD_LAST_SUCCESS, the tick of the last
success. leasehold history shows the runs, leasehold plan what will happen. A job
that may hang needs a limit of its own: -- timeout 2h COMMAND.`

// tickFlags say when a job is due, and how each tick may be run. Without --schedule
// it is due whenever somebody asks.
type tickFlags struct {
	scheduleFlags
	given       *pflag.FlagSet
	attempts    int
	retryAfter  time.Duration
	since       string
	startWithin time.Duration

	parsed schedule.Schedule // set by find
}

func (f *tickFlags) register(flags *pflag.FlagSet) {
	f.given = flags
	f.scheduleFlags.register(flags)
	flags.Lookup("schedule").Usage = "run COMMAND once for each time of a `CRON` expression, like '0 2 * * *' or @daily; -d defaults to a third of the shortest time between ticks, at most 1m"
	flags.IntVar(&f.attempts, "attempts", 1, "with --schedule: how many attempts of each tick may be begun, on all hosts together")
	f.retryAfter = 30 * time.Second
	flags.Var((*duration)(&f.retryAfter), "retry-after", "with --schedule: how long after a failure the next attempt may begin; doubles with each, up to 6m")
	flags.StringVar(&f.since, "since", "", "with --schedule: `TIME` (RFC 3339) of the first tick that may be caught up on; default the first one after this schedule was first seen at PATH")
	flags.Var((*duration)(&f.startWithin), "start-within", "with --schedule: don't begin a tick that has been due for longer")
}

// find returns the schedule, nil without one.
func (f *tickFlags) find() (*leasehold.Schedule, error) {
	if !f.given.Changed("schedule") {
		for _, name := range []string{"timezone", "attempts", "retry-after", "since", "start-within"} {
			if f.given.Changed(name) {
				return nil, usage("--%s is for --schedule", name)
			}
		}
		return nil, nil
	}
	var err error
	if f.parsed, err = f.parse(); err != nil {
		return nil, err
	}
	switch {
	case f.attempts < 1:
		return nil, usage("--attempts is %d, must be at least 1", f.attempts)
	case f.given.Changed("retry-after") && f.retryAfter <= 0:
		return nil, usage("--retry-after is %s, must be positive", f.retryAfter)
	case f.given.Changed("start-within") && f.startWithin <= 0:
		return nil, usage("--start-within is %s, must be positive", f.startWithin)
	}
	s := &leasehold.Schedule{
		Name: f.parsed.String(), Timezone: f.parsed.Zone(), Ticks: f.parsed.Around,
		Attempts: f.attempts, RetryAfter: f.retryAfter, StartWithin: f.startWithin,
	}
	if f.given.Changed("since") {
		if s.CatchUp, err = time.Parse(time.RFC3339, f.since); err != nil {
			return nil, usage("--since is %q, want a time like 2026-11-25T02:00:00Z", f.since)
		}
	}
	return s, nil
}

// defaultDuration returns the duration of a lease for a tick: the time after which
// another host may take over from one that has died.
func (f *tickFlags) defaultDuration() (time.Duration, error) {
	gap, ok := f.parsed.ShortestGap(time.Now())
	if !ok {
		return 0, usage("--schedule %q is never due", f.expression)
	}
	return min(gap/3, time.Minute).Truncate(time.Second), nil
}

// tickVariables are what COMMAND learns of the tick that it runs.
func tickVariables(l *leasehold.Lease) [][2]string {
	attempt := ""
	if l.Attempt() > 0 {
		attempt = fmt.Sprint(l.Attempt())
	}
	return [][2]string{
		{"LEASEHOLD_TICK", text.Time(l.Tick())},
		{"LEASEHOLD_ATTEMPT", attempt},
		{"LEASEHOLD_LAST_SUCCESS", text.Time(l.LastSuccess())},
	}
}
