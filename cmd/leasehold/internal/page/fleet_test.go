package page_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/jobs"
	"leasehold.example/leasehold/runlog"
)

// rows returns the paths of the leases on a page.
func rows(html string) []string {
	var paths []string
	for _, m := range regexp.MustCompile(`<tr id="lease(/[^"]*)"`).FindAllStringSubmatch(html, -1) {
		paths = append(paths, m[1])
	}
	return paths
}

// filters returns the totals of a page.
func filters(html string) []string {
	var totals []string
	for _, m := range regexp.MustCompile(`<b>([^<]*)</b> (\w+)</a>`).FindAllStringSubmatch(html, -1) {
		totals = append(totals, m[1]+" "+m[2])
	}
	return totals
}

func someJobs() []*jobs.Job {
	return []*jobs.Job{
		hourly("/a/done", "12:00 success", "11:00 success"),
		hourly("/a/failed", "12:00 failure", "11:00 success"),
		hourly("/a/late", "11:00 success"),
		hourly("/a/running", "12:00 running", "11:00 success"),
		with(hourly("/b/paused", "11:00 success"), func(j *jobs.Job) {
			j.Log.Head.Paused = &runlog.Note{By: "ann", Since: at("11:30"), Reason: "a move"}
		}),
		lease("/b/plain"),
		{Status: leasehold.Status{Path: "/b/rubbish", Slot: -1, State: leasehold.Unreadable, Reason: "not JSON"}},
		with(lease("/b/worn"), func(j *jobs.Job) { j.End = at("12:10"); j.Holder = "Host-B" }),
	}
}

func TestOrder(t *testing.T) {
	t.Parallel()
	want := []string{"/a/late", "/a/failed", "/b/rubbish", "/a/running", "/a/done", "/b/paused", "/b/plain", "/b/worn"}
	if got := rows(fleet(t, someJobs(), "")); !slices.Equal(got, want) {
		t.Errorf("got %q, want late, failed, unreadable, running, then the rest: %q", got, want)
	}
}

func TestFilters(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"":                    "/a/late /a/failed /b/rubbish /a/running /a/done /b/paused /b/plain /b/worn",
		"state=late":          "/a/late",
		"state=expired":       "/b/worn",
		"state=paused":        "/b/paused",
		"state=running&q=/b/": "",
		"q=HOST-b":            "/b/worn",
		"q=+/b/p+":            "/b/paused /b/plain",
		"state=nonsense":      "",
	} {
		if got := strings.Join(rows(fleet(t, someJobs(), query)), " "); got != want {
			t.Errorf("%q: got %q, want %q", query, got, want)
		}
	}
}

func TestTotals(t *testing.T) {
	t.Parallel()
	html := fleet(t, someJobs(), "")
	want := []string{"8 all", "1 late", "1 failed", "1 unreadable", "1 running", "1 paused", "3 idle", "6 held", "1 expired"}
	if got := filters(html); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if !strings.Contains(html, `data-title="1 late, 1 failed, 1 unreadable – Leasehold"`) {
		t.Error("got another title, want the totals of what is wrong")
	}
	html = fleet(t, someJobs(), "q=/b/&state=late")
	want = []string{"4 all", "0 late", "0 failed", "1 unreadable", "1 paused", "2 held", "1 expired"}
	if got := filters(html); !slices.Equal(got, want) {
		t.Errorf("got %q, want those with the text: %q", got, want)
	}
	if link := `<a href="./?q=%2Fb%2F&amp;state=unreadable"`; !strings.Contains(html, link) {
		t.Errorf("got no link %s, want one that keeps the text", link)
	}
}

func TestPaging(t *testing.T) {
	t.Parallel()
	var all []*jobs.Job
	for i := range 62 {
		all = append(all, lease(fmt.Sprintf("/l/%03d", i)))
	}
	for _, test := range []struct{ query, first, last, caption, previous, next string }{
		{"", "/l/000", "/l/024", "1 to 25 of 62 leases", "", "./?page=2"},
		{"page=2&state=held", "/l/025", "/l/049", "26 to 50 of 62 leases", "./?state=held", "./?page=3&amp;state=held"},
		{"page=3", "/l/050", "/l/061", "51 to 62 of 62 leases", "./?page=2", ""},
		{"page=99", "/l/050", "/l/061", "51 to 62 of 62 leases", "./?page=2", ""},
		{"page=-1", "/l/000", "/l/024", "1 to 25 of 62 leases", "", "./?page=2"},
	} {
		html := fleet(t, all, test.query)
		got := rows(html)
		if got[0] != test.first || got[len(got)-1] != test.last || !strings.Contains(html, test.caption) {
			t.Errorf("%q: got %s to %s, want %s to %s, %q", test.query, got[0], got[len(got)-1], test.first, test.last, test.caption)
		}
		for rel, link := range map[string]string{"prev": test.previous, "next": test.next} {
			if got := strings.Contains(html, `rel="`+rel+`"`); got != (link != "") || link != "" && !strings.Contains(html, `rel="`+rel+`" href="`+link+`"`) {
				t.Errorf("%q: got %s %t, want the link %q", test.query, rel, got, link)
			}
		}
	}
}

func TestRowsSayWhatGoesOn(t *testing.T) {
	t.Parallel()
	words := func(html string) string { // without tags, and with single spaces
		html = regexp.MustCompile(`<[^>]*>`).ReplaceAllString(html[strings.Index(html, "<tbody>"):strings.Index(html, "</tbody>")], " ")
		return strings.Join(strings.Fields(html), " ")
	}
	for query, want := range map[string]string{
		"q=/a/done":    `/a/done held host-a 12:21 1m0s idle success 12:00 5m0s 13:00 40m0s`,
		"q=/a/late":    `/a/late nobody has run the tick of 2026-11-25T12:00:00Z late held host-a 12:21 1m0s idle success 11:00 5m0s 13:00 40m0s`,
		"q=/a/failed":  `/a/failed the tick of 2026-11-25T12:00:00Z has no success: failure on host-a failed held host-a 12:21 1m0s idle failure 12:00 5m0s 13:00 40m0s`,
		"q=/a/running": `/a/running held host-a 12:21 1m0s running for 19m59s success 11:00 5m0s 13:00 40m0s`,
		"q=/b/paused":  `/b/paused paused held host-a 12:21 1m0s success 11:00 5m0s 13:00 40m0s`,
		"q=/b/rubbish": `/b/rubbish not JSON unreadable`,
		"q=/b/worn":    `/b/worn expired Host-B 12:10 10m0s ago`,
	} {
		if got := words(fleet(t, someJobs(), query)); got != want {
			t.Errorf("%s:\ngot  %q\nwant %q", query, got, want)
		}
	}
}

// A drained host is shown at the jobs that it runs, and not at those that it has run.
func TestDrainedHost(t *testing.T) {
	t.Parallel()
	running, over := hourly("/a", "12:00 running"), hourly("/b", "12:00 success")
	running.Log.Runs[0].Drained, over.Log.Runs[0].Drained = true, true
	got := strings.Count(fleet(t, []*jobs.Job{running, over}, ""), "host drained")
	if got != 1 {
		t.Errorf("got %d drained hosts, want 1", got)
	}
}
