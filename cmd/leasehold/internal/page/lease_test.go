package page_test

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/jobs"
	"leasehold.example/leasehold/cmd/leasehold/internal/page"
	"leasehold.example/leasehold/runlog"
)

// leasePage returns the page of all[0].
func leasePage(t *testing.T, query string, all ...*jobs.Job) string {
	t.Helper()
	q, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	v := view()
	v.AllowWrite, v.User = true, "ann"
	return body(t, http.StatusOK, func(w http.ResponseWriter) {
		new(page.Pages).Lease(w, page.Lease{View: v, Path: all[0].Path, Job: all[0], Jobs: all, Query: q})
	})
}

// submatches returns what the pattern's group is of each match.
func submatches(html, pattern string) []string {
	var found []string
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(html, -1) {
		found = append(found, m[1])
	}
	return found
}

// plainText returns html without tags, and with single spaces.
func plainText(html string) string {
	return strings.Join(strings.Fields(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(html, " ")), " ")
}

// A host that has died leaves a run that goes on in the log, and a lease that has ended.
func TestPictureOfARunWhoseLeaseHasEnded(t *testing.T) {
	t.Parallel()
	j := with(hourly("/a", "12:00 running"), func(j *jobs.Job) { j.End = at("12:10") })
	html := leasePage(t, "", j)
	if got, want := submatches(html, `<title>(2026-11-25T12[^<]*)</title>`), []string{"2026-11-25T12:00:00Z: unknown"}; !slices.Equal(got, want) {
		t.Errorf("got the mark %q, want %q", got, want)
	}
}

func TestPictureOfTicks(t *testing.T) {
	t.Parallel()
	j := hourly("/a", "12:00 running", "10:00 failure", "10:00 lost", "08:00 unknown", "07:00 success")
	html := leasePage(t, "", j)
	want := []string{
		"2026-11-25T07:00:00Z: success in 5m0s",
		"2026-11-25T08:00:00Z: unknown in 5m0s",
		"2026-11-25T09:00:00Z: missed",
		"2026-11-25T10:00:00Z: failure in 5m0s, 2 attempts",
		"2026-11-25T11:00:00Z: missed",
		"2026-11-25T12:00:00Z: running in 19m59s",
	}
	if got := submatches(html, `<title>(2026[^<]*)</title>`); !slices.Equal(got, want) {
		t.Errorf("got the marks\n%q, want\n%q", got, want)
	}
	if got, want := submatches(html, `class="bar" x="2" y="(\d+)"`), []string{"30", "30", "30", "2"}; !slices.Equal(got, want) {
		t.Errorf("got the bars from %q, want them as high as they took long: %q", got, want)
	}
	if want := `aria-label="The newest ticks: 1 success, 1 failure, 1 unknown, 2 missed, 1 running. The table has each."`; !strings.Contains(html, want) {
		t.Errorf("got no %s", want)
	}
	table := html[strings.Index(html, `<table class="runs">`):]
	var rows []string
	for _, row := range submatches(table, `(?s)<tr>\n(.*?)</tr>`) {
		rows = append(rows, plainText(row))
	}
	want = []string{
		"12:00 12:00:01 running 1 19m59s host-a host-a.example report",
		"11:00 missed",
		"10:00 10:00:01 failure (exit 4) 1 5m0s host-a host-a.example report",
		"10:00 10:00:01 lost 1 5m0s host-a host-a.example report",
		"09:00 missed",
		"08:00 08:00:01 unknown 1 5m0s host-a host-a.example report",
		"07:00 07:00:01 success 1 5m0s host-a host-a.example report",
	}
	if !slices.Equal(rows, want) {
		t.Errorf("got the table\n%q, want\n%q", rows, want)
	}
}

func TestManyMissedTicksAreOneRow(t *testing.T) {
	t.Parallel()
	html := leasePage(t, "", hourly("/a", "08:00 success"))
	if want := "09:00 to 11:00 missed 3 ticks"; !strings.Contains(plainText(html), want) {
		t.Errorf("got no %q in %s", want, plainText(html))
	}
}

func TestRunsWithoutSchedule(t *testing.T) {
	t.Parallel()
	j := hourly("/a", "12:00 success", "11:00 failure")
	j.Log.Head = runlog.Head{}
	for i := range j.Log.Runs {
		j.Log.Runs[i].Tick, j.Log.Runs[i].Attempt = time.Time{}, 0
	}
	j.Log.Runs = append([]runlog.Run{{ID: "hand", Holder: "bob", Started: at("12:10"), Result: runlog.Resumed, Reason: "all is well"}}, j.Log.Runs...)
	html := leasePage(t, "", j)
	want := []string{"2026-11-25T11:00:01Z: failure in 5m0s", "2026-11-25T12:00:01Z: success in 5m0s"}
	if got := submatches(html, `<title>(2026[^<]*)</title>`); !slices.Equal(got, want) {
		t.Errorf("got the marks %q, want %q", got, want)
	}
	if want := "12:10 resumed by hand : all is well bob"; !strings.Contains(plainText(html), want) {
		t.Errorf("got no %q in %s", want, plainText(html))
	}
	if strings.Contains(html, "no log") || strings.Contains(html, "greatest age") {
		t.Error("got a problem, want none: it is an ordinary lease")
	}
}

// Times of other clocks may lie as far apart as a run log can say.
func TestRunsOfAllTimes(t *testing.T) {
	t.Parallel()
	j := hourly("/a", "12:00 success", "11:00 success")
	j.Log.Runs[0].Ended = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	j.Log.Runs[1].Started = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
	j.Log.Runs[1].Ended = j.Log.Runs[1].Started.Add(-time.Hour)
	if got, want := submatches(leasePage(t, "", j), `class="bar" x="2" y="(\d+)"`), []string{"2"}; !slices.Equal(got, want) {
		t.Errorf("got the bars from %q, want %q", got, want)
	}
}

func TestSlots(t *testing.T) {
	t.Parallel()
	var all []*jobs.Job
	for _, path := range []string{"/a/1", "/pool", "/pool/0", "/pool/1", "/pool/10", "/pool/2", "/pool/2/0", "/pool/x", "/pool2/0"} {
		all = append(all, lease(path))
	}
	for _, path := range []string{"/pool", "/pool/2"} {
		html := body(t, http.StatusOK, func(w http.ResponseWriter) {
			new(page.Pages).Lease(w, page.Lease{View: view(), Path: path, Jobs: all, Job: lease(path)})
		})
		up := strings.Repeat("../", strings.Count(path, "/"))
		want := []string{up + "lease/pool/0", up + "lease/pool/1", up + "lease/pool/2", up + "lease/pool/10"}
		if got := submatches(html, `<tr id="slot-\d+"><th scope="row"><a href="([^"]*)"`); !slices.Equal(got, want) {
			t.Errorf("%s: got the slots %q, want %q", path, got, want)
		}
	}
}

func TestNoLeaseAtPath(t *testing.T) {
	t.Parallel()
	html := body(t, http.StatusNotFound, func(w http.ResponseWriter) {
		new(page.Pages).Lease(w, page.Lease{View: view(), Path: "/none"})
	})
	if want := "There is no lease at this path"; !strings.Contains(html, want) {
		t.Errorf("got no %q", want)
	}
}

func TestActions(t *testing.T) {
	t.Parallel()
	running := hourly("/a/x", "12:00 running")
	paused := with(hourly("/a/x"), func(j *jobs.Job) {
		j.State, j.Log.Head.Paused = leasehold.Free, &runlog.Note{By: "ann", Since: at("11:00"), Reason: "a move"}
	})
	plain := lease("/a/x")
	for name, test := range map[string]struct {
		job  *jobs.Job
		want []string
	}{
		"running": {running, []string{"pause", "again", "release"}},
		"paused":  {paused, []string{"resume"}},
		"plain":   {plain, []string{"release"}},
	} {
		html := leasePage(t, "", test.job)
		if got := submatches(html, `<a href="../../lease/a/x\?confirm=(\w+)"`); !slices.Equal(got, test.want) {
			t.Errorf("%s: got the actions %q, want %q", name, got, test.want)
		}
		if strings.Contains(html, "<form") {
			t.Errorf("%s: got a form, want none before an action is asked for", name)
		}
	}

	html := leasePage(t, "confirm=release", running)
	form := html[strings.Index(html, "<form"):strings.Index(html, "</form>")]
	for _, want := range []string{
		`method="post" action="../../lease/a/x"`, `name="action" value="release"`, `name="token" value="7"`, ` required`, "ann", "Cancel",
	} {
		if !strings.Contains(form, want) {
			t.Errorf("got no %s in %s", want, form)
		}
	}
	if want, html := `name="tick" value="2026-11-25T12:00:00Z"`, leasePage(t, "confirm=again", running); !strings.Contains(html, want) {
		t.Errorf("got no %s in the form to run it again", want)
	}
	if html := leasePage(t, "confirm=resume", running); strings.Contains(html, "<form") {
		t.Error("got a form to resume what is not paused, want none")
	}
	html = body(t, http.StatusOK, func(w http.ResponseWriter) {
		new(page.Pages).Lease(w, page.Lease{View: view(), Path: running.Path, Job: running, Query: url.Values{"confirm": {"pause"}}})
	})
	if strings.Contains(html, "confirm") {
		t.Error("got what may be done by hand, want nothing without AllowWrite")
	}
}

func TestOutcomeOfAction(t *testing.T) {
	t.Parallel()
	j := hourly("/a/x", "12:00 running")
	if want, html := "Paused.", leasePage(t, "done=pause", j); !strings.Contains(html, want) {
		t.Errorf("got no %q", want)
	}
	v := view()
	v.AllowWrite = true
	html := body(t, http.StatusConflict, func(w http.ResponseWriter) {
		new(page.Pages).Lease(w, page.Lease{
			View: v, Path: j.Path, Job: j, Query: url.Values{"confirm": {"release"}},
			Failure: "another has the lease by now", Reason: "it \"hangs\"",
		})
	})
	for _, want := range []string{`role="alert" class="failure">another has the lease by now`, `value="it &#34;hangs&#34;"`} {
		if !strings.Contains(html, want) {
			t.Errorf("got no %s", want)
		}
	}
	if got, want := page.Done("/a/x y", "pause"), "../../lease/a/x%20y?done=pause"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// What was done after the store was lost is not known, so nothing is judged by then.
func TestUnknownStore(t *testing.T) {
	t.Parallel()
	v := view()
	v.UnknownSince, v.Why = at("11:58"), "no <server> answers"
	html := body(t, http.StatusOK, func(w http.ResponseWriter) {
		new(page.Pages).Fleet(w, page.Fleet{View: v, Jobs: []*jobs.Job{hourly("/a", "11:00 success")}})
	})
	if want := "Not up to date since 11:58 UTC: no &lt;server&gt; answers."; !strings.Contains(plainText(html), want) {
		t.Errorf("got no %q in %s", want, plainText(html))
	}
	if got := filters(html); got[1] != "0 late" {
		t.Errorf("got %q, want nothing late", got)
	}
}
