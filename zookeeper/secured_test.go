package zookeeper_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/kazootest"
	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/zookeeper"
)

// openURL opens a store, which may fail.
func openURL(t testing.TB, url string, options zookeeper.Options) (*zookeeper.Store, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	s, err := zookeeper.Open(ctx, url, &options)
	if err == nil {
		t.Cleanup(func() { s.Close() })
	}
	return s, err
}

func mustOpen(t testing.TB, url string, options zookeeper.Options) *zookeeper.Store {
	t.Helper()
	s, err := openURL(t, url, options)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// wantPermission fails the test unless err is an ErrPermission that says why,
// and that came before the store was given up.
func wantPermission(t testing.TB, err error, says ...string) {
	t.Helper()
	if !errors.Is(err, leasehold.ErrPermission) || errors.Is(err, leasehold.ErrUnreachable) {
		t.Errorf("got %v, want ErrPermission alone", err)
		return
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("got %v, want it to say %q", err, s)
		}
	}
}

// wantACL fails the test unless the nodes at and below path have the ACL.
func wantACL(t testing.TB, conn *zk.Conn, path, want string) {
	t.Helper()
	names, _, err := conn.Children(path)
	if err != nil {
		t.Fatal(err)
	}
	paths := []string{path}
	for _, name := range names {
		paths = append(paths, path+"/"+name)
	}
	for _, p := range paths {
		acl, _, err := conn.GetACL(p)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, a := range acl {
			got = append(got, a.Scheme+":"+a.ID)
		}
		if got := strings.Join(got, " "); got != want {
			t.Errorf("%s: got the ACL of %s, want of %s", p, got, want)
		}
	}
}

// share has a Go and a kazoo client take a lease in turns, at paths that either
// has made, and each be refused while the other has it.
func share(t *testing.T, s *zookeeper.Store, python *kazootest.Peer, base string) {
	t.Helper()
	kazoo := func(path string, now time.Time, want bool) {
		t.Helper()
		if got, err := python.Lease(path, "host-p", time.Minute, now); got != want || err != nil {
			t.Errorf("kazoo at %s: got %v and error %v, want %v", path, got, err, want)
		}
	}
	a := client(s, "host-a")
	try := func(path string, want error) *leasehold.Lease {
		t.Helper()
		l, err := a.TryAcquire(t.Context(), path, time.Minute)
		if !errors.Is(err, want) {
			t.Fatalf("at %s: got error %v, want %v", path, err, want)
		}
		return l
	}
	ours, theirs := base+"/below/ours", base+"/below/theirs"
	l := try(ours, nil)
	kazoo(ours, time.Time{}, false)
	if err := l.Renew(t.Context()); err != nil {
		t.Errorf("renew: %v", err)
	}
	if err := l.Release(t.Context()); err != nil {
		t.Errorf("release: %v", err)
	}
	kazoo(ours, time.Time{}, true)
	try(ours, leasehold.ErrHeld)

	kazoo(theirs, time.Now().Add(-time.Hour), true) // expired by now
	lock, err := python.Lock(theirs, "host-p")
	if err != nil {
		t.Fatal(err)
	}
	granted := make(chan *leasehold.Lease)
	go func() {
		l, err := a.TryAcquire(t.Context(), theirs, time.Minute)
		if err != nil {
			t.Errorf("behind kazoo's lock: %v", err)
		}
		granted <- l
	}()
	awaitQueue(t, python, theirs)
	if err := lock.Unlock(); err != nil {
		t.Error(err)
	}
	if l := <-granted; l != nil {
		if err := a.Release(t.Context(), theirs); err != nil { // as another process
			t.Errorf("release: %v", err)
		}
	}
	kazoo(theirs, time.Time{}, true)
	try(theirs, leasehold.ErrHeld)
	if paths, err := a.List(t.Context(), base); len(paths) != 2 || err != nil {
		t.Errorf("list: got %v and error %v, want two", paths, err)
	}
}

// awaitQueue returns when two contend for kazoo's lock on path.
func awaitQueue(t testing.TB, python *kazootest.Peer, path string) {
	t.Helper()
	for range 1000 {
		names, err := python.Children(path)
		if err != nil {
			t.Fatal(err)
		}
		if locks := strings.Count(strings.Join(names, " "), "__lock__"); locks > 1 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("nobody queued at %s in 10 s", path)
}

// reconnects has a store lose its connection, and renew its lease on the next.
func reconnects(t *testing.T, proxy *zktest.Proxy, s *zookeeper.Store, path string) {
	t.Helper()
	l := acquire(t, s, "host-a", path)
	proxy.Cut()
	proxy.Restore()
	if err := l.Renew(t.Context()); err != nil {
		t.Errorf("renew after a cut: %v", err)
	}
}

func digestAs(user, password string) zookeeper.Options {
	return zookeeper.Options{
		Auth: zookeeper.Auth{Scheme: zookeeper.Digest, User: user, Password: password},
		ACL:  zookeeper.CreatorACL(),
	}
}

func saslAs(user, password string) zookeeper.Options {
	o := digestAs(user, password)
	o.Auth.Scheme = zookeeper.SASL
	return o
}

func TestDigestAndTLS(t *testing.T) {
	t.Parallel()
	server := zktest.StartSecured(t, zktest.Security{ClientCertificates: "need"})
	t.Run("costs", func(t *testing.T) { testCostsWhenSecured(t, server) })
	t.Run("digest", func(t *testing.T) { testDigest(t, server) })
	t.Run("TLS", func(t *testing.T) { testTLS(t, server) })
}

// Being somebody costs nothing once there is a connection.
func testCostsWhenSecured(t *testing.T, server *zktest.Secured) {
	options := digestAs("bob", "secret")
	options.TLS, options.SessionTimeout = server.TLSConfig(t), time.Minute
	s := mustOpen(t, "zks://"+server.TLSAddr, options)
	before := server.Counters(t)
	l := acquire(t, s, "host-a", "/costs") // 3 requests
	if err := l.Renew(t.Context()); err != nil {
		t.Error(err)
	}
	if err := l.Release(t.Context()); err != nil {
		t.Error(err)
	}
	after := server.Counters(t)
	if got := after.Packets - before.Packets; got != 5 {
		t.Errorf("got %d requests, want 5", got)
	}
	if got := after.Zxid - before.Zxid; got != 3 {
		t.Errorf("got %d transactions, want 3", got)
	}
}

func testDigest(t *testing.T, server *zktest.Secured) {
	t.Parallel()
	url := "zk://" + server.Addr()
	bob := mustOpen(t, url, digestAs("bob", "secret"))
	conn := zktest.Conn(t, server.Addr())
	if err := conn.AddAuth("digest", []byte("bob:secret")); err != nil {
		t.Fatal(err)
	}
	bobsID := "digest:" + zk.DigestACL(zk.PermAll, "bob", "secret")[0].ID

	t.Run("shared with kazoo", func(t *testing.T) {
		t.Parallel()
		python := kazootest.StartWith(t, server.Addr(), kazootest.Config{Security: kazootest.Security{
			AuthData: [][2]string{{"digest", "bob:secret"}}, DefaultACL: "CREATOR_ALL_ACL",
		}})
		share(t, bob, python, "/digest/shared")
		wantACL(t, conn, "/digest/shared/below/ours", bobsID)
		wantACL(t, conn, "/digest/shared/below/theirs", bobsID)
	})
	t.Run("reconnects", func(t *testing.T) {
		t.Parallel()
		proxy := zktest.NewProxy(t, server.Addr())
		reconnects(t, proxy, mustOpen(t, "zk://"+proxy.Addr(), digestAs("bob", "secret")), "/digest-reconnects")
	})
	t.Run("others", func(t *testing.T) {
		t.Parallel()
		const path = "/digest-others"
		held := acquire(t, bob, "host-a", path)
		for name, c := range map[string]struct {
			options zookeeper.Options
			who     string
		}{
			"wrong password": {digestAs("bob", "hunter2"), `digest user "bob"`},
			"another user":   {digestAs("eve", "secret"), `digest user "eve"`},
			"nobody":         {zookeeper.Options{}, "nobody"},
		} {
			s := mustOpen(t, url, c.options)
			other := client(s, "host-b")
			_, err := other.TryAcquire(t.Context(), path, time.Minute)
			wantPermission(t, err, `refuses to read "`+path+`/lease_holder" for `+c.who)
			_, err = other.Status(t.Context(), path)
			wantPermission(t, err, `refuses to read "`+path+`/lease_holder" for `+c.who)
			_, err = other.List(t.Context(), path)
			wantPermission(t, err, `refuses to list "`+path+`" for `+c.who)
			_, err = other.TryAcquire(t.Context(), path+"/below", time.Minute)
			wantPermission(t, err, `refuses to create nodes below "`+path+`" for `+c.who)
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: got %v, which has the password", name, err)
			}
		}
		if err := held.Renew(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Run("readable by all", func(t *testing.T) {
		t.Parallel()
		const path = "/digest-readable"
		options := digestAs("bob", "secret")
		options.ACL = zookeeper.ReadWorldACL()
		s := mustOpen(t, url, options)
		l := acquire(t, s, "host-a", path)
		wantACL(t, conn, path, bobsID+" world:anyone")
		nobody := mustOpen(t, url, zookeeper.Options{})
		wantHolder(t, nobody, path, "host-a")
		if _, err := client(nobody, "host-b").TryAcquire(t.Context(), path, time.Minute); !errors.Is(err, leasehold.ErrHeld) {
			t.Errorf("got %v, want ErrHeld", err)
		}
		if err := l.Release(t.Context()); err != nil {
			t.Error(err)
		}
		_, err := client(nobody, "host-b").TryAcquire(t.Context(), path, time.Minute)
		wantPermission(t, err, `refuses to create nodes below "`+path+`" for nobody`)
	})
	t.Run("open, and nodes that exist", func(t *testing.T) {
		t.Parallel()
		const path = "/digest-open"
		options := digestAs("bob", "secret")
		options.ACL = nil
		l := acquire(t, mustOpen(t, url, options), "host-a", path)
		if err := l.Release(t.Context()); err != nil {
			t.Error(err)
		}
		wantACL(t, conn, path, "world:anyone")
		acquire(t, bob, "host-b", path)
		wantPathACL(t, conn, path, "world:anyone")
		wantPathACL(t, conn, path+"/lease_holder", bobsID)
	})
	t.Run("below a parent that may not be read", func(t *testing.T) {
		t.Parallel()
		const parent = "/digest-unreadable"
		if _, err := conn.Create(parent, nil, 0, zk.WorldACL(zk.PermCreate)); err != nil {
			t.Fatal(err)
		}
		acquire(t, bob, "host-a", parent+"/lease")
		acquire(t, bob, "host-a", parent+"/missing/lease")
		wantPathACL(t, conn, parent+"/missing", bobsID)
	})
	t.Run("nobody creates", func(t *testing.T) {
		t.Parallel()
		s := mustOpen(t, url, zookeeper.Options{ACL: zookeeper.CreatorACL()})
		_, err := client(s, "host-a").TryAcquire(t.Context(), "/digest-nobody", time.Minute)
		wantPermission(t, err, "refuses the ACL", `"/digest-nobody"`, "for nobody")
	})
	t.Run("SASL where it is not required", func(t *testing.T) {
		t.Parallel()
		acquire(t, mustOpen(t, url, saslAs("alice", zktest.Users["alice"])), "host-a", "/digest-sasl")
		_, err := openURL(t, url, saslAs("alice", "hunter2"))
		wantPermission(t, err, `does not accept the password of sasl user "alice"`)
	})
	t.Run("renewal is refused", func(t *testing.T) {
		t.Parallel()
		const path = "/digest-revoked"
		l := acquire(t, bob, "host-a", path)
		if _, err := conn.SetACL(path+"/lease_holder", zk.DigestACL(zk.PermAll, "eve", "x"), -1); err != nil {
			t.Fatal(err)
		}
		wantPermission(t, l.Renew(t.Context()), `refuses to write "`+path+`/lease_holder" for digest user "bob"`)
		wantPermission(t, l.Release(t.Context()), `refuses to write "`+path+`/lease_holder" for digest user "bob"`)
	})
}

func wantPathACL(t testing.TB, conn *zk.Conn, path, want string) {
	t.Helper()
	acl, _, err := conn.GetACL(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(acl) != 1 || acl[0].Scheme+":"+acl[0].ID != want {
		t.Errorf("%s: got the ACL %v, want of %s", path, acl, want)
	}
}

// A server that is mute in the midst of TLS, and one that is none, don't keep
// anybody.
func TestNoTLSThere(t *testing.T) {
	t.Parallel()
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	for name, addr := range map[string]string{"mute": mute.Addr().String(), "plain": zktest.Shared(t).Addr()} {
		ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
		defer cancel()
		began := time.Now()
		_, err := zookeeper.Open(ctx, "zks://"+addr, quick)
		if took := time.Since(began); took > 2*time.Second || !errors.Is(err, leasehold.ErrUnreachable) {
			t.Errorf("%s: got %v after %s, want ErrUnreachable after 0.7 s", name, err, took)
		}
		t.Log(err)
	}
}
