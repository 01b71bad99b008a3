package web_test

import (
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"leasehold.example/leasehold/cmd/leasehold/internal/jobs"
	"leasehold.example/leasehold/cmd/leasehold/internal/web"
)

type state struct {
	Version      string
	UnknownSince string `json:"unknown_since"`
}

func stateIn(t *testing.T, e event) (s state) {
	t.Helper()
	if err := json.Unmarshal([]byte(e.data), &s); err != nil {
		t.Fatalf("%q: %v", e.data, err)
	}
	return s
}

func isState(e event) bool { return e.name == "" }

func TestEvents(t *testing.T) {
	t.Parallel()
	a, b, c := held("/a", "host-a"), held("/b", "host-a"), held("/c", "host-a")
	s := serve(t, nil, a, c)
	events := s.listen(t)
	first := stateIn(t, await(t, events, "the state", isState))
	want(t, "unknown since", first.UnknownSince, "")
	want(t, "still the same", stateIn(t, await(t, events, "the state each second", isState)), first)

	changed := held("/c", "host-c")
	s.set(known(b, changed))
	for _, wanted := range []event{{"gone", `{"path":"/a"}`}, {"lease", lineOf(t, b)}, {"lease", lineOf(t, changed)}} {
		got := await(t, events, wanted.data, func(e event) bool { return e.name != "" })
		want(t, "name", got.name, wanted.name)
		want(t, "path", paths(t, got.data), paths(t, wanted.data))
	}
	if second := stateIn(t, await(t, events, "another version", isState)); second.Version == first.Version {
		t.Errorf("got the version %s again, want another one", first.Version)
	}

	s.set(away(b, changed))
	e := await(t, events, "that it is not known", func(e event) bool { return isState(e) && stateIn(t, e).UnknownSince != "" })
	want(t, "unknown since", stateIn(t, e).UnknownSince, "2026-11-25T02:00:00Z")
	s.set(known(b, changed))
	await(t, events, "that it is known again", func(e event) bool { return isState(e) && stateIn(t, e).UnknownSince == "" })
}

func TestEventsOfTheStateAlone(t *testing.T) {
	t.Parallel()
	s := serve(t, nil, held("/a", "host-a"))
	events := s.listenTo(t, "/api/v1/events?only=state")
	first := stateIn(t, await(t, events, "the state", isState))
	s.set(known(held("/a", "host-b")))
	for second := first; second.Version == first.Version; {
		e := await(t, events, "another version", func(event) bool { return true })
		want(t, "name", e.name, "")
		second = stateIn(t, e)
	}
}

func lineOf(t *testing.T, j *jobs.Job) string {
	t.Helper()
	line, err := jobs.JSON([]jobs.Job{*j}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return string(line)
}

// TestManyListeners: one too many is told so, and has its place once another has gone.
func TestManyListeners(t *testing.T) {
	t.Parallel()
	s := serve(t, func(s *web.Server) { s.SetLimits(100, 1, time.Minute) })
	c := s.dial(t, "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	got := s.get(t, "/api/v1/events")
	want(t, "one too many", got.status, http.StatusServiceUnavailable)
	want(t, "body", got.body, "{\"error\":\"too many clients listen to events\"}\n")
	c.Close()
	eventually(t, "place when the other has gone", func() bool {
		return s.do(t, http.MethodHead, "/api/v1/events", nil, nil).status == http.StatusOK
	})
}

// TestListenerOutlivesLimits: the time limits of a request are not those of a listener.
func TestListenerOutlivesLimits(t *testing.T) {
	t.Parallel()
	s := serve(t, func(s *web.Server) { s.SetAnswerTime(500 * time.Millisecond) })
	events := s.listen(t)
	for range 4 { // seconds
		await(t, events, "the state", isState)
	}
}

// TestSlowListener: who does not read what is sent is cut off.
func TestSlowListener(t *testing.T) {
	t.Parallel()
	s := serve(t, func(s *web.Server) { s.SetAnswerTime(100 * time.Millisecond) })
	c := s.dial(t, "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
	if err := c.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	eventually(t, "listener", func() bool { return s.server.Listeners() == 1 })
	eventually(t, "end of the listener, with all buffers full", func() bool {
		s.set(known(held("/a", strings.Repeat("x", 1<<20))))
		return s.server.Listeners() == 0
	})
}

// TestShutdown: listeners don't keep the server from its end.
func TestShutdown(t *testing.T) {
	t.Parallel()
	s := serve(t, nil, held("/a", "host-a"))
	events := s.listen(t)
	await(t, events, "the state", isState)
	began := time.Now()
	s.stop()
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("got %v until the end, want no wait for listeners", took)
	}
	for range events { // until the end of the stream
	}
}
