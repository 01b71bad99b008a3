package web

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"leasehold.example/leasehold/cmd/leasehold/internal/board"
	"leasehold.example/leasehold/cmd/leasehold/internal/jobs"
	"leasehold.example/leasehold/cmd/leasehold/internal/page"
)

// view returns what every page shows.
func (s *Server) view(r *http.Request, snapshot *board.Snapshot) page.View {
	v := page.View{
		Prefix: s.Prefix, Now: time.Now(), Policy: s.Policy, Version: s.version(snapshot),
		UnknownSince: s.unknownSince(snapshot), Why: why(snapshot),
		AllowWrite: s.Client != nil,
	}
	if v.AllowWrite {
		v.User, _ = s.userOf(r) // what nobody asks for is refused when it is tried
	}
	return v
}

func all(snapshot *board.Snapshot) []*jobs.Job {
	all := make([]*jobs.Job, len(snapshot.Jobs))
	for i, j := range snapshot.Jobs {
		all[i] = &j.Job
	}
	return all
}

func (s *Server) serveFleetPage(w http.ResponseWriter, r *http.Request) {
	snapshot, _ := s.Snapshot()
	s.pages.Fleet(w, page.Fleet{View: s.view(r, snapshot), Jobs: all(snapshot), Query: r.URL.Query()})
}

func (s *Server) serveLeasePage(w http.ResponseWriter, r *http.Request) {
	if isMisleading(r.URL) {
		http.NotFound(w, r)
		return
	}
	s.pages.Lease(w, s.leasePage(r))
}

// isMisleading reports whether relative links lead elsewhere from there: a browser does
// not see an escaped slash, and the page's links count it.
func isMisleading(u *url.URL) bool {
	return strings.Count(u.Path, "/") != strings.Count(u.EscapedPath(), "/")
}

func (s *Server) leasePage(r *http.Request) page.Lease {
	snapshot, _ := s.Snapshot()
	path := "/" + r.PathValue("path")
	l := page.Lease{View: s.view(r, snapshot), Path: path, Jobs: all(snapshot), Query: r.URL.Query()}
	if j := snapshot.Job(path); j != nil {
		whole := j.Whole()
		l.Job, l.Record = &whole, j.Record
	}
	return l
}

// serveForm changes a lease for a person, who is shown its page afterwards.
func (s *Server) serveForm(w http.ResponseWriter, r *http.Request) {
	if isMisleading(r.URL) {
		http.NotFound(w, r)
		return
	}
	ctx, cancel := s.writeContext(r)
	defer cancel()
	path := "/" + r.PathValue("path")
	snapshot, _ := s.Snapshot()
	err := s.write(ctx, w, r, path)
	switch status := statusOf(err); {
	case err == nil:
		s.awaitChange(snapshot, path)
		w.Header().Set("Location", page.Done(path, r.PostForm.Get("action"))) // http.Redirect would make it absolute
		w.WriteHeader(http.StatusSeeOther)
	case status == http.StatusForbidden:
		s.pages.Error(w, page.Error{
			View: s.view(r, snapshot), Root: strings.Repeat("../", strings.Count(path, "/")),
			Status: status, Title: "Not allowed", Message: err.Error(),
		})
	default:
		l := s.leasePage(r)
		l.Failure, l.Reason = err.Error(), r.PostForm.Get("reason")
		l.Query = url.Values{"confirm": {r.PostForm.Get("action")}}
		s.pages.Lease(w, l)
	}
}

// awaitChange waits, but not for long, until the job at path is another one than in
// former: a person wants to see what was done.
func (s *Server) awaitChange(former *board.Snapshot, path string) {
	limit := time.After(changeTime)
	for {
		snapshot, changed := s.Snapshot()
		if snapshot.Job(path) != former.Job(path) {
			return
		}
		select {
		case <-changed:
		case <-limit: // nothing was to be changed, or the store does not tell yet
			return
		}
	}
}

const changeTime = time.Second
