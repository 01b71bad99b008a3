package views

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// A Kind is what Values are about.
type Kind string

const (
	Tick    Kind = "newest tick" // with its outcome
	Problem Kind = "problem"
)

// A View is what one source has said of jobs, by their paths.
type View struct {
	Source string
	Kind   Kind
	Known  bool // else the source says that it is not up to date
	Values map[string]string
}

// A Site is a running "leasehold serve".
type Site struct{ URL string }

var client = http.Client{Timeout: 10 * time.Second}

// unknownHeader is that of answers that are not up to date.
const unknownHeader = "Leasehold-Unknown-Since"

func (s *Site) get(path string) (body []byte, known bool, err error) {
	r, err := client.Get(s.URL + path)
	if err != nil {
		return nil, false, err
	}
	defer r.Body.Close()
	body, err = io.ReadAll(r.Body)
	known = r.Header.Get(unknownHeader) == "" && r.StatusCode != http.StatusServiceUnavailable
	if err == nil && known && r.StatusCode != http.StatusOK {
		err = fmt.Errorf("got %s for %s: %s", r.Status, path, body)
	}
	return body, known, err
}

// Leases asks the API.
func (s *Site) Leases() (View, error) {
	body, known, err := s.get("api/v1/leases?limit=10000")
	v := Statuses(body)
	v.Source, v.Known = "api", known
	return v, err
}

// Runs returns what the API has of the runs at path. Where there is no lease yet,
// that is nothing.
func (s *Site) Runs(path string) (runs string, known bool, err error) {
	body, known, err := s.get("api/v1/runs?path=" + url.QueryEscape(path))
	if err != nil && strings.Contains(err.Error(), "no lease at") {
		return "", known, nil
	}
	return string(body), known, err
}

var (
	rows        = regexp.MustCompile(`(?s)<tr id="lease(/[^"]+)".*?</tr>`)
	problemWord = regexp.MustCompile(`<strong class="[a-z]*">([a-z ]+)</strong>`)
	staleStatus = `id="status" role="status" class="stale"`
	nextPage    = `rel="next"`
)

// Problems reads all pages of the fleet. A job that moves from one page to another
// meanwhile may be missing.
func (s *Site) Problems() (View, error) {
	v := View{Source: "page", Kind: Problem, Known: true, Values: map[string]string{}}
	for n := 1; ; n++ {
		body, known, err := s.get(fmt.Sprintf("?page=%d", n))
		if err != nil {
			return v, err
		}
		v.Known = v.Known && known && !bytes.Contains(body, []byte(staleStatus))
		for _, row := range rows.FindAllSubmatch(body, -1) {
			word := ""
			if m := problemWord.FindSubmatch(row[0]); m != nil {
				word = string(m[1])
			}
			v.Values[string(row[1])] = word
		}
		if !bytes.Contains(body, []byte(nextPage)) {
			return v, nil
		}
	}
}

var (
	allSeries      = regexp.MustCompile(`(?m)^leasehold_run_active\{path="([^"]+)"`)
	problemsSeries = regexp.MustCompile(`(?m)^leasehold_job_problem\{path="([^"]+)",(?:slot="[^"]*",)?problem="([^"]+)"\}`)
)

// Metrics reads what is wrong from the metrics.
func (s *Site) Metrics() (View, error) {
	body, _, err := s.get("metrics")
	v := View{Source: "metrics", Kind: Problem, Known: bytes.Contains(body, []byte("\nleasehold_store_up 1\n")), Values: map[string]string{}}
	for _, m := range allSeries.FindAllSubmatch(body, -1) {
		v.Values[string(m[1])] = ""
	}
	for _, m := range problemsSeries.FindAllSubmatch(body, -1) {
		v.Values[string(m[1])] = string(m[2])
	}
	return v, err
}

// Statuses reads what "leasehold status --json" has printed.
func Statuses(out []byte) View {
	v := View{Source: "status", Kind: Tick, Known: true, Values: map[string]string{}}
	lines := json.NewDecoder(bytes.NewReader(out))
	for lines.More() {
		var line struct {
			Path    string
			Tick    string `json:"newest_tick"`
			Outcome string `json:"newest_tick_outcome"`
		}
		if lines.Decode(&line) != nil {
			v.Known = false
			return v
		}
		v.Values[line.Path] = strings.TrimSpace(line.Tick + " " + line.Outcome)
	}
	return v
}

// Checks reads what "leasehold check --json" has printed. It is not known where the
// store could not be read.
func Checks(out []byte) View {
	v := View{Source: "check", Kind: Problem, Known: true, Values: map[string]string{}}
	lines := json.NewDecoder(bytes.NewReader(out))
	for lines.More() {
		var line struct{ Path, Problem string }
		if lines.Decode(&line) != nil || line.Problem == "unreadable" {
			v.Known = false
			return v
		}
		if line.Problem == "no log" { // the page does not call that a problem
			line.Problem = ""
		}
		v.Values[line.Path] = line.Problem
	}
	return v
}
