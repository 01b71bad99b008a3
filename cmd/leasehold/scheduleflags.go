package main

import (
	"errors"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"leasehold.example/leasehold/schedule"
)

const timezoneVariable = "LEASEHOLD_TIMEZONE"

// A cronExpression refuses what a shell has left of one that is not in quotes, which
// has spread the rest over the arguments.
type cronExpression string

func (e *cronExpression) String() string { return string(*e) }
func (e *cronExpression) Type() string   { return "string" }

func (e *cronExpression) Set(s string) error {
	if len(strings.Fields(s)) == 1 && !strings.HasPrefix(s, "@") {
		return errors.New("want all five fields, and quotes around them: '0 2 * * *'")
	}
	*e = cronExpression(s)
	return nil
}

// scheduleFlags say when a job is due.
type scheduleFlags struct {
	expression cronExpression
	zone       string
}

func (f *scheduleFlags) register(flags *pflag.FlagSet) {
	flags.Var(&f.expression, "schedule", "when the job is due, as in a crontab: '0 2 * * *', @hourly")
	flags.StringVar(&f.zone, "timezone", "", "of --schedule: UTC, Europe/Berlin; default $"+timezoneVariable+", else UTC if this host is on it")
}

// parse returns the schedule. All hosts must mean the same times, so the zone is
// not this host's, unless that is UTC.
func (f *scheduleFlags) parse() (schedule.Schedule, error) {
	zone := f.zone
	if zone == "" {
		zone = os.Getenv(timezoneVariable)
	}
	if zone == "" {
		if !isUTC(time.Local) {
			return schedule.Schedule{}, &failure{
				code: exitUsage, message: "--schedule needs a --timezone: this host is not on UTC, and others may be on yet another",
				hint: "--timezone UTC, or one like Europe/Berlin, or $" + timezoneVariable,
			}
		}
		zone = "UTC"
	}
	s, err := schedule.Parse(string(f.expression), zone)
	if err != nil {
		return s, usage("%v", err)
	}
	return s, nil
}

// isUTC reports whether the clocks of a zone show UTC, and always have.
func isUTC(zone *time.Location) bool {
	now := time.Now().In(zone)
	_, offset := now.Zone()
	start, end := now.ZoneBounds()
	return offset == 0 && start.IsZero() && end.IsZero()
}
