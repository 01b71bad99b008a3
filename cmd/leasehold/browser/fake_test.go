package browser

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/jobs"
	"leasehold.example/leasehold/cmd/leasehold/internal/page"
	"leasehold.example/leasehold/runlog"
)

// policy is the content security policy of "leasehold serve".
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'"

// noon is when the pages of a fake are made.
var noon = time.Date(2026, 11, 25, 12, 20, 42, 0, time.UTC)

// A fake serves made-up jobs, below a path as a proxy may.
type fake struct {
	*httptest.Server
	t     testing.TB
	pages page.Pages

	mu   sync.Mutex
	jobs []*jobs.Job
	view page.View
	sent []string // the forms
	now  func() time.Time

	rest chan struct{} // closed when pages may go on after their first part; nil for always

	mute   bool // no event is sent, though the connection stays
	broken bool // no page is served
	gone   bool // nothing is served

	listeners   int // to events
	connections int // for events, until now
}

const below = "/ops/leases/"

func newFake(t testing.TB, all ...*jobs.Job) *fake {
	t.Helper()
	f := &fake{t: t, jobs: all, view: page.View{Prefix: "/", Now: noon, Policy: jobs.Policy{Grace: jobs.DefaultGrace}, Version: "0", AllowWrite: true, User: "ann"}, now: func() time.Time { return noon }}
	f.sort()
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+below+"{$}", func(w http.ResponseWriter, r *http.Request) {
		f.begin()
		fleet := page.Fleet{View: f.view, Jobs: slices.Clone(f.jobs), Query: r.URL.Query()}
		f.mu.Unlock()
		if f.rest != nil {
			w = &inParts{ResponseWriter: w, rest: f.rest}
		}
		f.pages.Fleet(w, fleet)
	})
	mux.HandleFunc("GET "+below+"lease/{path...}", func(w http.ResponseWriter, r *http.Request) {
		f.begin()
		defer f.mu.Unlock()
		l := page.Lease{View: f.view, Jobs: f.jobs, Path: "/" + r.PathValue("path"), Query: r.URL.Query()}
		if i := slices.IndexFunc(f.jobs, func(j *jobs.Job) bool { return j.Path == l.Path }); i >= 0 {
			l.Job, l.Record = f.jobs[i], []byte(`{"version":"1","holder":"app-3","end":"2026-11-25T12:21:12+00:00"}`)
		}
		f.pages.Lease(w, l)
	})
	mux.HandleFunc("POST "+below+"lease/{path...}", func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		path := "/" + r.PathValue("path")
		f.sent = append(f.sent, fmt.Sprintf("%s %s %s %q", r.FormValue("action"), path, r.FormValue("token"), r.FormValue("reason")))
		w.Header().Set("Location", page.Done(path, r.FormValue("action")))
		w.WriteHeader(http.StatusSeeOther)
	})
	mux.Handle("GET "+below+"static/", http.StripPrefix(below+"static", page.Static()))
	mux.HandleFunc("GET "+below+"api/v1/events", f.events)
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		f.mu.Lock()
		gone := f.gone
		f.mu.Unlock()
		if gone {
			panic(http.ErrAbortHandler)
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(f.Close)
	t.Cleanup(f.CloseClientConnections)
	return f
}

// inParts sends the first part of a page, and waits before it sends the rest.
type inParts struct {
	http.ResponseWriter
	rest  chan struct{}
	begun bool
}

func (w *inParts) Write(b []byte) (int, error) {
	if w.begun {
		<-w.rest
	}
	w.begun = true
	return w.ResponseWriter.Write(b)
}

func (w *inParts) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// begin locks f to answer with a page.
func (f *fake) begin() {
	f.mu.Lock()
	f.view.Now = f.now()
	if f.broken {
		f.mu.Unlock()
		panic(http.ErrAbortHandler)
	}
}

func (f *fake) set(flag *bool, value bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	*flag = value
}

func (f *fake) listening() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.listeners
}

func (f *fake) connected() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.connections
}

func (f *fake) token(path string) int64 {
	return f.jobs[slices.IndexFunc(f.jobs, func(j *jobs.Job) bool { return j.Path == path })].Token
}

func (f *fake) wantHeard(want ...string) {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.Equal(f.sent, want) {
		f.t.Errorf("got the forms %q, want %q", f.sent, want)
	}
}

func (f *fake) url(rest string) string { return f.URL + below + rest }

func (f *fake) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	listen := func(n int) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.listeners += n
	}
	listen(1)
	defer listen(-1)
	f.mu.Lock()
	f.connections++
	f.mu.Unlock()
	for {
		f.mu.Lock()
		event := map[string]string{"version": f.view.Version}
		if !f.view.UnknownSince.IsZero() {
			event["unknown_since"] = f.view.UnknownSince.Format(time.RFC3339)
		}
		mute := f.mute
		f.mu.Unlock()
		data, err := json.Marshal(event)
		if err != nil {
			panic(err)
		}
		if !mute {
			fmt.Fprintf(w, "data: %s\n\n", data)
			w.(http.Flusher).Flush()
		}
		select {
		case <-r.Context().Done():
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// change changes what is served.
func (f *fake) change(edit func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	edit()
	f.sort()
	f.view.Version += "1"
}

func (f *fake) sort() {
	slices.SortFunc(f.jobs, func(a, b *jobs.Job) int { return strings.Compare(a.Path, b.Path) })
}

// lease is a lease that is held for another half minute.
func lease(path, holder string) *jobs.Job {
	return &jobs.Job{Status: leasehold.Status{
		Path: path, Slot: -1, State: leasehold.Held, Holder: holder,
		Since: noon.Add(-30 * time.Minute), End: noon.Add(30 * time.Second), Token: 4711,
	}}
}

// job is a job of that schedule which has had these results: a letter for each tick,
// the newest last; s success, f failure, l lost, u unknown, m missed, r running.
func job(path, schedule, results string) *jobs.Job {
	j := lease(path, "app-1")
	j.Log.Head = runlog.Head{Schedule: schedule, Timezone: "Europe/Berlin", Since: noon.AddDate(0, -1, 0)}
	s, ok := j.Schedule()
	if !ok {
		panic("no schedule: " + schedule)
	}
	due, _ := s.Previous(noon)
	named := map[byte]runlog.Result{'s': runlog.Success, 'f': runlog.Failure, 'l': runlog.Lost, 'u': runlog.Unknown, 'r': runlog.Running}
	for i := len(results) - 1; i >= 0; i-- {
		if results[i] != 'm' {
			host := fmt.Sprint("app-", 1+(i*i+len(path))%4)
			r := runlog.Run{
				ID: fmt.Sprint(i), Tick: due, Attempt: 1, Holder: host, Host: host + ".example", Program: path[strings.LastIndexByte(path, '/')+1:],
				Started: due.Add(740 * time.Millisecond), Result: named[results[i]],
			}
			switch took := time.Duration(90+(i*37+len(path)*11)%160) * time.Second; r.Result {
			case runlog.Success:
				r.Ended = r.Started.Add(took)
				if j.Log.Head.LastSuccess.IsZero() {
					j.Log.Head.LastSuccess, j.Log.Head.LastSuccessEnd = due, r.Ended
				}
			case runlog.Failure:
				exit := 3
				r.Ended, r.Exit = r.Started.Add(took/4), &exit
			case runlog.Lost:
				r.Ended, r.Signal = r.Started.Add(took/2), "terminated"
			}
			if j.Log.Head.Tick.IsZero() { // the newest
				j.Log.Head.Tick, j.Log.Head.Attempts = due, 1
				j.Holder, j.Since, j.Token = host, r.Started, r.Started.Unix()%100_000
				if r.Result == runlog.Success {
					j.End, _ = s.Next(due)
					j.End = j.End.Add(-5 * time.Second)
				} else if r.Result != runlog.Running {
					free(j)
				}
			}
			j.Log.Runs = append(j.Log.Runs, r)
		}
		due, _ = s.Previous(due.Add(-time.Nanosecond))
	}
	return j
}

func free(j *jobs.Job) {
	j.State, j.Holder, j.Since, j.End, j.Token = leasehold.Free, "", time.Time{}, time.Time{}, 0
}

// someJobs is a fleet with all that a page shows.
func someJobs() []*jobs.Job {
	paused := job("/billing/dunning", "0 6 * * *", "ssssssssss")
	paused.Log.Head.Paused = &runlog.Note{By: "ann@ops-1", Since: noon.Add(-3 * time.Hour), Reason: "the templates are being rewritten"}
	paused.Log.Runs = append([]runlog.Run{{ID: "p", Holder: "ann@ops-1", Started: noon.Add(-3 * time.Hour), Result: runlog.Paused, Reason: "the templates are being rewritten"}}, paused.Log.Runs...)
	all := []*jobs.Job{
		paused,
		job("/billing/invoices", "0 2 * * *", "sssssssfssssssssslssssssssf"),
		job("/billing/export", "15 * * * *", "ssssssssssssssssssss"),
		job("/db/backup", "30 1 * * *", "sssssssssssssssssss"),
		job("/db/vacuum", "*/15 * * * *", "sssssfssssssusssssssmmsssssr"),
		job("/reports/weekly", "0 7 * * mon", "sssss"),
		job("/reports/hourly", "0 * * * *", "ssssssssssssssssssssm"),
		job("/mail/digest", "0 5 * * *", "ssssssssss"),
		job("/mail/queue", "* * * * *", strings.Repeat("s", 31)+"r"),
		lease("/services/scheduler", "app-2"),
		lease("/services/leader", "app-3"),
		{Status: leasehold.Status{Path: "/services/legacy", Slot: -1, State: leasehold.Unreadable, Reason: "the record is not JSON"}},
		{Status: leasehold.Status{Path: "/services/importer", Slot: -1, State: leasehold.Expired, Holder: "app-1", Since: noon.Add(-9 * time.Hour), End: noon.Add(-3 * time.Hour), Token: 12}},
	}
	for i := range 4 {
		l := lease(fmt.Sprintf("/workers/resize/%d", i), fmt.Sprint("app-", i))
		if i == 2 {
			free(l)
		}
		all = append(all, l)
	}
	return all
}
