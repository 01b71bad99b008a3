package page_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/jobs"
	"leasehold.example/leasehold/cmd/leasehold/internal/page"
	"leasehold.example/leasehold/runlog"
)

var hostile = map[string]string{
	"tags":        `<script>alert(1)</script><img src=x onerror=alert(1)>"'></title></textarea>`,
	"attribute":   `" autofocus onfocus="alert(1)`,
	"template":    `{{.}}{{define "head"}}`,
	"link":        `javascript:alert(1)//%2e%2e/?a=b#c;d\..\`,
	"bidi":        "a\u202egnp.exe\u2066b\u200e",
	"control":     "a\x1b[2J\x00\r\nb\u0085c\ufeff\u2028",
	"not UTF-8":   "a\xff\xfeb",
	"a megabyte":  strings.Repeat("x", 1<<20),
	"wide":        strings.Repeat("𝔛", 1<<18),
	"combining":   "a" + strings.Repeat("\u0301", 5000),
	"white space": " \t\n ",
}

// What other people name, and write, is text wherever it goes, and short.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	calm := pages(t, "calm")
	for name, evil := range hostile {
		for i, got := range pages(t, evil) {
			if want := tags(calm[i]); tags(got) != want {
				t.Errorf("%s, page %d: got the tags\n%s\nwant\n%s", name, i, tags(got), want)
			}
			for _, c := range html.UnescapeString(got) {
				if c != '\n' && !strconv.IsPrint(c) {
					t.Errorf("%s, page %d: got the character %U, want it escaped", name, i, c)
					break
				}
			}
			if len(got) > len(calm[i])+500_000 { // links need the whole of a path, which may have 16 KiB
				t.Errorf("%s, page %d: got %d bytes, want it cut", name, i, len(got))
			}
		}
	}
}

// tags returns the tags of a page, with the names of their attributes: no text of
// other people changes them.
func tags(doc string) string {
	doc = regexp.MustCompile(`="[^"]*"`).ReplaceAllString(doc, "")
	return strings.Join(regexp.MustCompile(`<[^>]*>`).FindAllString(doc, -1), "\n")
}

// pages returns all pages with that text in each place where other people's may be.
func pages(t *testing.T, evil string) []string {
	t.Helper()
	path := "/a/" + strings.NewReplacer("/", "", "\x00", "").Replace(evil)
	if len(path) > 16<<10 {
		path = path[:16<<10] // no store has longer ones
	}
	j := hourly(path, "12:00 running", "11:00 failure")
	j.Holder = evil
	for i := range j.Log.Runs {
		r := &j.Log.Runs[i]
		r.Holder, r.Host, r.Program, r.Signal = evil, evil, evil, evil
	}
	j.Log.Runs = append(j.Log.Runs, runlog.Run{ID: "p", Holder: evil, Started: at("10:00"), Result: runlog.Paused, Reason: evil})
	j.Log.Head.Paused = &runlog.Note{By: evil, Since: at("10:00"), Reason: evil}
	slot := lease(path + "/0")
	slot.Holder = evil
	bad := &jobs.Job{Status: leasehold.Status{Path: path + "/1", State: leasehold.Unreadable, Reason: evil}}
	all := []*jobs.Job{j, slot, bad}
	v := page.View{Prefix: path, Now: now, UnknownSince: at("12:10"), Why: evil, Version: "v1", AllowWrite: true, User: evil}

	var ps page.Pages
	var written []string
	for _, write := range []func(http.ResponseWriter){
		func(w http.ResponseWriter) {
			ps.Fleet(w, page.Fleet{View: v, Jobs: all, Query: url.Values{"q": {""}, "state": {""}, "page": {evil}}})
		},
		func(w http.ResponseWriter) {
			ps.Fleet(w, page.Fleet{View: v, Jobs: all, Query: url.Values{"q": {evil + "!"}, "state": {evil}}})
		},
		func(w http.ResponseWriter) {
			ps.Lease(w, page.Lease{View: v, Path: path, Job: j, Jobs: all, Record: []byte(evil), Query: url.Values{"done": {evil}}})
		},
		func(w http.ResponseWriter) {
			ps.Lease(w, page.Lease{View: v, Path: path, Job: j, Jobs: all, Query: url.Values{"confirm": {"resume"}}, Reason: evil})
		},
	} {
		written = append(written, body(t, http.StatusOK, write))
	}
	return append(written, body(t, http.StatusNotFound, func(w http.ResponseWriter) {
		ps.Error(w, page.Error{View: v, Status: http.StatusNotFound, Title: "Not found", Message: evil})
	}))
}

// A lease's page is found again by the link to it, whatever its path.
func TestLinks(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/a", "/a/b c", "/a?b#c", "/%2e%2e/x", `/\..\x`, "/a:b/javascript:x", "/ä/…", "/a;b,c=d&e", `/"><b>`, "/..."} {
		doc := fleet(t, []*jobs.Job{lease(path)}, "")
		link := submatches(doc, `<th scope="row"><a href="([^"]*)"`)
		if len(link) != 1 {
			t.Fatalf("%q: got the links %q, want one", path, link)
		}
		base := &url.URL{Scheme: "https", Host: "h", Path: "/ops/"}
		at, err := base.Parse(html.UnescapeString(link[0]))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := at.Path, "/ops/lease"+path; got != want || at.RawQuery != "" || at.Fragment != "" {
			t.Errorf("got a link to %s, want %s", at, want)
		}
		doc = leasePage(t, "confirm=release", lease(path))
		for _, relative := range append(submatches(doc, `action="([^"]*)"`), submatches(doc, `<a href="([^"]*)">Cancel`)...) {
			back, err := at.Parse(html.UnescapeString(relative))
			if err != nil || back.String() != at.String() {
				t.Errorf("got the link %s to %s, want %s (%v)", relative, back, at, err)
			}
		}
		root, err := at.Parse(submatches(doc, `<a href="([^"]*)">All leases`)[0])
		if err != nil || root.Path != base.Path {
			t.Errorf("got a link to %s, want %s (%v)", root, base, err)
		}
	}
}
