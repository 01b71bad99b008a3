package zookeeper_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"leasehold.example/leasehold/internal/kazootest"
	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/zookeeper"
)

func testTLS(t *testing.T, server *zktest.Secured) {
	t.Parallel()
	url := "zks://" + server.TLSAddr
	overTLS := zookeeper.Options{TLS: server.TLSConfig(t), ACL: zookeeper.CreatorACL()}

	t.Run("shared with kazoo", func(t *testing.T) {
		t.Parallel()
		s := mustOpen(t, url, overTLS)
		python := kazootest.StartWith(t, server.TLSAddr, kazootest.Config{Security: kazootest.Security{
			UseSSL: true, CA: server.Authority.CAFile, CertFile: server.Client.CertFile, KeyFile: server.Client.KeyFile,
			DefaultACL: "CREATOR_ALL_ACL",
		}})
		share(t, s, python, "/tls/shared")
		conn := zktest.Conn(t, server.Addr())
		_, _, err := conn.Get("/tls/shared")
		if err == nil {
			t.Error("got a node that is for the certificate")
		}
		nobody := mustOpen(t, "zk://"+server.Addr(), zookeeper.Options{})
		_, err = client(nobody, "host-b").Status(t.Context(), "/tls/shared/below/ours")
		wantPermission(t, err, `for nobody`)
	})
	t.Run("with digest", func(t *testing.T) {
		t.Parallel()
		options := digestAs("bob", "secret")
		options.TLS = server.TLSConfig(t)
		acquire(t, mustOpen(t, url, options), "host-a", "/tls-digest")
		wantHolder(t, mustOpen(t, "zk://"+server.Addr(), digestAs("bob", "secret")), "/tls-digest", "host-a")
		acquire(t, mustOpen(t, "zk://"+server.Addr(), digestAs("eve", "secret")), "host-e", "/tls-eve")
		_, err := client(mustOpen(t, url, options), "host-b").Status(t.Context(), "/tls-eve")
		wantPermission(t, err, `for digest user "bob" with the client certificate "CN=client.example"`)
	})
	t.Run("with zk:// and Options.TLS", func(t *testing.T) {
		t.Parallel()
		acquire(t, mustOpen(t, "zk://"+server.TLSAddr, overTLS), "host-a", "/tls-zk")
	})
	t.Run("reconnects", func(t *testing.T) {
		t.Parallel()
		proxy := zktest.NewProxy(t, server.TLSAddr)
		reconnects(t, proxy, mustOpen(t, "zks://"+proxy.Addr(), overTLS), "/tls-reconnects")
	})
	t.Run("one server of two is not trusted", func(t *testing.T) {
		t.Parallel()
		_, port, _ := net.SplitHostPort(server.TLSAddr)
		for range 6 { // the order is random
			mustOpen(t, url+",localhost:"+port, overTLS)
		}
	})
	t.Run("a mute server is left", func(t *testing.T) {
		t.Parallel()
		mute, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer mute.Close()
		options := overTLS
		options.SessionTimeout = quick.SessionTimeout
		for range 3 { // the order is random
			mustOpen(t, url+","+mute.Addr().String(), options)
		}
	})
	t.Run("the certificate expires meanwhile", func(t *testing.T) {
		t.Parallel()
		const path = "/tls-expires"
		proxy := zktest.NewProxy(t, server.TLSAddr)
		var later atomic.Bool
		options := overTLS
		options.TLS = server.TLSConfig(t)
		options.TLS.Time = func() time.Time {
			if later.Load() {
				return time.Now().Add(2 * time.Hour)
			}
			return time.Now()
		}
		s := mustOpen(t, "zks://"+proxy.Addr(), options)
		l := acquire(t, s, "host-a", path)
		later.Store(true)
		proxy.Cut()
		proxy.Restore()
		const says = "the server's certificate has expired"
		wantPermission(t, l.Renew(t.Context()), says)
		_, err := client(s, "host-b").TryAcquire(t.Context(), path, time.Minute)
		wantPermission(t, err, says)
		_, err = client(s, "host-b").Status(t.Context(), path)
		wantPermission(t, err, says)
		later.Store(false)
		if err := l.Renew(t.Context()); err != nil {
			t.Errorf("once it is valid again: %v", err)
		}
	})
	t.Run("refused", func(t *testing.T) { testTLSRefused(t, server) })
}

// Whatever is wrong with a certificate, of the server or the client, is told at
// once, as what it is.
func testTLSRefused(t *testing.T, server *zktest.Secured) {
	t.Parallel()
	stranger, err := zktest.NewAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	load := func(pair zktest.KeyPair, err error) tls.Certificate {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		certificate, err := pair.Load()
		if err != nil {
			t.Fatal(err)
		}
		return certificate
	}
	// What is wrong with a client certificate comes out at the end of the
	// handshake in TLS 1.2, and after it in 1.3.
	versions := map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13}
	expired := load(server.Authority.Issue("expired.example", -time.Minute))
	strange := load(stranger.Issue("strange.example", time.Hour))
	for version, max := range versions {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			options := zookeeper.Options{TLS: server.TLSConfig(t)}
			options.TLS.MaxVersion = max
			options.TLS.VerifyConnection = func(state tls.ConnectionState) error {
				if state.Version != max {
					t.Errorf("got TLS %x, want %x", state.Version, max)
				}
				return nil
			}
			mustOpen(t, "zks://"+server.TLSAddr, options)
		})
	}
	for name, c := range map[string]struct {
		change func(*tls.Config)
		says   string
	}{
		"unknown authority": {func(c *tls.Config) { c.RootCAs = x509.NewCertPool() }, "the server's certificate is not from an authority that is trusted"},
		"system's roots":    {func(c *tls.Config) { c.RootCAs = nil }, "the server's certificate is not from an authority that is trusted"},
		"wrong name":        {func(c *tls.Config) { c.ServerName = "other.example" }, "the server's certificate is for another name"},
		"expired": {
			func(c *tls.Config) { c.Time = func() time.Time { return time.Now().Add(2 * time.Hour) } },
			"the server's certificate has expired or is not valid yet",
		},
		"not valid yet": {
			func(c *tls.Config) { c.Time = func() time.Time { return time.Now().Add(-2 * time.Hour) } },
			"the server's certificate has expired or is not valid yet",
		},
		"no client certificate":      {func(c *tls.Config) { c.Certificates = nil }, "the server requires a client certificate"},
		"expired client certificate": {func(c *tls.Config) { c.Certificates = []tls.Certificate{expired} }, "the server refuses the client certificate"},
		"strange client certificate": {func(c *tls.Config) { c.Certificates = []tls.Certificate{strange} }, "the server refuses the client certificate"},
	} {
		for version, max := range versions {
			t.Run(name+", "+version, func(t *testing.T) {
				t.Parallel()
				config := server.TLSConfig(t)
				config.MaxVersion = max
				c.change(config)
				_, err := openURL(t, "zks://"+server.TLSAddr, zookeeper.Options{TLS: config})
				wantPermission(t, err, c.says, server.TLSAddr)
			})
		}
	}
	t.Run("TLS 1.1", func(t *testing.T) {
		t.Parallel()
		config := server.TLSConfig(t)
		config.MinVersion, config.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := zookeeper.Open(ctx, "zks://"+server.TLSAddr, &zookeeper.Options{TLS: config}); err == nil || !strings.Contains(err.Error(), "versions") {
			t.Errorf("got %v, want it to say that there is no common version", err)
		}
	})
}
