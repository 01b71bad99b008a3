// Package web serves what is known of the leases of a store over HTTP: pages for
// people, and an API, metrics and events for programs.
package web

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/board"
	"leasehold.example/leasehold/cmd/leasehold/internal/jobs"
	"leasehold.example/leasehold/cmd/leasehold/internal/page"
	"leasehold.example/leasehold/cmd/leasehold/internal/text"
)

// A Source has a live picture of leases: a [board.Board] is one.
type Source interface {
	// Snapshot returns the newest picture, and a channel that is closed when there is
	// another one.
	Snapshot() (*board.Snapshot, <-chan struct{})
}

// A Server answers requests about what Source knows.
type Server struct {
	Source
	Guard
	Policy  jobs.Policy                      // by which jobs are judged
	Prefix  string                           // of the leases, "/" for all
	Version string                           // of the program
	Say     func(format string, args ...any) // a line for who runs it
	TLS     *tls.Config                      // nil for HTTP

	// Client changes leases for those who ask; nil refuses them. It returns nil as
	// long as the store was never reached.
	Client  func() *leasehold.Client
	Timeout time.Duration // for a change

	// User is who changes leases, for their run logs. If UserHeader is set that header
	// of a request says it instead, and what has none is refused.
	User, UserHeader string

	started   time.Time
	limits    limits
	handler   http.Handler
	streams   context.Context // ends when no more events are to be sent
	listeners atomic.Int64    // to events
	scrapes   chan struct{}   // has an element for each that goes on
	pages     page.Pages
}

// Init makes s ready to serve.
func (s *Server) Init() {
	s.started, s.streams, s.scrapes = time.Now(), context.Background(), make(chan struct{}, maxScrapes)
	if s.limits == (limits{}) {
		s.limits = defaultLimits
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.serveFleetPage)
	mux.HandleFunc("GET /lease/{path...}", s.serveLeasePage)
	mux.HandleFunc("/lease", http.NotFound) // else the mux sends a redirect
	mux.Handle("GET /static/{name}", http.StripPrefix("/static/", page.Static()))
	mux.HandleFunc("GET /api/v1/leases", s.serveLeases)
	mux.HandleFunc("GET /api/v1/leases/{path...}", s.serveLease)
	mux.HandleFunc("GET /api/v1/runs", s.serveRuns)
	mux.HandleFunc("GET /api/v1/events", s.serveEvents)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "alive") })
	mux.HandleFunc("GET /readyz", s.serveReady)
	mux.HandleFunc("GET /metrics", s.serveMetrics)
	if s.Client != nil {
		mux.HandleFunc("POST /lease/{path...}", s.serveForm)
		mux.HandleFunc("POST /api/v1/leases/{path...}", s.serveWrite)
	}
	s.handler = s.protect(mux)
}

// picture returns the newest snapshot, and since when it is not known, zero while it
// is.
func (s *Server) picture() (*board.Snapshot, time.Time) {
	snapshot, _ := s.Snapshot()
	return snapshot, s.unknownSince(snapshot)
}

func (s *Server) unknownSince(snapshot *board.Snapshot) time.Time {
	switch {
	case snapshot.Known:
		return time.Time{}
	case snapshot.UnknownSince.IsZero():
		return s.started
	}
	return snapshot.UnknownSince
}

func (s *Server) serveReady(w http.ResponseWriter, _ *http.Request) {
	snapshot, since := s.picture()
	if since.IsZero() {
		fmt.Fprintln(w, "ready")
		return
	}
	http.Error(w, unknown(snapshot, since), http.StatusServiceUnavailable)
}

func unknown(snapshot *board.Snapshot, since time.Time) string {
	message := "the state of the store is not known since " + text.Time(since)
	if why := why(snapshot); why != "" {
		message += ": " + why
	}
	return message
}

// why says why snapshot is not known, "" if it is or nobody knows.
func why(snapshot *board.Snapshot) string {
	if snapshot.Err == nil {
		return ""
	}
	return text.Cut(text.Printable(snapshot.Err.Error()), text.Message)
}

// version is another one whenever a job is, also in another process.
func (s *Server) version(snapshot *board.Snapshot) string {
	return fmt.Sprintf("%x-%x", s.started.UnixNano(), snapshot.Changed.UnixNano())
}
