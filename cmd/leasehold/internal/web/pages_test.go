package web_test

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/jobs"
	"leasehold.example/leasehold/cmd/leasehold/internal/web"
	"leasehold.example/leasehold/leasetest"
)

// below serves the site as a proxy does that has it at a path of its own.
func (s *site) below(t *testing.T, prefix string) *site {
	t.Helper()
	proxied := *s
	transport := s.client.Transport
	proxied.client = &http.Client{
		CheckRedirect: s.client.CheckRedirect,
		Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			rest, ok := strings.CutPrefix(r.URL.EscapedPath(), prefix)
			if !ok || !strings.HasPrefix(rest, "/") {
				return nil, fmt.Errorf("%s is not below %s", r.URL, prefix)
			}
			u := *r.URL
			r = r.Clone(r.Context())
			var err error
			if r.URL, err = u.Parse("http://" + s.addr + rest + "?" + u.RawQuery); err != nil {
				return nil, err
			}
			return transport.RoundTrip(r)
		}),
	}
	proxied.url = s.url + prefix
	return &proxied
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

var reference = regexp.MustCompile(`(?:href|src|action)="([^"]*)"`)

// TestLinks: below a proxy's path, every link of every page leads to something that
// is there, whatever a lease's name is.
func TestLinks(t *testing.T) {
	t.Parallel()
	var all []*jobs.Job
	for i, name := range hostile {
		all = append(all, nightly(fmt.Sprintf("/%02d/%s/x", i, name)))
	}
	s := serve(t, writing(t, nil), all...).below(t, "/some/path")
	seen := map[string]bool{}
	leases := 0
	for open := []string{s.url + "/"}; len(open) > 0; {
		link := open[0]
		open = open[1:]
		page := s.get(t, strings.TrimPrefix(link, s.url))
		if page.status != http.StatusOK {
			t.Errorf("%s: got status %d, want 200", link, page.status)
		}
		if !strings.HasPrefix(page.header.Get("Content-Type"), "text/html") {
			continue
		}
		base, err := url.Parse(link)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range reference.FindAllStringSubmatch(page.body, -1) {
			target, err := base.Parse(html.UnescapeString(m[1]))
			if err != nil {
				t.Fatalf("%s: %v", link, err)
			}
			target.Fragment = ""
			if next := target.String(); !seen[next] {
				seen[next] = true
				open = append(open, next)
				if strings.Contains(target.Path, "/lease/") && target.RawQuery == "" {
					leases++
				}
			}
		}
	}
	want(t, "leases that were linked", leases, len(hostile))
}

func TestForm(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	store := leasetest.NewStore()
	client := leasehold.Client{Store: store, Holder: "host-a"}
	s := serve(t, writing(t, store), nightly("/a b/x"))
	s = s.below(t, "/proxied")
	got := s.do(t, http.MethodPost, "/lease/a%20b/x", form("action=pause", "reason=a migration"), nil)
	want(t, "status", got.status, http.StatusSeeOther)
	target, err := url.Parse(s.url + "/lease/a%20b/x")
	if err != nil {
		t.Fatal(err)
	}
	if target, err = target.Parse(got.header.Get("Location")); err != nil {
		t.Fatal(err)
	}
	want(t, "where to", target.String(), s.url+"/lease/a%20b/x?done=pause")
	log, err := client.Runs(ctx, "/a b/x")
	if err != nil || log.Head.Paused == nil {
		t.Errorf("got %+v and %v, want a pause", log, err)
	}

	got = s.do(t, http.MethodPost, "/lease/a%20b/x", form("action=pause", "reason=<b>"+strings.Repeat("x", 512)), nil)
	want(t, "refused", got.status, http.StatusConflict)
	wantIn(t, "refused", got.body, "reason has 515 bytes, must have at most 512")
	wantIn(t, "refused", got.body, "&lt;b&gt;xxx")
	if strings.Contains(got.body, "<b>xxx") {
		t.Error("got a tag of somebody's, want text")
	}

	s = serve(t, func(s *web.Server) {
		writing(t, store)(s)
		s.UserHeader = "X-User"
	})
	got = s.do(t, http.MethodPost, "/lease/a%20b/x", form("action=resume", "reason=done"), nil)
	want(t, "nobody", got.status, http.StatusForbidden)
	wantIn(t, "nobody", got.body, "the proxy does not name a user in the header X-User")
	if log, err := client.Runs(ctx, "/a b/x"); err != nil || log.Head.Paused == nil {
		t.Errorf("got %+v and %v, want that nothing was changed", log, err)
	}
}

// TestPages: the pages say what they are of, and take the state of the server.
func TestPages(t *testing.T) {
	t.Parallel()
	s := serve(t, nil, nightly("/db/nightly"))
	wantIn(t, "fleet", s.get(t, "/").body, "lease/db/nightly")
	wantIn(t, "lease", s.get(t, "/lease/db/nightly").body, "host-a")
	want(t, "no lease", s.get(t, "/lease/none").status, http.StatusNotFound)
	want(t, "no lease is named", s.get(t, "/lease").status, http.StatusNotFound)
	want(t, "no page", s.get(t, "/none").status, http.StatusNotFound)
	want(t, "its links would lead elsewhere", s.get(t, "/lease/db%2fnightly").status, http.StatusNotFound)
	want(t, "a program needs none", s.get(t, "/api/v1/leases/db%2Fnightly").status, http.StatusOK)
	want(t, "read only", s.do(t, http.MethodPost, "/lease/db/nightly", form("action=pause", "reason=r"), nil).status, http.StatusMethodNotAllowed)
	script := s.get(t, "/static/page.js")
	want(t, "script", script.status, http.StatusOK)
	want(t, "no folder", s.get(t, "/static/").status, http.StatusNotFound)
	version := regexp.MustCompile(`data-version="([^"]+)"`).FindStringSubmatch(s.get(t, "/").body)
	events := s.listen(t)
	if version == nil || stateIn(t, await(t, events, "the state", isState)).Version != version[1] {
		t.Errorf("got %q in the page, want the version of the events", version)
	}
	s.set(away(nightly("/db/nightly")))
	wantIn(t, "unknown", s.get(t, "/").body, "Not up to date since")
}
