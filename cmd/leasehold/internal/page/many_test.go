package page_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"

	"leasehold.example/leasehold/cmd/leasehold/internal/jobs"
	"leasehold.example/leasehold/cmd/leasehold/internal/page"
)

// manyJobs returns n jobs of many schedules in 4 zones.
func manyJobs(n int) []*jobs.Job {
	zones := []string{"UTC", "Europe/Berlin", "America/New_York", "Asia/Tokyo"}
	var all []*jobs.Job
	for i := range n {
		j := hourly(fmt.Sprintf("/team-%02d/job-%04d", i%100, i), "12:00 success", "11:00 success", "10:00 failure")
		j.Log.Head.Schedule, j.Log.Head.Timezone = fmt.Sprintf("%d */%d * * *", i%60, 1+i%3), zones[i%4]
		all = append(all, j)
	}
	slices.SortFunc(all, func(a, b *jobs.Job) int { return strings.Compare(a.Path, b.Path) })
	return all
}

// To judge a job anew is what takes time: it is done once until it changes, or time
// makes another of it.
func TestJobsAreJudgedOnce(t *testing.T) {
	all := manyJobs(1000) // not beside other tests: it counts allocations
	var ps page.Pages
	show := func() {
		ps.Fleet(httptest.NewRecorder(), page.Fleet{View: view(), Jobs: all, Query: url.Values{"q": {"no such job"}}})
	}
	allocations := func() uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		show()
		runtime.ReadMemStats(&after)
		return after.Mallocs - before.Mallocs
	}
	first, again := allocations(), allocations()
	if again > first/20 {
		t.Errorf("got %d allocations for the same jobs, %d at first, want few", again, first)
	}
}

func BenchmarkFleet(b *testing.B) {
	all := manyJobs(10_000)
	for name, query := range map[string]string{"all": "", "searched": "q=job-77", "filtered": "state=held&page=50"} {
		q, err := url.ParseQuery(query)
		if err != nil {
			b.Fatal(err)
		}
		show := func(ps *page.Pages, all []*jobs.Job) {
			w := httptest.NewRecorder()
			ps.Fleet(w, page.Fleet{View: view(), Jobs: all, Query: q})
			if w.Code != http.StatusOK {
				b.Fatal(w.Body)
			}
		}
		b.Run("first/"+name, func(b *testing.B) {
			for b.Loop() {
				show(new(page.Pages), all)
			}
		})
		b.Run("again/"+name, func(b *testing.B) {
			var ps page.Pages
			show(&ps, all)
			for b.Loop() {
				show(&ps, all)
			}
		})
	}
}
