package browser

import (
	"fmt"
	"slices"
	"testing"

	"github.com/chromedp/chromedp"

	"leasehold.example/leasehold/cmd/leasehold/internal/jobs"
)

const hasPainted = `performance.getEntriesByName("first-contentful-paint").length > 0`

// The browser paints before the rows are there: how many leases there are does not
// matter to it.
func TestFirstPaint(t *testing.T) {
	t.Parallel()
	f := newFake(t, someJobs()...)
	f.rest = make(chan struct{})
	b := open(t, look{width: 1280})
	b.run(chromedp.Evaluate[chromedp.Void](fmt.Sprintf("location.href = %q", f.url(""))))
	b.until(`document.querySelector(".brand") && ` + hasPainted)
	if rows := b.paths(); len(rows) > 0 {
		t.Errorf("got the rows %q before they were sent", rows)
	}
	close(f.rest)
	b.until(isLive)
	b.until(isShown("/db/vacuum"))
	b.wantNoFaults()
}

// BenchmarkFirstPaint tells how many milliseconds after a link was followed a browser
// first paints a page of one lease, and the first one of 10,000: the median, and the
// time in which nine of ten are painted. By far the most of the first is the browser's.
func BenchmarkFirstPaint(b *testing.B) {
	for _, leases := range []int{1, 10_000} {
		b.Run(fmt.Sprint("leases=", leases), func(b *testing.B) {
			var all []*jobs.Job
			for i := range leases {
				all = append(all, job(fmt.Sprintf("/team-%02d/job-%05d", i%100, i), "*/15 * * * *", "sss"))
			}
			f := newFake(b, all...)
			tab := open(b, look{width: 1280})
			var times []float64
			for b.Loop() {
				tab.goTo(f.url(""))
				tab.until(hasPainted)
				times = append(times, eval[float64](tab, `performance.getEntriesByName("first-contentful-paint")[0].startTime`))
			}
			slices.Sort(times)
			b.ReportMetric(times[len(times)/2], "ms")
			b.ReportMetric(times[len(times)*9/10], "ms-p90")
		})
	}
}
