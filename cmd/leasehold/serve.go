package main

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/jobs"
	"leasehold.example/leasehold/cmd/leasehold/internal/web"
)

const serveExamples = `  # for this host's users: http://127.0.0.1:8470/
  leasehold serve --store zk://zk1,zk2,zk3/apps

  # behind a proxy on this host that knows its users, who may pause and release
  leasehold serve --allow-host leases.example --allow-write --trusted-proxy 127.0.0.1 --user-header X-User /db`

// serveFlags are those of the subcommand serve.
type serveFlags struct {
	store      storeFlags
	listen     string
	policy     jobs.Policy
	allowWrite bool
	hosts      []string
	proxies    []string
	userHeader string
	cert, key  string
}

func (p *program) serveCommand() *cobra.Command {
	f := serveFlags{store: storeFlags{program: p, mustExist: true}}
	cmd := &cobra.Command{
		Use:   "serve [flags] [PREFIX]",
		Short: "Show all leases on a web page, with metrics and an API",
		Long: `Serve a web page of every lease at and below PREFIX, or in the whole store, with
/metrics for Prometheus, /api/v1/ for programs, /healthz and /readyz. It watches
the store in one session, and says since when it does not know what is there. It
runs until a signal ends it; the exit code is 0 then.

Whoever reaches it can read all it shows: it knows no users of its own. By
default it listens on this host alone, and changes nothing. What it answers, and
how to put it behind a proxy: docs/serve.md.`,
		Example: serveExamples,
		Args:    wantPaths(0, 1, "PREFIX"),
	}
	flags := cmd.Flags()
	f.store.register(flags, "")
	flags.StringVar(&f.listen, "listen", "127.0.0.1:8470", "listen at `ADDRESS`:PORT; without an address at all of this host's")
	f.policy.Grace = jobs.DefaultGrace
	flags.Var((*duration)(&f.policy.Grace), "grace", "for how long a tick may be due before a job is late or failed")
	flags.StringArrayVar(&f.hosts, "allow-host", nil, "also answer requests for the host `NAME`, with this port, none or the one that NAME has; may be repeated")
	flags.BoolVar(&f.allowWrite, "allow-write", false, "let those who reach it release, pause, resume, and run again; needs a --listen of this host alone, or --trusted-proxy")
	flags.StringArrayVar(&f.proxies, "trusted-proxy", nil, "take requests from `CIDR` alone, an address or a network; may be repeated")
	flags.StringVar(&f.userHeader, "user-header", "", "with --allow-write: the proxy says who asks in the header `NAME`, which it must take from nobody else")
	flags.StringVar(&f.cert, "serve-tls-cert", "", "use TLS for those who ask: the certificate, and any between it and its CA's, is in `FILE`")
	flags.StringVar(&f.key, "serve-tls-key", "", "its key is in `FILE`")
	conflict := exitConflict
	cmd.RunE = f.store.runE(&conflict, f.run)
	return cmd
}

func (f *serveFlags) run(ctx context.Context, args []string) error {
	prefix := "/"
	if len(args) > 0 {
		prefix = args[0]
	}
	if prefix != "/" {
		if err := leasehold.CheckPath(prefix); err != nil {
			return err
		}
	}
	server, err := f.server(prefix)
	if err != nil {
		return err
	}
	if err := f.store.validate(); err != nil {
		return err
	}
	l, err := net.Listen("tcp", f.listen)
	if err != nil {
		return config("give --listen another address, or end what listens there", "%v", err)
	}
	if err := f.checkListener(l.Addr(), server); err != nil {
		l.Close()
		return err
	}
	followed := &followedStore{flags: &f.store, grace: f.policy.Grace, prefix: prefix, first: make(chan struct{})}
	server.Source = followed
	server.Hosts = web.AllowedHosts(l.Addr(), f.hosts)
	if f.allowWrite {
		server.Client = followed.client
	}
	server.Init()
	return serveAndFollow(ctx, server, l, followed)
}

// serveAndFollow serves until ctx ends, or the store can't be followed any more.
func serveAndFollow(ctx context.Context, server *web.Server, l net.Listener, followed *followedStore) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	storeCtx, leave := context.WithCancel(context.WithoutCancel(ctx)) // for what is answered last
	defer leave()
	ended := make(chan error, 1)
	go func() {
		ended <- followed.run(storeCtx)
		stop()
	}()
	err := server.Serve(ctx, l)
	leave()
	return errors.Join(err, <-ended)
}

// server makes a server of the flags, without what the store and the listener add.
func (f *serveFlags) server(prefix string) (*web.Server, error) {
	s := &web.Server{Policy: f.policy, Prefix: prefix, Version: version(), Say: f.store.say, Timeout: f.store.timeout, User: whoAsks(), UserHeader: f.userHeader}
	if f.policy.Grace < 0 {
		return nil, usage("--grace is %s, must not be negative", f.policy.Grace)
	}
	for _, host := range f.hosts {
		if host == "" || strings.ContainsAny(host, "/@ ") {
			return nil, usage("--allow-host is %q, want a name as in the header Host, like leases.example or leases.example:8443", host)
		}
	}
	for _, proxy := range f.proxies {
		network, err := parseNetwork(proxy)
		if err != nil {
			return nil, usage("--trusted-proxy is %q, want an address or a network, like 10.0.0.5 or 10.0.0.0/24", proxy)
		}
		s.Proxies = append(s.Proxies, network)
	}
	switch {
	case f.userHeader != "" && (!f.allowWrite || f.proxies == nil):
		return nil, usage("--user-header is for --allow-write with --trusted-proxy")
	case f.allowWrite && f.proxies != nil && f.userHeader == "":
		return nil, usage("--allow-write with --trusted-proxy needs --user-header NAME, so that the run log says who it was")
	case (f.cert == "") != (f.key == ""):
		return nil, usage("--serve-tls-cert and --serve-tls-key go together")
	case f.cert != "":
		served := &servedCertificate{warn: f.store.warn, cert: setting{f.cert, "--serve-tls-cert", true}, key: setting{f.key, "--serve-tls-key", true}}
		if _, err := served.get(nil); err != nil {
			return nil, err
		}
		s.TLS = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: served.get}
	}
	return s, nil
}

func parseNetwork(s string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(s); err == nil {
		return addr.Unmap().Prefix(addr.Unmap().BitLen())
	}
	p, err := netip.ParsePrefix(s)
	return p.Masked(), err
}

// checkListener refuses changes by anybody, and says where it listens.
func (f *serveFlags) checkListener(addr net.Addr, s *web.Server) error {
	local := addr.(*net.TCPAddr).IP.IsLoopback()
	switch {
	case local:
	case f.allowWrite && s.Proxies == nil:
		return usage("--allow-write needs a --listen address of this host alone, like 127.0.0.1:8470, or --trusted-proxy: whoever reaches %s could change leases", addr)
	case s.TLS == nil:
		f.store.warn("what is sent to and from %s is not encrypted: see --serve-tls-cert", addr)
	}
	scheme := "http"
	if s.TLS != nil {
		scheme = "https"
	}
	if !f.store.quiet {
		f.store.say("serving %s://%s/", scheme, addr)
	}
	return nil
}

// A servedCertificate is read again from time to time: a renewed one is served
// without a restart.
type servedCertificate struct {
	cert, key setting
	warn      func(format string, args ...any)

	mu   sync.Mutex
	pair *tls.Certificate
	read time.Time
	err  string // why a renewed one is not served
}

const certificateTime = time.Minute

func (s *servedCertificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pair != nil && time.Since(s.read) < certificateTime {
		return s.pair, nil
	}
	pair, err := keyPair(s.cert, s.key)
	switch {
	case err == nil:
		s.pair, s.err = pair, ""
	case s.pair == nil:
		return nil, err
	case s.err != err.Error(): // it is said once
		s.err = err.Error()
		s.warn("the certificate that is served stays the former one: %v", err)
	}
	s.read = time.Now()
	return s.pair, nil
}
