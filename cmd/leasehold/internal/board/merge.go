package board

import (
	"errors"
	"slices"
	"strings"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/jobs"
)

// merge returns the jobs that there are when seen has been seen, sorted as former is.
func merge(former []*jobs.Job, seen []leasehold.Sighting) []*jobs.Job {
	seen = slices.Clone(seen)
	slices.SortFunc(seen, func(a, b leasehold.Sighting) int { return strings.Compare(a.Path, b.Path) })
	merged := make([]*jobs.Job, 0, max(len(former), len(seen)))
	for _, s := range seen {
		i, found := slices.BinarySearchFunc(former, s.Path, func(j *jobs.Job, path string) int { return strings.Compare(j.Path, path) })
		merged, former = append(merged, former[:i]...), former[i:]
		var old *jobs.Job
		if found {
			old, former = former[0], former[1:]
		}
		if !s.IsGone() {
			merged = append(merged, newJob(s, old))
		}
	}
	return append(merged, former...)
}

// newJob returns the job that s shows. old is what was known of it, nil for nothing.
func newJob(s leasehold.Sighting, old *jobs.Job) *jobs.Job {
	var j jobs.Job
	if s.Log == nil && s.LogErr == nil && old != nil { // it has stayed the same
		j = *old
	}
	now := time.Now()
	j.Status, j.Record = s.Status(now), s.Data
	if s.Log == nil && s.LogErr == nil {
		return &j
	}
	var err error
	if j.Log, err = s.Runs(); err == nil {
		j = j.Compact(jobs.DefaultGrace, now, s.Log.Data)
	} else if !errors.As(err, &j.LogError) {
		j.LogError = &leasehold.LogError{Path: s.Path, Err: err}
	}
	return &j
}
