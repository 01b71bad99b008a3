package zookeeper

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"unicode"

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
	form := "zk://host:port,host:port/chroot"
	bad := func(format string, args ...any) (URL, error) {
		return URL{}, &leasehold.ArgumentError{
			Name: "store URL", Value: withoutSecrets(raw),
			Want: fmt.Sprintf(format, args...) + "; want " + form,
		}
	}
	if strings.ContainsFunc(raw, unicode.IsSpace) { // a chroot of its own, and nobody sees it
		return bad("it has white space")
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
	if strings.Contains(chroot, ",") {
		form = withOneChroot(raw)
		return bad("its chroot has a comma: it is given once, after all hosts")
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

// withOneChroot returns a URL with the hosts of raw, each of which may have a
// chroot, and with one chroot. Other clients want one with each host; taken for
// one chroot, they would be another one for each order of the hosts.
func withOneChroot(raw string) string {
	rest, _, _ := strings.Cut(raw, "?")
	begin := strings.Index(rest, "://") + len("://")
	var hosts []string
	one := ""
	for part := range strings.SplitSeq(rest[begin:], ",") {
		host, chroot, _ := strings.Cut(strings.TrimPrefix(part, rest[:begin]), "/")
		hosts = append(hosts, host)
		one = cmp.Or(one, strings.TrimSuffix(chroot, "/"))
	}
	return rest[:begin] + strings.Join(hosts, ",") + "/" + one
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
	if name == "" || strings.ContainsAny(name, "[]") {
		return "", fmt.Errorf("is not a host")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", fmt.Errorf("has the port %q, want 1 to 65535", port)
	}
	return net.JoinHostPort(name, port), nil
}
