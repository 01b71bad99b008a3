package zookeeper_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/zookeeper"
)

// The rightful holder goes on although it was taken over early while it did not
// know what had become of its renewal.
func TestRightfulHolderGoesOnAfterALostReply(t *testing.T) {
	t.Parallel()
	server := zktest.Shared(t)
	for name, test := range map[string]struct {
		first           bool // the takeover comes before the renewal, whose reply is lost
		givesUp         bool // the renewal ends without an answer
		arrives, undoes bool
	}{
		"the renewal had not arrived":                {},
		"it had not, and the takeover was undone":    {undoes: true},
		"it had, and the takeover was undone":        {arrives: true, undoes: true},
		"it had taken the lease back":                {first: true, arrives: true},
		"it had taken the lease back, and gave up":   {first: true, arrives: true, givesUp: true},
		"it had taken it back from one who undid it": {first: true, arrives: true, undoes: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxy := zktest.NewProxy(t, server.Addr())
			path := freshPath(t)
			a, b := openWith(t, proxy.Addr(), quick), open(t, server.Addr())
			l, err := client(a, "host-a").TryAcquire(t.Context(), path, time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(1100 * time.Millisecond) // so that the renewed record is another
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			gaveUp := make(chan struct{})
			take := func() {
				granted, replaced := takeEarly(t, b, path, "host-b")
				if test.undoes {
					if err := b.Release(t.Context(), granted, replaced.Data, nil); err != nil {
						t.Error(err)
					}
				}
			}
			lose := func() {
				if test.arrives {
					proxy.DropReplies(true)
				} else {
					proxy.HoldRequests(true)
				}
			}
			heal := func() {
				if test.arrives {
					<-proxy.Dropped()
					if test.givesUp {
						cancel()
						<-gaveUp
					}
				} else {
					<-proxy.Held()
					proxy.Cut()
				}
				if !test.first {
					take()
				}
				proxy.DropReplies(false)
				if !test.arrives {
					proxy.HoldRequests(false)
					proxy.Restore()
				}
			}
			if test.first {
				take()
			}
			commits, done := 0, make(chan struct{})
			var once sync.Once
			a.BeforeCommit(func() {
				commits++
				if commits == 1 && test.first { // that one finds its grant node gone
					return
				}
				once.Do(func() {
					lose()
					go func() { defer close(done); heal() }()
				})
			})
			if err := l.Renew(ctx); test.givesUp && !errors.Is(err, leasehold.ErrOutcomeUnknown) || !test.givesUp && err != nil {
				t.Errorf("Renew: got %v, want nil, or ErrOutcomeUnknown if it gave up", err)
			}
			close(gaveUp)
			<-done
			if err := l.Renew(t.Context()); err != nil {
				t.Errorf("Renew again: got %v, want nil", err)
			}
			wantHolder(t, b, path, "host-a")
			if err := l.Release(t.Context()); err != nil {
				t.Errorf("Release: got %v, want nil", err)
			}
			if s, err := client(b, "host-b").Status(t.Context(), path); err != nil || s.State != leasehold.Free {
				t.Errorf("got the state %s and %v, want free", s.State, err)
			}
			wantNoDebris(t, zktest.Conn(t, server.Addr()), path)
		})
	}
}

// What is lost stays lost, also when it was not known what had become of a
// renewal.
func TestLostAfterALostReply(t *testing.T) {
	t.Parallel()
	server := zktest.Shared(t)
	for name, take := range map[string]func(t *testing.T, s *zookeeper.Store, path string){
		"released, and acquired by another": func(t *testing.T, s *zookeeper.Store, path string) {
			if err := client(s, "host-a").Release(t.Context(), path); err != nil {
				t.Error(err)
			}
			if _, err := client(s, "host-b").TryAcquire(t.Context(), path, time.Minute); err != nil {
				t.Error(err)
			}
		},
		"released": func(t *testing.T, s *zookeeper.Store, path string) {
			if err := client(s, "host-a").Release(t.Context(), path); err != nil {
				t.Error(err)
			}
		},
		"replaced by kazoo": func(t *testing.T, _ *zookeeper.Store, path string) {
			conn := zktest.Conn(t, server.Addr())
			if err := conn.Delete(path+"/lease_holder", -1); err != nil {
				t.Error(err)
			}
			create(t, conn, path+"/lease_holder", recordOf(t, "host-p", time.Now().Add(time.Minute)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxy := zktest.NewProxy(t, server.Addr())
			path := freshPath(t)
			a := openWith(t, proxy.Addr(), quick)
			l := acquire(t, a, "host-a", path)
			var once sync.Once
			a.BeforeCommit(func() {
				once.Do(func() {
					proxy.DropReplies(true)
					go func() {
						<-proxy.Dropped()
						take(t, open(t, server.Addr()), path)
						proxy.DropReplies(false)
					}()
				})
			})
			if err := l.Renew(t.Context()); !errors.Is(err, leasehold.ErrLost) {
				t.Errorf("got %v, want ErrLost", err)
			}
		})
	}
}
