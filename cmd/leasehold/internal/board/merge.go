package board

import (
	"slices"
	"strings"

	"leasehold.example/leasehold"
)

// merge returns the jobs that there are when seen has been seen, sorted as former is.
func (b *Board) merge(former []*Job, seen []leasehold.Sighting) []*Job {
	seen = slices.Clone(seen)
	slices.SortFunc(seen, func(a, b leasehold.Sighting) int { return strings.Compare(a.Path, b.Path) })
	merged := make([]*Job, 0, max(len(former), len(seen)))
	for _, s := range seen {
		i, found := find(former, s.Path)
		merged, former = append(merged, former[:i]...), former[i:]
		var old *Job
		if found {
			old, former = former[0], former[1:]
		}
		if !s.IsGone() {
			merged = append(merged, b.newJob(s, old))
		}
	}
	return append(merged, former...)
}

// find returns where the job at path is, or would be.
func find(jobs []*Job, path string) (i int, found bool) {
	return slices.BinarySearchFunc(jobs, path, func(j *Job, path string) int { return strings.Compare(j.Path, path) })
}
