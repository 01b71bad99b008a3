package web

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"path"
	"slices"
	"strings"

	"leasehold.example/leasehold/cmd/leasehold/internal/text"
)

// policy lets a browser load, run and send nothing but what is this server's own.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// A Guard says which requests are answered.
type Guard struct {
	// Hosts are the values of the header Host that are served, in lower case.
	// A page of another site can have its own name lead to this server, and what it
	// then reads is this server's to a browser, but for the name.
	Hosts []string

	// Proxies are the networks that requests may come from; nil for any.
	Proxies []netip.Prefix
}

// protect lets only such requests through to next as g and the rules of browsers
// allow, and sets the headers of every answer.
func (g Guard) protect(next http.Handler) http.Handler {
	sameOrigin := http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		// With no-referrer a browser's form sends "Origin: null", which is no origin.
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		switch {
		case isCrowded(r.Context()):
			h.Set("Connection", "close")
			h.Set("Retry-After", "5")
			http.Error(w, "too many connections", http.StatusServiceUnavailable)
		case !g.isProxy(r.RemoteAddr):
			http.Error(w, "requests are taken from the trusted proxy alone", http.StatusForbidden)
		case !slices.Contains(g.Hosts, strings.ToLower(r.Host)):
			message := fmt.Sprintf("the host %s is not served here: add it with --allow-host", text.Cut(text.Escape(r.Host), text.Message))
			http.Error(w, message, http.StatusMisdirectedRequest)
		case !isClean(r.URL.EscapedPath()): // http.ServeMux sends a redirect, which is wrong below a proxy's path
			http.NotFound(w, r)
		default:
			sameOrigin.ServeHTTP(w, r)
		}
	})
}

func isClean(p string) bool {
	clean := path.Clean(p)
	return p == clean || p == clean+"/" && clean != "/"
}

func (g Guard) isProxy(remote string) bool {
	if g.Proxies == nil {
		return true
	}
	from, err := netip.ParseAddrPort(remote)
	return err == nil && slices.ContainsFunc(g.Proxies, func(p netip.Prefix) bool { return p.Contains(from.Addr().Unmap()) })
}

// AllowedHosts returns the values of the header Host under which a server that listens
// at addr is reached, and those that others of names have.
func AllowedHosts(addr net.Addr, names []string) []string {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return names
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	var hosts []string
	for _, name := range append([]string{"localhost", "127.0.0.1", "[::1]", host}, names...) {
		name = strings.ToLower(name)
		hosts = append(hosts, name)
		if _, _, err := net.SplitHostPort(name); err != nil { // it has no port
			hosts = append(hosts, name+":"+port)
		}
	}
	return hosts
}
