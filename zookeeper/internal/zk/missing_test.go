package zk_test

import (
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/zookeeper/internal/zk"
)

// A missingScene is a session by a clock that goes on when it is told to.
type missingScene struct {
	*zk.Session
	timeout time.Duration
	clock   atomic.Int64
	answers atomic.Int64  // so many more are given
	given   atomic.Int64  // to pings
	expired chan struct{} // closed when the session is to be found expired
}

func (s *missingScene) advance(d time.Duration) { s.clock.Add(int64(d)) }

// serve is the server.
func (s *missingScene) serve(c net.Conn) {
	zktest.ReadRequest(c)
	select {
	case <-s.expired:
		c.Write(zktest.Frame(0, 0, int64(0), 16, make([]byte, 16), "\x00"))
		return
	default:
	}
	c.Write(zktest.Frame(0, int(s.timeout.Milliseconds()), int64(7), 16, make([]byte, 16), "\x00"))
	go func() {
		<-s.expired
		c.Close()
	}()
	for {
		r, ok := zktest.ReadRequest(c)
		if !ok {
			return
		}
		for s.answers.Add(-1) < 0 {
			s.answers.Add(1)
			select {
			case <-time.After(time.Millisecond):
			case <-s.expired:
				return
			}
		}
		c.Write(zktest.Reply(r, 0, 1, "/"))
		if r.Xid == -2 {
			s.given.Add(1)
		}
	}
}

// When a session has expired, time is missing if too little of it has passed by
// our own clock since a request was sent that was answered, a ping too.
func TestTimeMissing(t *testing.T) {
	t.Parallel()
	const noPings = 10 * time.Minute
	for name, test := range map[string]struct {
		timeout       time.Duration
		during        func(t *testing.T, s *missingScene)
		missing, lost bool
	}{
		"the clock stood still": {noPings, func(t *testing.T, s *missingScene) {}, true, true},
		"it all but went on":    {noPings, func(t *testing.T, s *missingScene) { s.advance(noPings - 1) }, true, true},
		"it went on":            {noPings, func(t *testing.T, s *missingScene) { s.advance(noPings) }, false, true},
		"a ping was answered": {time.Second, func(t *testing.T, s *missingScene) {
			s.advance(time.Minute)
			before := s.given.Load()
			eventually(t, func() error {
				if s.given.Load() < before+3 {
					return errors.New("no pings")
				}
				return nil
			})
		}, true, true},
		"a request was answered": {noPings, func(t *testing.T, s *missingScene) {
			s.advance(noPings)
			if _, err := s.Do(t.Context(), zk.Sync("/")); err != nil {
				t.Error(err)
			}
		}, true, true},
		"a request was answered late": {noPings, func(t *testing.T, s *missingScene) {
			s.answers.Store(0)
			p := s.Send(zk.Sync("/"))
			s.advance(noPings)
			s.answers.Store(1)
			if _, err := p.Wait(t.Context()); err != nil {
				t.Error(err)
			}
		}, false, true},
		"we have ended it": {noPings, func(t *testing.T, s *missingScene) { s.End() }, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &missingScene{timeout: test.timeout, expired: make(chan struct{})}
			s.clock.Store(int64(time.Hour))
			s.answers.Store(1000)
			var missing, lost atomic.Bool
			s.Session = begin(t, zk.Config{
				Hosts: []string{zktest.StartFake(t, s.serve).Address()}, Timeout: test.timeout,
				Clock:  func() time.Duration { return time.Duration(s.clock.Load()) },
				OnLost: func() { lost.Store(true) }, OnTimeMissing: func() { missing.Store(true) },
			})
			if err := s.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			test.during(t, s)
			close(s.expired)
			select {
			case <-s.Over():
			case <-time.After(20 * time.Second):
				t.Fatal("the session goes on after 20 s, want it over")
			}
			if got := missing.Load(); got != test.missing {
				t.Errorf("got time missing: %t, want %t", got, test.missing)
			}
			if got := lost.Load(); got != test.lost {
				t.Errorf("got told of a loss of the connection: %t, want %t", got, test.lost)
			}
		})
	}
}
