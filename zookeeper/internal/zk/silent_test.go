package zk_test

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/zookeeper/internal/zk"
)

// A connection on which nothing at all came in the time that a call had is left
// for another server, in the same session.
func TestSilentServerIsLeft(t *testing.T) {
	t.Parallel()
	deadline := func(d time.Duration) func(*testing.T) (context.Context, context.CancelFunc) {
		return func(t *testing.T) (context.Context, context.CancelFunc) { return context.WithTimeout(t.Context(), d) }
	}
	for name, test := range map[string]struct {
		context func(*testing.T) (context.Context, context.CancelFunc)
		drips   bool // something comes
		alone   bool // there is no other server
		left    bool
	}{
		"silent":          {deadline(400 * time.Millisecond), false, false, true},
		"something comes": {deadline(400 * time.Millisecond), true, false, false},
		"too little time": {deadline(100 * time.Millisecond), false, false, false},
		"no other server": {deadline(400 * time.Millisecond), false, true, false},
		"the caller ceased": {func(t *testing.T) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(400*time.Millisecond, cancel)
			return ctx, cancel
		}, false, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var connections, silent atomic.Int64
			serve := func(c net.Conn) {
				asked := readConnectRequest(t, c)
				n := connections.Add(1)
				if n > 1 && asked.session != 7 {
					t.Errorf("got a request for the session %d, want 7", asked.session)
				}
				c.Write(zktest.Frame(0, 60_000, int64(7), 16, make([]byte, 16), "\x00"))
				for {
					r, ok := zktest.ReadRequest(c)
					switch {
					case !ok:
						return
					case n > 1 || silent.Load() == 0:
						c.Write(zktest.Reply(r, 0, 1, "/"))
					case test.drips:
						c.Write(zktest.Frame(0, 0, 0, "....")[:2]) // the beginning of an answer
					}
				}
			}
			hosts := []string{zktest.StartFake(t, serve).Address(), zktest.StartFake(t, serve).Address()}
			if test.alone {
				hosts = hosts[:1]
			}
			s := open(t, time.Minute, hosts...)
			silent.Store(1)
			ctx, cancel := test.context(t)
			defer cancel()
			if _, err := s.Do(ctx, zk.Sync("/")); ctx.Err() == nil || !errors.Is(err, ctx.Err()) {
				t.Errorf("got error %v, want that of its context", err)
			}
			again, cancelAgain := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancelAgain()
			if !test.left {
				again, cancelAgain = context.WithTimeout(t.Context(), 200*time.Millisecond)
				defer cancelAgain()
			}
			if _, err := s.Do(again, zk.Sync("/")); (err == nil) != test.left {
				t.Errorf("asked again: got error %v, want it answered: %t", err, test.left)
			}
			if got := connections.Load(); got > 1 != test.left {
				t.Errorf("got %d connections, want another one: %t", got, test.left)
			}
		})
	}
}
