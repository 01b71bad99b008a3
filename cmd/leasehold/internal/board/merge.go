package board

import (
	"errors"
	"slices"
	"strings"
	"time"
	"unique"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/jobs"
	"leasehold.example/leasehold/runlog"
)

// merge returns the jobs that there are after news, sorted as former is.
func merge(former []*jobs.Job, news leasehold.News) []*jobs.Job {
	seen := slices.Clone(news.Leases)
	slices.SortFunc(seen, func(a, b leasehold.Sighting) int { return strings.Compare(a.Path, b.Path) })
	merged := make([]*jobs.Job, 0, max(len(former), len(seen)))
	for _, s := range seen {
		i, found := slices.BinarySearchFunc(former, s.Path, func(j *jobs.Job, path string) int { return strings.Compare(j.Path, path) })
		if !news.All {
			merged = append(merged, former[:i]...)
		}
		former = former[i:]
		var old jobs.Job
		if found {
			old, former = *former[0], former[1:]
		}
		if !s.IsGone() {
			merged = append(merged, newJob(s, old))
		}
	}
	if !news.All {
		merged = append(merged, former...)
	}
	return merged
}

// newJob returns the job that s shows. old is what was known of it, zero for nothing.
func newJob(s leasehold.Sighting, old jobs.Job) *jobs.Job {
	j := &jobs.Job{Status: s.Status(time.Now()), Log: old.Log, LogError: old.LogError}
	if s.Log == nil && s.LogErr == nil {
		return j
	}
	log, err := s.Runs()
	j.Log, j.LogError = share(log), nil
	if !errors.As(err, &j.LogError) && err != nil {
		j.LogError = &leasehold.LogError{Path: s.Path, Err: err}
	}
	return j
}

// share returns log with strings that all logs share: they say the same again and
// again.
func share(log runlog.Log) runlog.Log {
	for i := range log.Runs {
		r := &log.Runs[i]
		for _, s := range []*string{&r.Holder, &r.Host, &r.Program, (*string)(&r.Result)} {
			*s = unique.Make(*s).Value()
		}
	}
	return log
}
