package web_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/board"
	"leasehold.example/leasehold/cmd/leasehold/internal/jobs"
	"leasehold.example/leasehold/runlog"
)

// paths returns those in lines of JSON.
func paths(t *testing.T, lines string) string {
	t.Helper()
	var all []string
	for d := json.NewDecoder(strings.NewReader(lines)); d.More(); {
		var line struct{ Path string }
		if err := d.Decode(&line); err != nil {
			t.Fatal(err)
		}
		all = append(all, line.Path)
	}
	return strings.Join(all, " ")
}

// TestLeases: the lines are those of the command, found by the filters, in pages.
func TestLeases(t *testing.T) {
	t.Parallel()
	failed := nightly("/db/failed")
	failed.Log.Head.LastSuccess = time.Time{}
	failed.Log.Runs[0].Result = runlog.Failure
	expired := held("/db/expired", "host-c")
	expired.End = time.Now().Add(-time.Second) // since it was read
	late := nightly("/db/late")
	late.Log.Head.LastSuccess, late.Log.Head.Since = time.Time{}, time.Now().Add(-72*time.Hour)
	late.Log.Runs = nil
	s := serve(t, nil, expired, failed, late, held("/db/x", "Host-B"), nightly("/nightly"))
	for query, wanted := range map[string]string{
		"":                        "/db/expired /db/failed /db/late /db/x /nightly",
		"?q=host-b":               "/db/x",
		"?q=DB":                   "/db/expired /db/failed /db/late /db/x",
		"?state=expired":          "/db/expired",
		"?state=held":             "/db/failed /db/late /db/x /nightly",
		"?state=idle&q=db":        "/db/failed /db/late",
		"?state=paused":           "",
		"?after=/db/late":         "/db/x /nightly",
		"?limit=2&after=/db/late": "/db/x /nightly",
	} {
		got := s.get(t, "/api/v1/leases"+query)
		want(t, query+" status", got.status, http.StatusOK)
		want(t, query, paths(t, got.body), wanted)
		want(t, query+" link", got.header.Get("Link"), "")
	}
	want(t, "type", s.get(t, "/api/v1/leases").header.Get("Content-Type"), "application/jsonl")
	wantIn(t, "an expired lease", s.get(t, "/api/v1/leases/db/expired").body, `"state":"expired"`)

	var found []string
	for link := "?limit=2&q=db"; link != ""; {
		got := s.get(t, "/api/v1/leases"+link)
		found = append(found, paths(t, got.body))
		link, _, _ = strings.Cut(strings.TrimPrefix(got.header.Get("Link"), "<"), `>; rel="next"`)
	}
	want(t, "pages", strings.Join(found, ", "), "/db/expired /db/failed, /db/late /db/x")

	for query, message := range map[string]string{
		"?limit=0":      `limit is "0", want a number from 1 to 10000`,
		"?limit=many":   `limit is "many", want a number from 1 to 10000`,
		"?state=broken": `state is "broken", want one of late, failed,`,
	} {
		got := s.get(t, "/api/v1/leases"+strings.ReplaceAll(query, `"`, ""))
		want(t, query+" status", got.status, http.StatusBadRequest)
		var is struct{ Error string }
		if err := json.Unmarshal([]byte(got.body), &is); err != nil {
			t.Fatal(err)
		}
		wantIn(t, query, is.Error, message)
	}
}

// TestSameJSON: a lease is the line that "leasehold status --json" prints.
func TestSameJSON(t *testing.T) {
	t.Parallel()
	j := nightly("/db/nightly")
	j.State = leasehold.Free // else time changes it
	s := serve(t, nil, j)
	line, err := jobs.JSON([]jobs.Job{*j}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	want(t, "lease", s.get(t, "/api/v1/leases/db/nightly").body, string(line))
	want(t, "leases", s.get(t, "/api/v1/leases").body, string(line))
	runs, err := jobs.RunsJSON(j.Path, j.Log)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "runs", s.get(t, "/api/v1/runs?path=/db/nightly").body, string(runs))
}

func TestNoSuchLease(t *testing.T) {
	t.Parallel()
	unreadable := held("/bad", "host-a")
	unreadable.LogError = &leasehold.LogError{Path: "/bad", Err: errAway}
	s := serve(t, nil, unreadable)
	for path, status := range map[string]int{
		"/api/v1/leases/none":     http.StatusNotFound,
		"/api/v1/leases/bad/":     http.StatusNotFound,
		"/api/v1/leases//bad":     http.StatusNotFound,
		"/api/v1/leases/x/../bad": http.StatusNotFound,
		"/api/v1/runs":            http.StatusBadRequest,
		"/api/v1/runs?path=none":  http.StatusBadRequest,
		"/api/v1/runs?path=/none": http.StatusNotFound,
		"/api/v1/runs?path=/bad":  http.StatusBadGateway,
		"/api/v2/leases":          http.StatusNotFound,
		"//api/v1/leases":         http.StatusNotFound,
	} {
		want(t, path, s.get(t, path).status, status)
	}
}

// TestUnknown: while the state of the store is not known, every answer says so.
func TestUnknown(t *testing.T) {
	t.Parallel()
	const since = "2026-11-25T02:00:00Z"
	s := serve(t, nil, held("/a", "host-a"))
	want(t, "ready", s.get(t, "/readyz").status, http.StatusOK)
	s.set(away(held("/a", "host-a")))
	for _, path := range []string{"/api/v1/leases", "/api/v1/leases/a", "/api/v1/runs?path=/a"} {
		got := s.get(t, path)
		want(t, path+" status", got.status, http.StatusServiceUnavailable)
		want(t, path+" header", got.header.Get("Leasehold-Unknown-Since"), since)
	}
	want(t, "what was known last", paths(t, s.get(t, "/api/v1/leases").body), "/a")
	want(t, "an unknown lease", s.get(t, "/api/v1/leases/b").status, http.StatusServiceUnavailable)
	got := s.get(t, "/readyz")
	want(t, "not ready", got.status, http.StatusServiceUnavailable)
	want(t, "not ready", got.body, "the state of the store is not known since "+since+": ZooKeeper at zk1: connection refused\n")
	want(t, "alive", s.get(t, "/healthz").status, http.StatusOK)
	wantIn(t, "metrics", s.get(t, "/metrics").body, "leasehold_store_up 0\n")

	s.set(board.Snapshot{}) // it was never reached
	got = s.get(t, "/api/v1/leases")
	want(t, "never reached", got.status, http.StatusServiceUnavailable)
	if _, err := time.Parse(time.RFC3339, got.header.Get("Leasehold-Unknown-Since")); err != nil {
		t.Errorf("got %v, want since when the server runs", err)
	}
	s.set(known(held("/a", "host-a")))
	want(t, "ready again", s.get(t, "/readyz").status, http.StatusOK)
	want(t, "known again", s.get(t, "/api/v1/leases").status, http.StatusOK)
}

// hostile are names as only an attacker has them, that a lease's path or its holder can have.
var hostile = []string{
	"<script>alert(1)</script>", "a b", "100%", "%2e%2e", "q?x=1", "x#y", `back\slash`, `quo"te`, "a&b;c=d",
	"\u202egnp.exe", "\u200bzero", "über", "...", ".hidden", "~", "a:b", "*", "{path}",
}

// TestHostileNames: each lease is found by its escaped path, and no answer has what
// steers a terminal or the direction of writing.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	var all []*jobs.Job
	for i, name := range hostile {
		j := nightly(fmt.Sprintf("/%02d/%s/x", i, name))
		if err := leasehold.CheckPath(j.Path); err != nil {
			t.Fatal(err)
		}
		j.Holder = name + "\x1b[31m\u0085\x00"
		all = append(all, j)
	}
	s := serve(t, nil, all...)
	for i, j := range all {
		link := fmt.Sprintf("/api/v1/leases/%02d/%s/x", i, url.PathEscape(hostile[i]))
		got := s.get(t, link)
		want(t, link, got.status, http.StatusOK)
		var line struct{ Path, Holder string }
		if err := json.Unmarshal([]byte(got.body), &line); err != nil {
			t.Fatal(err)
		}
		want(t, link, line.Path, j.Path)
		want(t, link, line.Holder, j.Holder)
		want(t, link+" runs", s.get(t, "/api/v1/runs?"+url.Values{"path": {j.Path}}.Encode()).status, http.StatusOK)
		wantSafe(t, link, s.get(t, "/api/v1/leases/none"+link).body)
	}
	for _, path := range []string{"/api/v1/leases", "/metrics"} {
		got := s.get(t, path)
		want(t, path, got.status, http.StatusOK)
		want(t, path+" nosniff", got.header.Get("X-Content-Type-Options"), "nosniff")
		wantSafe(t, path, got.body)
	}
	check(t, s.get(t, "/metrics").body)
	want(t, "host", s.do(t, http.MethodGet, "/", nil, func(r *http.Request) { r.Host = "\u202eevil\u0085" }).status, http.StatusMisdirectedRequest)
}

func wantSafe(t *testing.T, what, got string) {
	t.Helper()
	for _, c := range "\x1b\x00\u0085\u202e\u200b" {
		if strings.ContainsRune(got, c) {
			t.Errorf("%s: got %U in %q, want none", what, c, shorten(got))
		}
	}
}

// TestHugeHolder: the metrics cut a name of a megabyte, and the API does not.
func TestHugeHolder(t *testing.T) {
	t.Parallel()
	s := serve(t, nil, held("/huge", strings.Repeat("x", 1<<20)))
	if got := s.get(t, "/metrics").body; len(got) > 4096 {
		t.Errorf("got %d bytes of metrics, want at most 4096", len(got))
	}
	if got := s.get(t, "/api/v1/leases").body; len(got) < 1<<20 || !bytes.HasSuffix([]byte(got), []byte("}\n")) {
		t.Errorf("got %d bytes, want all of the holder", len(got))
	}
	events := s.listen(t)
	await(t, events, "the state", func(e event) bool { return e.name == "" })
	s.set(known(held("/huge", strings.Repeat("y", 1<<20))))
	e := await(t, events, "the lease", func(e event) bool { return e.name == "lease" })
	wantIn(t, "event", e.data, `"path":"/huge"`)
}
