package zookeeper_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"leasehold.example/leasehold/internal/kazootest"
	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/zookeeper"
)

// A server that answers SASL users only.
func TestSASL(t *testing.T) {
	t.Parallel()
	server := zktest.StartSecured(t, zktest.Security{ClientCertificates: "none", RequireSASL: true})
	url := "zk://" + server.Addr()
	bob := saslAs("bob", zktest.Users["bob"])

	t.Run("shared with kazoo", func(t *testing.T) {
		t.Parallel()
		s := mustOpen(t, url, saslAs("alice", zktest.Users["alice"]))
		python := kazootest.StartWith(t, server.Addr(), kazootest.Config{Security: kazootest.Security{
			SASLOptions: map[string]string{"mechanism": "DIGEST-MD5", "username": "alice", "password": zktest.Users["alice"]},
			DefaultACL:  "CREATOR_ALL_ACL",
		}})
		share(t, s, python, "/sasl/shared")

		_, err := client(mustOpen(t, url, bob), "host-b").TryAcquire(t.Context(), "/sasl/shared/below/ours", time.Minute)
		wantPermission(t, err, `refuses to read "/sasl/shared/below/ours/lease_holder" for sasl user "bob"`)
	})
	t.Run("users", func(t *testing.T) {
		t.Parallel()
		for user, password := range zktest.Users {
			acquire(t, mustOpen(t, url, saslAs(user, password)), "host-a", "/sasl-"+user)
		}
	})
	t.Run("reconnects", func(t *testing.T) {
		t.Parallel()
		proxy := zktest.NewProxy(t, server.Addr())
		reconnects(t, proxy, mustOpen(t, "zk://"+proxy.Addr(), bob), "/sasl-reconnects")
	})
	t.Run("over TLS", func(t *testing.T) {
		t.Parallel()
		overTLS := bob
		overTLS.TLS = server.TLSConfig(t)
		overTLS.TLS.Certificates = nil
		acquire(t, mustOpen(t, "zks://"+server.TLSAddr, overTLS), "host-a", "/sasl-tls")
	})
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		for user, password := range map[string]string{"bob": "hunter2", "mallory": "hunter2"} {
			began := time.Now()
			_, err := openURL(t, url, saslAs(user, password))
			wantPermission(t, err, server.Addr()+` does not accept the password of sasl user "`+user+`"`)
			if took := time.Since(began); took > 10*time.Second || strings.Contains(fmt.Sprint(err), password) {
				t.Errorf("got %v after %s, want it at once and without the password", err, took)
			}
		}
		for who, options := range map[string]zookeeper.Options{"nobody": {}, `digest user "bob"`: digestAs("bob", "secret")} {
			s, err := openURL(t, url, options)
			if err == nil {
				_, err = client(s, "host-a").TryAcquire(t.Context(), "/sasl-none", time.Minute)
			}
			wantPermission(t, err, `requires an authentication to read "/sasl-none/lease_holder"`, "that of "+who)
		}
	})
}

func TestNoSASLThere(t *testing.T) {
	t.Parallel()
	addr := zktest.Shared(t).Addr()
	_, err := openURL(t, "zk://"+addr, saslAs("bob", "hunter2"))
	wantPermission(t, err, addr+" has no SASL users")
}
