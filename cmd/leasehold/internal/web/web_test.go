package web_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/board"
	"leasehold.example/leasehold/cmd/leasehold/internal/jobs"
	"leasehold.example/leasehold/cmd/leasehold/internal/web"
	"leasehold.example/leasehold/runlog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A picture is a Source whose snapshot tests set.
type picture struct {
	mu       sync.Mutex
	snapshot *board.Snapshot
	changed  chan struct{}
}

func (p *picture) Snapshot() (*board.Snapshot, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.snapshot, p.changed
}

func (p *picture) set(s board.Snapshot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.snapshot = &s
	close(p.changed)
	p.changed = make(chan struct{})
}

// known is a picture of jobs that is known.
func known(all ...*jobs.Job) board.Snapshot {
	return board.Snapshot{Jobs: boarded(all), Known: true, Changed: time.Now()}
}

func boarded(all []*jobs.Job) []*board.Job {
	var jobs []*board.Job
	for _, j := range all {
		jobs = append(jobs, &board.Job{Job: *j})
	}
	return jobs
}

func held(path, holder string) *jobs.Job {
	return &jobs.Job{Status: leasehold.Status{
		Path: path, Slot: -1, State: leasehold.Held, Holder: holder, End: time.Now().Add(time.Hour), Since: time.Now(), Token: 7,
	}}
}

// nightly is a job with a schedule that has succeeded once.
func nightly(path string) *jobs.Job {
	j := held(path, "host-a")
	tick := time.Now().UTC().Truncate(24 * time.Hour)
	end := tick.Add(time.Minute)
	zero := 0
	j.Log = runlog.Log{
		Head: runlog.Head{Schedule: "0 0 * * *", Timezone: "UTC", Since: tick.Add(-time.Hour), Tick: tick, Attempts: 1, Done: true, LastSuccess: tick, LastSuccessEnd: end},
		Runs: []runlog.Run{{ID: "1", Tick: tick, Attempt: 1, Holder: "host-a", Started: tick, Ended: end, Result: runlog.Success, Exit: &zero}},
	}
	return j
}

// A site is a Server that serves, and a client of it.
type site struct {
	*picture
	server *web.Server
	url    string
	addr   string
	client *http.Client
	stop   func()
}

// serve serves the jobs until the test ends. change, if it is not nil, changes the
// server before.
func serve(t *testing.T, change func(*web.Server), all ...*jobs.Job) *site {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &picture{changed: make(chan struct{})}
	p.set(known(all...))
	s := &web.Server{Source: p, Policy: jobs.Policy{Grace: jobs.DefaultGrace}, Prefix: "/", Version: "v1", Say: t.Logf, Timeout: patience}
	s.Hosts = web.AllowedHosts(l.Addr(), nil)
	if change != nil {
		change(s)
	}
	s.Init()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	transport := &http.Transport{}
	stop := sync.OnceFunc(func() {
		transport.CloseIdleConnections()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("got the error %v of Serve, want none", err)
		}
	})
	t.Cleanup(stop)
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &site{picture: p, server: s, url: "http://" + l.Addr().String(), addr: l.Addr().String(), client: client, stop: stop}
}

// An answer is one that was read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

// do sends a request. edit, if it is not nil, changes it before.
func (s *site) do(t *testing.T, method, path string, form url.Values, edit func(*http.Request)) answer {
	t.Helper()
	r, err := http.NewRequest(method, s.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if edit != nil {
		edit(r)
	}
	resp, err := s.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(body)}
}

func (s *site) get(t *testing.T, path string) answer {
	t.Helper()
	return s.do(t, http.MethodGet, path, nil, nil)
}

// An event is a server-sent event.
type event struct{ name, data string }

// listen returns a channel of the events that come until the test ends.
func (s *site) listen(t *testing.T) <-chan event { return s.listenTo(t, "/api/v1/events") }

func (s *site) listenTo(t *testing.T, path string) <-chan event {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := s.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if kind := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || kind != "text/event-stream" {
		t.Fatalf("got status %d and type %q, want 200 and text/event-stream", resp.StatusCode, kind)
	}
	events := make(chan event)
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(events)
		lines := bufio.NewScanner(resp.Body)
		lines.Buffer(nil, 16<<20)
		var e event
		for lines.Scan() {
			if line := lines.Text(); line != "" {
				name, value, _ := strings.Cut(line, ": ")
				switch name {
				case "event":
					e.name = value
				case "data":
					e.data = value
				}
				continue
			}
			select {
			case events <- e:
			case <-ctx.Done():
				return
			}
			e = event{}
		}
	})
	t.Cleanup(func() {
		cancel()
		resp.Body.Close()
		wg.Wait()
	})
	return events
}

const patience = 30 * time.Second

// await returns the first event that fits.
func await(t *testing.T, events <-chan event, what string, fits func(event) bool) event {
	t.Helper()
	limit := time.After(patience)
	for {
		select {
		case e, ok := <-events:
			if !ok {
				t.Fatalf("got the end of the events, want %s", what)
			}
			if fits(e) {
				return e
			}
		case <-limit:
			t.Fatalf("got no event, want %s", what)
		}
	}
}

// eventually waits until done says so.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for start := time.Now(); !done(); time.Sleep(time.Millisecond) {
		if time.Since(start) > patience {
			t.Fatalf("got no %s after %v", what, patience)
		}
	}
}

var errAway = errors.New("ZooKeeper at zk1: connection refused")

func away(all ...*jobs.Job) board.Snapshot {
	return board.Snapshot{Jobs: boarded(all), UnknownSince: time.Date(2026, 11, 25, 2, 0, 0, 0, time.UTC), Err: errAway, Changed: time.Now()}
}

func want[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func wantIn(t *testing.T, what, got, part string) {
	t.Helper()
	if !strings.Contains(got, part) {
		t.Errorf("%s: got %s, want %s in it", what, shorten(got), part)
	}
}

func shorten(s string) string {
	if len(s) > 1000 {
		return fmt.Sprintf("%s… (%d bytes)", s[:1000], len(s))
	}
	return s
}
