package zookeeper

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"leasehold.example/leasehold"
)

const (
	scheme      = "zk://"
	schemeTLS   = "zks://"
	defaultPort = "2181"
)

// A URL is what a store's URL says.
type URL struct {
	Hosts    []string // host:port
	Chroot   string   // "" or like "/apps/leases"
	TLS      bool
	GuardOff bool // every grant takes kazoo's queue
}

// ParseURL reads a URL as Open takes it. It returns an
// [*leasehold.ArgumentError].
func ParseURL(raw string) (URL, error) { // package net/url takes no list of hosts
	bad := func(format string, args ...any) (URL, error) {
		return URL{}, &leasehold.ArgumentError{
			Name: "store URL", Value: withoutSecrets(raw),
			Want: fmt.Sprintf(format, args...) + "; want zk://host:port,host:port/chroot",
		}
	}
	rest, ok := strings.CutPrefix(raw, scheme)
	overTLS := false
	if !ok {
		rest, overTLS = strings.CutPrefix(raw, schemeTLS)
	}
	if !ok && !overTLS {
		return bad("it begins with neither %s nor %s", scheme, schemeTLS)
	}
	rest, query, _ := strings.Cut(rest, "?")
	hosts, chroot, _ := strings.Cut(rest, "/")
	if strings.Contains(hosts, "@") {
		return bad("it can't have a user")
	}
	u := URL{TLS: overTLS}
	for host := range strings.SplitSeq(hosts, ",") {
		hostPort, err := withPort(host)
		if err != nil {
			return bad("host %q %v", host, err)
		}
		u.Hosts = append(u.Hosts, hostPort)
	}
	if chroot = strings.TrimSuffix(chroot, "/"); chroot != "" {
		u.Chroot = "/" + chroot
		if err := leasehold.CheckPath(u.Chroot); err != nil {
			return bad("its chroot is an %v", err)
		}
	}
	options, err := url.ParseQuery(query)
	if err != nil {
		return bad("%v", err)
	}
	for name, values := range options {
		if name != "guard" || len(values) != 1 || values[0] != "on" && values[0] != "off" {
			return bad("it has the option %q, and the only one is guard=on or guard=off", name)
		}
		u.GuardOff = values[0] == "off"
	}
	return u, nil
}

// withoutSecrets returns raw to be shown, without what other programs' URLs have
// for a password.
func withoutSecrets(raw string) string {
	raw, query, hasQuery := strings.Cut(raw, "?")
	if hasQuery && strings.HasPrefix(query, "guard=") && !strings.ContainsAny(query, "&@:") {
		raw += "?" + query
	} else if hasQuery {
		raw += "?…"
	}
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		scheme, rest = "", raw
	} else {
		scheme += "://"
	}
	hosts, _, _ := strings.Cut(rest, "/")
	if user := strings.LastIndexByte(hosts, '@'); user >= 0 {
		rest = "…" + rest[user:]
	}
	return scheme + rest
}

// withPort returns host:port, with the default port where there is none.
func withPort(host string) (string, error) {
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		name, port = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"), defaultPort
		if strings.Contains(name, ":") && !strings.HasPrefix(host, "[") {
			return "", fmt.Errorf("is an IPv6 address without brackets, or has too many colons")
		}
	}
	if name == "" || strings.ContainsAny(name, " []\t") {
		return "", fmt.Errorf("is not a host")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", fmt.Errorf("has the port %q, want 1 to 65535", port)
	}
	return net.JoinHostPort(name, port), nil
}
