package web

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"leasehold.example/leasehold/cmd/leasehold/internal/board"
	"leasehold.example/leasehold/cmd/leasehold/internal/jobs"
	"leasehold.example/leasehold/cmd/leasehold/internal/page"
	"leasehold.example/leasehold/cmd/leasehold/internal/text"
)

const (
	asLines = "application/jsonl"
	asJSON  = "application/json"
)

// begin sets the headers of an answer. While the state of the store is not known,
// its status is 503, so that nobody takes what was known last for what is.
func (s *Server) begin(w http.ResponseWriter, kind string, since time.Time) {
	w.Header().Set("Content-Type", kind)
	if since.IsZero() {
		return
	}
	w.Header().Set("Leasehold-Unknown-Since", text.Time(since))
	w.WriteHeader(http.StatusServiceUnavailable)
}

// judgedAt returns the moment as of which jobs are described: what has happened since
// then is not known.
func judgedAt(unknownSince time.Time) time.Time {
	if unknownSince.IsZero() {
		return time.Now()
	}
	return unknownSince
}

// refuse answers with an error as JSON.
func refuse(w http.ResponseWriter, status int, format string, args ...any) {
	w.Header().Set("Content-Type", asJSON)
	w.WriteHeader(status)
	message := text.Cut(text.Printable(fmt.Sprintf(format, args...)), 2*text.Message)
	_ = json.NewEncoder(w).Encode(struct {
		Error string `json:"error"`
	}{message}) // whoever asked may have gone
}

const (
	defaultPage = 1000
	maxPage     = 10_000
)

func (s *Server) serveLeases(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	most := defaultPage
	if v := query.Get("limit"); v != "" {
		var err error
		if most, err = strconv.Atoi(v); err != nil || most < 1 || most > maxPage {
			refuse(w, http.StatusBadRequest, "limit is %q, want a number from 1 to %d", v, maxPage)
			return
		}
	}
	wanted := filter{text: strings.ToLower(query.Get("q")), state: query.Get("state"), policy: s.Policy}
	if !wanted.isValid() {
		refuse(w, http.StatusBadRequest, "state is %q, want one of %s", wanted.state, strings.Join(page.States, ", "))
		return
	}
	snapshot, since := s.picture()
	now := judgedAt(since)
	after := query.Get("after")
	var found []*board.Job
	for _, j := range snapshot.Jobs {
		if j.Path <= after || !wanted.matches(j.At(now), now) {
			continue
		}
		if len(found) == most {
			next := url.Values{"after": {found[most-1].Path}}
			for _, name := range []string{"q", "state", "limit"} {
				if v := query.Get(name); v != "" {
					next.Set(name, v)
				}
			}
			w.Header().Set("Link", "<?"+next.Encode()+`>; rel="next"`)
			break
		}
		found = append(found, j)
	}
	s.begin(w, asLines, since)
	b := bufio.NewWriter(w)
	defer b.Flush()
	for _, j := range found {
		if writeJob(b, j.At(now), now) != nil {
			return
		}
	}
}

func (s *Server) serveLease(w http.ResponseWriter, r *http.Request) {
	path := "/" + r.PathValue("path")
	snapshot, since := s.picture()
	j := snapshot.Job(path)
	switch {
	case j != nil:
		s.begin(w, asJSON, since)
		now := judgedAt(since)
		_ = writeJob(w, j.At(now), now) // whoever asked may have gone
	case !since.IsZero():
		refuse(w, http.StatusServiceUnavailable, "%s", unknown(snapshot, since))
	default:
		refuse(w, http.StatusNotFound, "no lease at %s", path)
	}
}

func (s *Server) serveRuns(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Query().Get("path")
	snapshot, since := s.picture()
	j := snapshot.Job(path)
	switch {
	case !strings.HasPrefix(path, "/"):
		refuse(w, http.StatusBadRequest, "want a path that begins with /, as in runs?path=/db/nightly")
	case j == nil && !since.IsZero():
		refuse(w, http.StatusServiceUnavailable, "%s", unknown(snapshot, since))
	case j == nil:
		refuse(w, http.StatusNotFound, "no lease at %s", path)
	case j.LogError != nil:
		refuse(w, http.StatusBadGateway, "%v", j.LogError)
	default:
		lines, err := jobs.RunsJSON(path, j.Whole().Log)
		if err != nil {
			refuse(w, http.StatusInternalServerError, "%v", err)
			return
		}
		s.begin(w, asLines, since)
		_, _ = w.Write(lines) // whoever asked may have gone
	}
}
