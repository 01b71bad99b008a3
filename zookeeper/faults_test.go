package zookeeper_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/kazootest"
	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/zookeeper"
)

// quick is a session that notices soon that its server is silent.
var quick = &zookeeper.Options{SessionTimeout: 3 * time.Second}

// losses lose the reply to a write: before the server has seen it, after it has
// carried it out, and with the write arriving long after.
var losses = map[string]func(t *testing.T, p *zktest.Proxy){
	"before": func(t *testing.T, p *zktest.Proxy) {
		p.HoldRequests(true)
		go func() {
			<-p.Held()
			p.Cut()
			p.HoldRequests(false)
			p.Restore()
		}()
	},
	"after": func(t *testing.T, p *zktest.Proxy) {
		p.DropReplies(true)
		go func() {
			<-p.Dropped()
			time.Sleep(20 * time.Millisecond) // more replies than one may be on their way
			p.DropReplies(false)
		}()
	},
	"late": func(t *testing.T, p *zktest.Proxy) {
		p.HoldRequests(true)
		go func() {
			<-p.Held()
			p.Strand()
			p.HoldRequests(false)
			time.AfterFunc(300*time.Millisecond, p.Deliver)
		}()
	},
}

func TestLostReplies(t *testing.T) {
	t.Parallel()
	type setting struct {
		store *zookeeper.Store // whose link will break
		path  string
		lease *leasehold.Lease // of host-a, by that store
	}
	grant := func(t *testing.T, on *setting) (err error) {
		on.lease, err = client(on.store, "host-a").TryAcquire(t.Context(), on.path, time.Minute)
		return err
	}
	hold := func(t *testing.T, on *setting) { on.lease = acquire(t, on.store, "host-a", on.path) }
	writes := []struct {
		name    string
		prepare func(t *testing.T, on *setting)
		do      func(t *testing.T, on *setting) error
		want    leasehold.State // afterwards
	}{
		{"grant on a new path", func(*testing.T, *setting) {}, grant, leasehold.Held},
		{"grant", func(t *testing.T, on *setting) {
			expire(t, zktest.Conn(t, zktest.Shared(t).Addr()), on.path, "host-p")
		}, grant, leasehold.Held},
		{"grant to the same holder", hold, grant, leasehold.Held},
		{"renew", hold, func(t *testing.T, on *setting) error { return on.lease.Renew(t.Context()) }, leasehold.Held},
		{"release", hold, func(t *testing.T, on *setting) error { return on.lease.Release(t.Context()) }, leasehold.Free},
		{"release by another process", hold, func(t *testing.T, on *setting) error {
			return client(on.store, "host-a").Release(t.Context(), on.path)
		}, leasehold.Free},
	}
	for _, w := range writes {
		for when, lose := range losses {
			t.Run(w.name+"/"+when, func(t *testing.T) {
				t.Parallel()
				server := zktest.Shared(t)
				proxy := zktest.NewProxy(t, server.Addr())
				on := &setting{store: openWith(t, proxy.Addr(), quick), path: freshPath(t)}
				w.prepare(t, on)
				var once sync.Once
				on.store.BeforeCommit(func() { once.Do(func() { lose(t, proxy) }) })
				began := time.Now()
				if err := w.do(t, on); err != nil {
					t.Fatalf("got %v after %s, want it done", err, time.Since(began))
				}
				time.Sleep(400 * time.Millisecond) // for what is late
				got, err := client(open(t, server.Addr()), "observer").Status(t.Context(), on.path)
				if err != nil || got.State != w.want || got.State == leasehold.Held && got.Holder != "host-a" {
					t.Errorf("got %s by %q, %v, want %s", got.State, got.Holder, err, w.want)
				}
				if w.want == leasehold.Held {
					if err := on.lease.Renew(t.Context()); err != nil {
						t.Errorf("renew afterwards: %v", err)
					}
				}
				wantNoDebris(t, zktest.Conn(t, server.Addr()), on.path)
			})
		}
	}
}

// A context that ends while a commit is under way: the outcome is unknown, and
// what was granted to nobody is taken back.
func TestAbandonedGrantIsUndone(t *testing.T) {
	t.Parallel()
	for _, former := range []string{"", "host-p", "host-a"} {
		t.Run("former holder "+former, func(t *testing.T) {
			t.Parallel()
			server := zktest.Shared(t)
			proxy := zktest.NewProxy(t, server.Addr())
			conn := zktest.Conn(t, server.Addr())
			path := freshPath(t)
			before := ""
			switch former {
			case "host-p":
				expire(t, conn, path, former)
				before, _ = read(t, conn, path)
			case "host-a":
				acquire(t, open(t, server.Addr()), former, path)
				before, _ = read(t, conn, path)
			}
			s := openWith(t, proxy.Addr(), quick)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s.BeforeCommit(func() {
				proxy.DropReplies(true)
				go func() {
					<-proxy.Dropped()
					cancel()
					time.Sleep(50 * time.Millisecond)
					proxy.DropReplies(false)
				}()
			})
			_, err := client(s, "host-a").TryAcquire(ctx, path, 2*time.Minute)
			if !errors.Is(err, leasehold.ErrOutcomeUnknown) || !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want ErrOutcomeUnknown and context.Canceled", err)
			}
			s.Close() // waits for it
			after, _ := read(t, conn, path)
			if before == "" {
				before = recordOf(t, "host-a", time.Unix(0, 0))
			}
			if after != before {
				t.Errorf("got the record %s, want what was there before, %s", after, before)
			}
			wantNoDebris(t, conn, path)
		})
	}
}

// An expired session is left for good, and what it was doing goes on in a new
// one.
func TestSessionExpires(t *testing.T) {
	t.Parallel()
	server := zktest.Start(t)
	proxy := zktest.NewProxy(t, server.Addr())
	s := openWith(t, proxy.Addr(), &zookeeper.Options{SessionTimeout: time.Second})
	lease := acquire(t, s, "host-a", "/x")
	_, changed, err := s.Watch(t.Context(), "/x")
	if err != nil {
		t.Fatal(err)
	}
	proxy.Cut()
	time.Sleep(2500 * time.Millisecond)
	proxy.Restore()
	if err := lease.Renew(t.Context()); err != nil {
		t.Errorf("renew in a new session: %v", err)
	}
	select {
	case <-changed:
	case <-time.After(10 * time.Second):
		t.Error("a watch of the old session was never told")
	}
}

// An attempt does not go on in another session than it began in: what it has
// read may be newer than what that knows.
func TestSessionExpiresAmidAttempt(t *testing.T) {
	t.Parallel()
	server := zktest.Start(t)
	proxy := zktest.NewProxy(t, server.Addr())
	s := openWith(t, proxy.Addr(), &zookeeper.Options{SessionTimeout: time.Second})
	acquire(t, s, "host-a", "/x")
	commits := 0
	s.BeforeCommit(func() {
		if commits++; commits == 1 {
			proxy.Cut()
			time.Sleep(2500 * time.Millisecond)
			proxy.Restore()
		}
	})
	acquire(t, s, "host-a", "/x")
	if commits != 2 {
		t.Errorf("got %d commits sent, want 2: one before its session expired, one after all was read anew", commits)
	}
}

// A store that is closed has no session, and so no lock node, at the server.
func TestCloseEndsSession(t *testing.T) {
	t.Parallel()
	server := zktest.Start(t)
	before := monitor(t, server, "zk_global_sessions")
	s := open(t, server.Addr())
	if got := monitor(t, server, "zk_global_sessions"); got != before+1 {
		t.Errorf("an open store: got %d sessions, want %d", got, before+1)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if got := monitor(t, server, "zk_global_sessions"); got != before {
		t.Errorf("a closed store: got %d sessions, want %d", got, before)
	}
}

func TestOpenNothing(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for _, hosts := range []string{silent.Addr().String(), closed.Addr().String(), "no-such-host.invalid", "[::1]:1", silent.Addr().String() + "," + closed.Addr().String()} {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		_, err := zookeeper.Open(ctx, "zk://"+hosts, nil)
		late, _ := ctx.Deadline()
		if since := time.Since(late); since > time.Second {
			t.Errorf("%s: returned %s after the context's end", hosts, since)
		}
		if !errors.Is(err, leasehold.ErrUnreachable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: got %v, want ErrUnreachable", hosts, err)
		}
		for host := range strings.SplitSeq(hosts, ",") {
			if err == nil || !strings.Contains(err.Error(), host) {
				t.Errorf("got %v, want it to name %s", err, host)
			}
		}
		t.Log(err)
	}
}

// A server that accepts connections and says nothing holds nobody up for long
// while there is another. The client library alone would wait 20 s here.
func TestMuteServerIsLeft(t *testing.T) {
	t.Parallel()
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	both := mute.Addr().String() + "," + zktest.Shared(t).Addr()
	var wg sync.WaitGroup
	for range 8 { // the order of the servers is random
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
			defer cancel()
			s, err := zookeeper.Open(ctx, "zk://"+both, quick)
			if err != nil {
				t.Error(err)
				return
			}
			s.Close()
		})
	}
	wg.Wait()
}

// Twenty wait behind kazoo's lock; once kazoo has the lease, all know at once.
func TestWaitersLeaveTogether(t *testing.T) {
	t.Parallel()
	server := zktest.Shared(t)
	python := kazootest.Start(t, server.Addr())
	conn := zktest.Conn(t, server.Addr())
	path := freshPath(t)
	expire(t, conn, path, "host-p")
	stalled, err := python.Stall(kazootest.UnlockStep, path, "host-k", time.Hour, time.Now().Add(-2*time.Hour)) // ends in the past
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	errs := make(chan error)
	for i := range 20 {
		s := open(t, server.Addr())
		go func() {
			_, err := client(s, "waiter-"+string(rune('a'+i))).TryAcquire(ctx, path, time.Minute)
			errs <- err
		}()
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		names, _, err := conn.Children(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(names) == 1+1+20 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %d nodes, want the record, kazoo's lock and 20 waiters", len(names))
		}
	}
	if _, err := conn.Set(path+"/lease_holder", []byte(recordOf(t, "host-k", time.Now().Add(time.Hour))), -1); err != nil {
		t.Fatal(err)
	}
	for range 20 { // though kazoo still has its lock
		if err := <-errs; !errors.Is(err, leasehold.ErrHeld) {
			t.Errorf("got %v, want a denial", err)
		}
	}
	if _, err := stalled.Resume(); err != nil {
		t.Error(err)
	}
	wantNoDebris(t, conn, path)
}

func TestQueuedUntilTheContextEnds(t *testing.T) {
	t.Parallel()
	server := zktest.Shared(t)
	conn := zktest.Conn(t, server.Addr())
	path := freshPath(t)
	expire(t, conn, path, "host-p")
	create(t, conn, path+lockNode+"0000000000", "host-k")
	create(t, conn, path+"/fedcba9876543210fedcba9876543210__lock__0000000001", "host-l")
	s := open(t, server.Addr())
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := client(s, "host-a").TryAcquire(ctx, path, time.Minute)
	if !errors.Is(err, leasehold.ErrQueued) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want ErrQueued", err)
	}
	if want := `which "host-k" has (` + path + lockNode + "0000000000)"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
	names, _, err := conn.Children(path)
	if err != nil || len(names) != 3 {
		t.Errorf("got %q, %v, want the record and the others' lock nodes only", names, err)
	}
}

// Calls that go on while the Store is closed end, and nothing panics.
func TestCloseInTheMidst(t *testing.T) {
	t.Parallel()
	s := open(t, zktest.Shared(t).Addr()+freshPath(t)+"?guard=off")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for {
				_, err := client(s, "host-"+string(rune('a'+i))).TryAcquire(ctx, "/busy", time.Minute)
				if err != nil && !errors.Is(err, leasehold.ErrHeld) {
					return // closed
				}
			}
		})
	}
	time.Sleep(100 * time.Millisecond)
	s.Close()
	wg.Wait()
	if ctx.Err() != nil {
		t.Error("calls on a closed Store went on until their context ended")
	}
}

// What the server refuses for good is not tried over and over.
func TestNodeBelowTheRecord(t *testing.T) {
	t.Parallel()
	server := zktest.Start(t)
	conn := zktest.Conn(t, server.Addr())
	expire(t, conn, "/x", "host-p")
	create(t, conn, "/x/lease_holder/below", "")
	s := open(t, server.Addr())
	before := server.Counters(t)
	_, err := client(s, "host-a").TryAcquire(t.Context(), "/x", time.Minute)
	if err == nil || !strings.Contains(err.Error(), "/x") {
		t.Errorf("got %v, want an error that names the path", err)
	}
	if got := server.Counters(t).Packets - before.Packets; got > 6 {
		t.Errorf("got %d requests, want a few", got)
	}
}
