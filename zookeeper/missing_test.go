package zookeeper_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/clock"
	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/zookeeper"
)

// A holder's machine is paused until its session has expired, and another host
// has the lease. It learns of that as soon as it is connected again, and that
// time is missing if its clocks stood still.
func TestPausedMachine(t *testing.T) {
	t.Parallel()
	for name, stoodStill := range map[string]bool{"the clocks stood still": true, "the clocks went on": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := zktest.Shared(t)
			path := freshPath(t)
			proxy := zktest.NewProxy(t, server.Addr())
			s := openWith(t, proxy.Addr(), &zookeeper.Options{SessionTimeout: time.Second})
			var stopped atomic.Int64
			s.UseClock(func() time.Duration {
				if at := stopped.Load(); at != 0 {
					return time.Duration(at)
				}
				return clock.Shared()
			})
			l := acquire(t, s, "host-a", path)
			err := l.Hold(t.Context(), func(ctx context.Context) error {
				proxy.Mute(true)
				if stoodStill {
					stopped.Store(int64(clock.Shared()))
				}
				other := open(t, server.Addr())
				if err := client(other, "admin").ForceRelease(t.Context(), path, l.Token()); err != nil {
					return err
				}
				acquire(t, other, "host-b", path)
				time.Sleep(2500 * time.Millisecond) // the server ends the session
				if got := l.Remaining(); got == 0 {
					t.Error("Remaining while nobody can know better: got 0, want some")
				}
				proxy.Mute(false)
				from := time.Now()
				<-ctx.Done()
				if took := time.Since(from); took > 8*time.Second {
					t.Errorf("told after %s, want at the next connection", took)
				}
				return nil
			})
			if !errors.Is(err, leasehold.ErrLost) || !strings.Contains(err.Error(), "host-b") {
				t.Errorf("got error %v, want the lease lost to host-b", err)
			}
			if got := !s.TimeMissing().IsZero(); got != stoodStill {
				t.Errorf("got time missing: %t, want %t", got, stoodStill)
			}
		})
	}
}

// A lease in doubt that is still the holder's is confirmed in a new session, and
// its end goes by the servers' clock again.
func TestDoubtIsResolved(t *testing.T) {
	t.Parallel()
	proxy := zktest.NewProxy(t, zktest.Shared(t).Addr())
	s := openWith(t, proxy.Addr(), &zookeeper.Options{SessionTimeout: time.Second})
	at := clock.Shared()
	s.UseClock(func() time.Duration { return at }) // it stands still for good
	l := acquire(t, s, "host-a", freshPath(t))
	proxy.Cut()
	time.Sleep(2500 * time.Millisecond)
	proxy.Restore()
	if err := l.Renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.TimeMissing().IsZero() || l.Remaining() == 0 {
		t.Errorf("got time missing at %v and %s remaining, want time missing, and the lease confirmed since", s.TimeMissing(), l.Remaining())
	}
}

// Whether a renewal is late is up to the servers' clock as well: ours may have
// stood still.
func TestRenewalAfterAPause(t *testing.T) {
	t.Parallel()
	server := zktest.Shared(t)
	s := open(t, server.Addr())
	path := freshPath(t)
	held := acquireFor(t, s, "host-a", path, 5*time.Second)
	held.Stamp.At = held.Stamp.At.Add(-time.Hour) // so an hour more seems to be left
	create(t, zktest.Conn(t, server.Addr()), path+"/0123456789abcdef0123456789abcdef__lock__0000000099", "")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := s.Renew(ctx, held, []byte(recordOf(t, "host-a", time.Now().Add(time.Minute)))); !errors.Is(err, leasehold.ErrOutcomeUnknown) {
		t.Errorf("got %v, want no reliance on it while a client of kazoo is at work", err)
	}
}

// A client of kazoo whose clock is ahead, within the limit, takes the lease to be
// over before its end: by so much earlier a renewal is late.
func TestRenewalIsLateByTheMargin(t *testing.T) {
	t.Parallel()
	server := zktest.Shared(t)
	s := open(t, server.Addr())
	path := freshPath(t)
	c := client(s, "host-a")
	c.MaxClockSkew = 12 * time.Second
	l, err := c.TryAcquire(t.Context(), path, 20*time.Second) // Lag is 10 s
	if err != nil {
		t.Fatal(err)
	}
	create(t, zktest.Conn(t, server.Addr()), path+"/0123456789abcdef0123456789abcdef__lock__0000000099", "")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := l.Renew(ctx); !errors.Is(err, leasehold.ErrOutcomeUnknown) {
		t.Errorf("got %v, want no reliance on it while a client of kazoo is at work", err)
	}
}
