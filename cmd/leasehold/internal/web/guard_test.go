package web_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"leasehold.example/leasehold/cmd/leasehold/internal/web"
)

func TestHosts(t *testing.T) {
	t.Parallel()
	s := serve(t, func(s *web.Server) {
		s.Hosts = web.AllowedHosts(&net.TCPAddr{IP: net.IPv4(10, 0, 0, 5), Port: 80}, []string{"Leases.example", "other.example:8443"})
	})
	for host, status := range map[string]int{
		"localhost":            http.StatusOK,
		"LOCALHOST:80":         http.StatusOK,
		"127.0.0.1":            http.StatusOK,
		"127.0.0.1:80":         http.StatusOK,
		"[::1]":                http.StatusOK,
		"[::1]:80":             http.StatusOK,
		"10.0.0.5:80":          http.StatusOK,
		"leases.example":       http.StatusOK,
		"leases.example:80":    http.StatusOK,
		"other.example:8443":   http.StatusOK,
		"other.example":        http.StatusMisdirectedRequest,
		"127.0.0.1:81":         http.StatusMisdirectedRequest,
		"127.0.0.1:80.evil":    http.StatusMisdirectedRequest,
		"localhost.evil":       http.StatusMisdirectedRequest,
		"evil.leases.example":  http.StatusMisdirectedRequest,
		"leases.example.":      http.StatusMisdirectedRequest,
		"leases.example:":      http.StatusMisdirectedRequest,
		"leases.example.evil":  http.StatusMisdirectedRequest,
		"evil@localhost":       http.StatusMisdirectedRequest,
		"127.0.0.1,evil:80":    http.StatusMisdirectedRequest,
		"169.254.169.254":      http.StatusMisdirectedRequest,
		"xn--leases-x.example": http.StatusMisdirectedRequest,
	} {
		for _, path := range []string{"/healthz", "/metrics", "/api/v1/leases"} {
			got := s.do(t, http.MethodGet, path, nil, func(r *http.Request) { r.Host = host })
			want(t, host+path, got.status, status)
		}
	}
}

// TestGeneralOptions: the server itself answers nothing that a Guard does not let through.
func TestGeneralOptions(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	c := s.dial(t, "OPTIONS * HTTP/1.1\r\nHost: evil\r\n\r\n")
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	want(t, "status", strings.TrimSpace(line), "HTTP/1.1 421 Misdirected Request")
}

// TestHeaders: every answer has them, whatever its status.
func TestHeaders(t *testing.T) {
	t.Parallel()
	s := serve(t, nil, held("/a", "host-a"))
	for _, path := range []string{"/healthz", "/metrics", "/api/v1/leases", "/api/v1/leases/none", "/none", "//none"} {
		h := s.get(t, path).header
		for name, value := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
			"X-Content-Type-Options":  "nosniff",
			"Referrer-Policy":         "same-origin",
			"Cache-Control":           "no-store",
		} {
			want(t, path+" "+name, h.Get(name), value)
		}
	}
}

// TestReadOnly: without Client nothing but GET and HEAD is answered.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	s := serve(t, nil, held("/a", "host-a"))
	for _, path := range []string{"/healthz", "/readyz", "/metrics", "/api/v1/leases", "/api/v1/leases/a", "/api/v1/runs", "/api/v1/events"} {
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodOptions, "RELEASE"} {
			want(t, method+" "+path, s.do(t, method, path, nil, nil).status, http.StatusMethodNotAllowed)
		}
		want(t, "HEAD "+path, s.do(t, http.MethodHead, path, nil, nil).body, "")
	}
	want(t, "Allow", s.do(t, http.MethodPost, "/api/v1/leases/a", nil, nil).header.Get("Allow"), "GET, HEAD")
}

func TestProxies(t *testing.T) {
	t.Parallel()
	s := serve(t, func(s *web.Server) { s.Proxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} })
	want(t, "from elsewhere", s.get(t, "/api/v1/leases").status, http.StatusForbidden)
	forged := s.do(t, http.MethodGet, "/", nil, func(r *http.Request) { r.Header.Set("X-Forwarded-For", "10.0.0.1") })
	want(t, "forged", forged.status, http.StatusForbidden)
	s = serve(t, func(s *web.Server) {
		s.Proxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("127.0.0.1/32")}
	})
	want(t, "from the proxy", s.get(t, "/api/v1/leases").status, http.StatusOK)
}

// TestCrossOrigin: a page of another site can't change anything by a browser.
func TestCrossOrigin(t *testing.T) {
	t.Parallel()
	s := serve(t, writing(t, nil), held("/a", "host-a"))
	for _, test := range []struct {
		header, value string
		allowed       bool
	}{
		{"Sec-Fetch-Site", "cross-site", false},
		{"Sec-Fetch-Site", "same-site", false},
		{"Sec-Fetch-Site", "same-origin", true},
		{"Sec-Fetch-Site", "none", true},
		{"Origin", "https://evil.example", false},
		{"Origin", "null", false},
		{"Origin", s.url, true},
		{"User-Agent", "curl", true},
	} {
		form := url.Values{"action": {"pause"}, "reason": {"a test"}}
		got := s.do(t, http.MethodPost, "/api/v1/leases/a", form, func(r *http.Request) { r.Header.Set(test.header, test.value) })
		status := http.StatusForbidden
		if test.allowed {
			status = http.StatusOK
		}
		want(t, test.header+": "+test.value, got.status, status)
	}
}

// TestBigHeader: a header that is larger than any of use is refused, and the longest
// path that a lease can have is not.
func TestBigHeader(t *testing.T) {
	t.Parallel()
	long := "/" + strings.Repeat("ü", (16<<10-1)/2)
	s := serve(t, nil, held(long, "host-a"))
	want(t, "the longest path", s.get(t, "/api/v1/leases/"+url.PathEscape(long[1:])).status, http.StatusOK)
	got := s.do(t, http.MethodGet, "/healthz", nil, func(r *http.Request) { r.Header.Set("X-Big", strings.Repeat("x", 1<<20)) })
	want(t, "a megabyte", got.status, http.StatusRequestHeaderFieldsTooLarge)
}

// dial opens a connection and sends text.
func (s *site) dial(t *testing.T, text string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestSlowClient: who does not send a request in time is cut off.
func TestSlowClient(t *testing.T) {
	t.Parallel()
	s := serve(t, func(s *web.Server) { s.SetLimits(10, 10, 50*time.Millisecond) })
	c := s.dial(t, "GET / HTTP/1.1\r\nHost:")
	if got, err := io.ReadAll(c); err != nil || len(got) > 0 {
		t.Errorf("got %q and %v, want the end of the connection", got, err)
	}
}

// TestManyConnections: who is one too many is told so, and beyond twice as many
// connections are closed at once.
func TestManyConnections(t *testing.T) {
	t.Parallel()
	s := serve(t, func(s *web.Server) { s.SetLimits(2, 10, time.Hour) })
	const request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
	ask := func(c net.Conn) string {
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			return "closed"
		}
		defer resp.Body.Close()
		return fmt.Sprint(resp.StatusCode, " close ", resp.Close)
	}
	first, second := s.dial(t, request), s.dial(t, request)
	want(t, "the first", ask(first), "200 close false")
	want(t, "the second", ask(second), "200 close false")
	want(t, "one too many", ask(s.dial(t, request)), "503 close true")
	silent := []net.Conn{s.dial(t, ""), s.dial(t, "")}
	eventually(t, "connection that is closed at once", func() bool { return ask(s.dial(t, request)) == "closed" })
	for _, c := range append(silent, first, second) {
		c.Close()
	}
	eventually(t, "answer when those are gone", func() bool { return ask(s.dial(t, request)) == "200 close false" })
}
