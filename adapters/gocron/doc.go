// Package gocronlease lets the schedulers of gocron (github.com/go-co-op/gocron/v2) in
// many processes share their jobs: each run of a job is in one of them.
//
// A [Locker] decides for each job, an [Elector] for all jobs of a scheduler. Both keep
// their lease between two runs, so that a process whose ticker is behind does not do
// again what another has just done. A job that is due at certain times needs neither:
// the Run of a [leasehold.Job] is a task, which is done once for each of these times.
package gocronlease
