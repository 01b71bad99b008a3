package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/internal/zktest/child"
	"leasehold.example/leasehold/zookeeper"
)

// A served is a "leasehold serve" that runs until the test ends.
type served struct {
	url     string
	process *child.Process
}

// startServe starts it for the store at addr.
func startServe(t *testing.T, addr string, flags ...string) *served {
	t.Helper()
	cmd := exec.Command("leasehold", append([]string{"serve", "--store", "zk://" + addr, "--listen", "127.0.0.1:0"}, flags...)...)
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=10") // else the race detector adds a second
	said, stderr, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = stderr
	s := &served{}
	if s.process, err = child.Start(cmd); err != nil {
		t.Fatal(err)
	}
	stderr.Close()
	found, done := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(done)
		for lines := bufio.NewScanner(said); lines.Scan(); {
			t.Log(lines.Text())
			if m := regexp.MustCompile(`serving (http.*)/$`).FindStringSubmatch(lines.Text()); m != nil {
				found <- m[1]
			}
		}
	}()
	t.Cleanup(func() {
		s.process.Kill()
		<-done
		said.Close()
	})
	select {
	case s.url = <-found:
	case <-time.After(patience):
		t.Fatal("got no line that says where it serves")
	}
	return s
}

// request returns the status and the body of an answer; form is sent, unless it is nil.
func (s *served) request(t *testing.T, path string, form url.Values) (int, string) {
	t.Helper()
	client := http.Client{Timeout: patience}
	defer client.CloseIdleConnections()
	var resp *http.Response
	var err error
	if form == nil {
		resp, err = client.Get(s.url + path)
	} else {
		resp, err = client.PostForm(s.url+path, form)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// awaitReady waits until /readyz has that status, and returns what it says.
func (s *served) awaitReady(t *testing.T, status int) string {
	t.Helper()
	for start := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		got, body := s.request(t, "/readyz", nil)
		if got == status {
			return body
		}
		if time.Since(start) > patience {
			t.Fatalf("got status %d (%s), want %d", got, body, status)
		}
	}
}

// events returns a channel of the data of the events of that name, "" for those
// without one, until the test ends.
func (s *served) events(t *testing.T, name string) <-chan string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/api/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	found := make(chan string, 1000)
	go func() {
		current := ""
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			if value, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
				current = value
			}
			if value, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				if current == name {
					found <- value
				}
				current = ""
			}
		}
	}()
	return found
}

func receive(t *testing.T, events <-chan string, what, part string) string {
	t.Helper()
	limit := time.After(patience)
	for {
		select {
		case e := <-events:
			if strings.Contains(e, part) {
				return e
			}
		case <-limit:
			t.Fatalf("got no event, want %s", what)
		}
	}
}

func client(t *testing.T, addr string) *leasehold.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	store, err := zookeeper.Open(ctx, "zk://"+addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return &leasehold.Client{Store: store, Holder: "host-a"}
}

// TestServeLive: another process takes a lease, and within 2 seconds the events, the
// API, the page and the metrics tell it. A signal ends it with exit code 0.
func TestServeLive(t *testing.T) {
	t.Parallel()
	addr := zktest.Start(t).Addr()
	s := startServe(t, addr)
	s.awaitReady(t, http.StatusOK)
	leases := s.events(t, "lease")
	receive(t, s.events(t, ""), "the state", `"version"`)

	cmd := exec.Command("leasehold", "acquire", "--store", "zk://"+addr, "--holder", "host-b", "-d", "1h", "/db/x")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	taken := time.Now()
	receive(t, leases, "the lease", `"holder":"host-b"`)
	if took := time.Since(taken); took > 2*time.Second {
		t.Errorf("got the event after %v, want at most 2s", took)
	}
	for path, part := range map[string]string{
		"/api/v1/leases/db/x": `"state":"held"`,
		"/lease/db/x":         "host-b",
		"/":                   "lease/db/x",
		"/metrics":            `leasehold_lease_info{path="/db/x",holder="host-b"} 1`,
	} {
		if status, body := s.request(t, path, nil); status != http.StatusOK || !strings.Contains(body, part) {
			t.Errorf("%s: got status %d and %s, want %s", path, status, body, part)
		}
	}
	if err := syscall.Kill(s.process.Pid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := s.process.Err(); err != nil {
		t.Errorf("got %v after SIGTERM, want exit code 0", err)
	}
}

// TestServeStoreAway: it starts without the store, says since when it does not know
// what is there, and catches up.
func TestServeStoreAway(t *testing.T) {
	t.Parallel()
	server := zktest.Start(t)
	c := client(t, server.Addr())
	ctx := context.Background()
	if _, err := c.TryAcquire(ctx, "/first", time.Hour); err != nil {
		t.Fatal(err)
	}
	server.Kill()
	s := startServe(t, server.Addr(), "--timeout", "1s")
	if body := s.awaitReady(t, http.StatusServiceUnavailable); !strings.Contains(body, "the state of the store is not known since") {
		t.Errorf("got %s, want since when it is not known", body)
	}
	if status, _ := s.request(t, "/healthz", nil); status != http.StatusOK {
		t.Errorf("got status %d of /healthz, want 200", status)
	}
	server.Restart(t)
	s.awaitReady(t, http.StatusOK)
	if status, body := s.request(t, "/api/v1/leases/first", nil); status != http.StatusOK {
		t.Errorf("got status %d and %s, want the lease", status, body)
	}

	states := s.events(t, "")
	killed := time.Now()
	server.Kill()
	e := receive(t, states, "that it is not known", `"unknown_since"`)
	var state struct {
		Since time.Time `json:"unknown_since"`
	}
	if err := json.Unmarshal([]byte(e), &state); err != nil || state.Since.Before(killed.Add(-3*time.Second)) || state.Since.After(time.Now()) {
		t.Errorf("got %s (%v), want a time near %s", e, err, killed)
	}
	if status, body := s.request(t, "/metrics", nil); status != http.StatusOK || !strings.Contains(body, "leasehold_store_up 0") {
		t.Errorf("got status %d and %s, want leasehold_store_up 0", status, body)
	}
	server.Restart(t)
	if _, err := c.TryAcquire(ctx, "/second", time.Hour); err != nil {
		t.Fatal(err)
	}
	for start := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		if status, _ := s.request(t, "/api/v1/leases/second", nil); status == http.StatusOK {
			break
		}
		if time.Since(start) > patience {
			t.Fatal("got no lease /second, want it")
		}
	}
}

// TestServeWrite: what curl asks for is done, and stands in the run log.
func TestServeWrite(t *testing.T) {
	t.Parallel()
	addr := zktest.Start(t).Addr()
	c := client(t, addr)
	ctx := context.Background()
	lease, err := c.TryAcquire(ctx, "/db/x", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	s := startServe(t, addr, "--allow-write")
	s.awaitReady(t, http.StatusOK)
	ask := func(status int, fields ...string) string {
		t.Helper()
		form := url.Values{}
		for _, f := range fields {
			name, value, _ := strings.Cut(f, "=")
			form.Set(name, value)
		}
		got, body := s.request(t, "/api/v1/leases/db/x", form)
		if got != status {
			t.Errorf("%q: got status %d and %s, want %d", fields, got, body, status)
		}
		return body
	}
	ask(http.StatusConflict, "action=release", fmt.Sprint("token=", lease.Token()+1), "reason=a test")
	ask(http.StatusConflict, "action=again", "reason=nothing to run")
	ask(http.StatusOK, "action=pause", "reason=a migration")
	ask(http.StatusOK, "action=resume", "reason=it is over")
	if body := ask(http.StatusOK, "action=release", fmt.Sprint("token=", lease.Token()), "reason=its host is dead"); !strings.Contains(body, `"state":"free"`) {
		t.Errorf("got %s, want a free lease", body)
	}

	run := exec.Command("leasehold", "run", "-q", "--store", "zk://"+addr, "--schedule", "0 0 1 1 *", "--timezone", "UTC", "--since", "2000-01-01T00:00:00Z", "/db/x", "--", "true")
	if out, err := run.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	ask(http.StatusOK, "action=again", "reason=wrong input")
	log, err := c.Runs(ctx, "/db/x")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range log.Runs {
		got = append(got, string(r.Result)+" "+r.Reason)
		if !r.IsAttempt() && r.Holder != whoAsks() {
			t.Errorf("got %s by %q, want by %q", r.Result, r.Holder, whoAsks())
		}
	}
	if want := "reopened wrong input, success , resumed it is over, paused a migration"; strings.Join(got, ", ") != want {
		t.Errorf("got %q in the run log, want %s", got, want)
	}
}

// TestServeTLS: it has TLS of its own.
func TestServeTLS(t *testing.T) {
	t.Parallel()
	authority, err := zktest.NewAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := authority.Issue("page", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(authority.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	s := startServe(t, zktest.Start(t).Addr(), "--serve-tls-cert", pair.CertFile, "--serve-tls-key", pair.KeyFile)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/api/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := resp.Body.Read(make([]byte, 1)); err != nil || resp.ProtoMajor != 2 || !strings.HasPrefix(s.url, "https://") {
		t.Errorf("got HTTP %s at %s and %v, want events by HTTP 2 and TLS", resp.Proto, s.url, err)
	}
}

// TestServedCertificate: what is in the files counts after a while.
func TestServedCertificate(t *testing.T) {
	t.Parallel()
	authority, err := zktest.NewAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var warnings []string
	served := &servedCertificate{warn: func(format string, args ...any) { warnings = append(warnings, fmt.Sprintf(format, args...)) }}
	var former *tls.Certificate
	for range 2 {
		pair, err := authority.Issue("page", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		served.cert, served.key = setting{value: pair.CertFile}, setting{value: pair.KeyFile}
		served.read = served.read.Add(-2 * certificateTime)
		got, err := served.get(nil)
		if err != nil || former != nil && bytes.Equal(former.Certificate[0], got.Certificate[0]) {
			t.Fatalf("got the former certificate (%v), want the one that is in the file", err)
		}
		former = got
	}
	if err := os.WriteFile(served.cert.value, []byte("half of"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		served.read = served.read.Add(-2 * certificateTime)
		if got, err := served.get(nil); err != nil || got != former {
			t.Errorf("got %v, want the one that could be read last", err)
		}
	}
	if len(warnings) != 1 || !strings.Contains(warnings[0], served.cert.value) {
		t.Errorf("got the warnings %q, want one that names the file", warnings)
	}
}
