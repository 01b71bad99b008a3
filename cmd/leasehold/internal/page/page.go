// Package page renders the web page of "leasehold serve": what is known of all jobs,
// and of one. It reads no store and answers no request by itself.
//
// Its links are relative, so that it works below any path of a proxy. They expect,
// below the path where the fleet's page is:
//
//	./                the fleet's page; its query is Fleet.Query
//	lease/PATH        a lease's page, PATH without its first slash, each component
//	                  percent-encoded; its query is Lease.Query
//	static/NAME       [Static]
//	api/v1/events     server-sent events, see below; its query is only=state
//
// With View.AllowWrite forms are sent as POST to lease/PATH, with the fields action
// (release, again, pause or resume), reason, for release token, and for again tick.
// Afterwards the browser is sent to [Done], or gets the page with Lease.Failure.
//
// The script fetches the page anew when an event without a name brings JSON with
// another "version" than the page has (see View). While it has "unknown_since" the
// script says so. It takes the connection for lost when no such event has come for 1.7
// seconds, so one is wanted each second.
package page

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"leasehold.example/leasehold/cmd/leasehold/internal/jobs"
)

// A View is what all pages show.
type View struct {
	Prefix string      // of the leases that are served, "/" for all
	Now    time.Time   // by the clock that judges
	Policy jobs.Policy // by which it does, the same for all Views

	// UnknownSince is since when the state of the store is not known, zero while it is;
	// and Why the reason, if that is known. What is shown was true then.
	UnknownSince time.Time
	Why          string

	// Version is another one whenever a job is, also after a restart.
	Version string

	AllowWrite bool
	User       string // who asks, where that is known
}

// judgedAt returns the moment that jobs are judged by: what happened after the store
// was lost is not known.
func (v View) judgedAt() time.Time {
	if !v.UnknownSince.IsZero() {
		return v.UnknownSince
	}
	return v.Now
}

// Pages renders pages. It remembers what it has found out of jobs that stay as they
// are. It may be used by several goroutines at once.
type Pages struct {
	rows rowCache
}

//go:embed templates static
var files embed.FS

// templates is parsed when the first page is rendered: the other subcommands start
// faster without.
var templates = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("").Funcs(template.FuncMap{
		"name": name, "message": message, "whole": whole, "count": count,
		"clock": clock, "utc": utc, "span": span, "millis": time.Time.UnixMilli,
		"at":    func(t, now time.Time) moment { return moment{t, now} },
		"rowAt": func(r *row, now time.Time) rowAt { return rowAt{r, now} },
		"build": build,
	}).ParseFS(files, "templates/*.html"))
})

// build changes with the files that a browser may keep.
var build = sync.OnceValue(func() string {
	sum := sha256.New()
	err := fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := files.ReadFile(path)
		sum.Write(b)
		return err
	})
	if err != nil {
		panic(err) // the files are in the program
	}
	return fmt.Sprintf("%x", sum.Sum(nil)[:6])
})

// Static answers requests for the files that pages need, by their names.
func Static() http.Handler {
	sub, err := fs.Sub(files, "static")
	if err != nil {
		panic(err) // the folder is in the program
	}
	server := http.FileServerFS(sub)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("v") == build() {
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		}
		server.ServeHTTP(w, r)
	})
}

// A layout is what the template of the whole page is given.
type layout struct {
	View
	Root  string // the relative link to the fleet's page, "" if this is it
	Title string
	Next  time.Time // when time alone changes what is shown; zero for never
	Body  any
}

// begin sends the first part of a page, which a browser shows while the rest is made.
func begin(w http.ResponseWriter, status int, l layout) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	write(w, "head", l)
	_ = http.NewResponseController(w).Flush() // else it comes with the rest
}

// write sends a part of a page.
func write(w http.ResponseWriter, part string, l layout) {
	var b bytes.Buffer
	if err := templates().ExecuteTemplate(&b, part, l); err != nil {
		panic(fmt.Errorf("render the page: %w", err)) // so that nobody takes what was sent for the whole
	}
	_, _ = w.Write(b.Bytes()) // it fails where nobody reads any more
}

// root returns the relative link from the page of the lease at path to the fleet's.
func root(path string) string { return strings.Repeat("../", strings.Count(path, "/")) }

// An Error is a page that says why there is no other.
type Error struct {
	View
	Root    string // the relative link to the fleet's page, as "../"
	Status  int    // of HTTP
	Title   string
	Message string
}

// Error writes the page of an error.
func (p *Pages) Error(w http.ResponseWriter, e Error) {
	l := layout{View: e.View, Root: e.Root, Title: e.Title, Body: e.Message}
	begin(w, e.Status, l)
	write(w, "error.html", l)
}

// Done returns the link from the page of the lease at path to the same page, which
// says that action was done.
func Done(path, action string) string {
	return root(path) + leaseLink(path) + "?done=" + url.QueryEscape(action)
}
