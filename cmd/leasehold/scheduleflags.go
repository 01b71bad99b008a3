package main

import (
	"os"
	"time"

	"github.com/spf13/pflag"

	"leasehold.example/leasehold/schedule"
)

const timezoneVariable = "LEASEHOLD_TIMEZONE"

// scheduleFlags say when a job is due.
type scheduleFlags struct {
	expression, zone string
}

func (f *scheduleFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.expression, "schedule", "", "when the job is due, as in a crontab: '0 2 * * *', @hourly")
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
	s, err := schedule.Parse(f.expression, zone)
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
