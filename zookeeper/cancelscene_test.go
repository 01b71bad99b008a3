package zookeeper_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/zookeeper"
)

// A cancelScene is everything that TestCancel makes calls on. All of it lasts
// until the test's end.
type cancelScene struct {
	t           *testing.T
	base        string                      // of all paths
	conns       map[*zktest.Server]*zk.Conn // the test's own
	connections map[*zktest.Server]int      // at the start

	mu      sync.Mutex
	sites   []*site
	stores  []*zookeeper.Store
	slowest time.Duration
}

func newCancelScene(t *testing.T, servers ...*zktest.Server) *cancelScene {
	s := &cancelScene{t: t, base: freshPath(t), conns: map[*zktest.Server]*zk.Conn{}, connections: map[*zktest.Server]int{}}
	for _, server := range servers {
		s.conns[server] = zktest.Conn(t, server.Addr())
		s.connections[server] = monitor(t, server, "zk_num_alive_connections")
	}
	return s
}

// hurried is a session that notices soon that its server is silent; each
// renewal takes a second look.
var hurried = &zookeeper.Options{SessionTimeout: 3 * time.Second, Lag: 2 * time.Hour}

func (s *cancelScene) open(address string) *zookeeper.Store {
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	store, err := zookeeper.Open(ctx, "zk://"+address, hurried)
	if err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stores = append(s.stores, store)
	return store
}

func (s *cancelScene) prepare(c cancelledCall, at *site) *site {
	s.mu.Lock()
	at.path = fmt.Sprintf("%s-%d", s.base, len(s.sites))
	s.sites = append(s.sites, at)
	s.mu.Unlock()
	c.prepare(s, at)
	return at
}

// A startedCall is a call under way.
type startedCall struct {
	name   string
	at     *site
	cancel context.CancelFunc
	done   chan struct{}
	err    error // once done
}

func (s *cancelScene) start(ctx context.Context, name string, c cancelledCall, at *site) *startedCall {
	started := &startedCall{name: name + ", " + c.name, at: at, done: make(chan struct{})}
	ctx, started.cancel = context.WithCancel(ctx)
	go func() {
		defer close(started.done)
		started.err = c.do(ctx, at)
	}()
	return started
}

// stop cancels a call, unless it is over, and waits for it.
func (s *cancelScene) stop(c *startedCall) {
	c.cancel()
	from := time.Now()
	select {
	case <-c.done:
	case <-time.After(time.Second): // a timer, which is late itself on a busy machine
		s.t.Errorf("%s: it has not returned 1 s after its context's end", c.name)
		<-c.done
	}
	late := time.Since(from)
	expected := []error{nil, context.Canceled, leasehold.ErrOutcomeUnknown, leasehold.ErrLost}
	if !slices.ContainsFunc(expected, func(e error) bool { return errors.Is(c.err, e) }) {
		s.t.Errorf("%s: got error %v, want one of %v", c.name, c.err, expected)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slowest = max(s.slowest, late)
}

// atEveryRequest cancels a call while its first request is under way, while its
// second is, and so on: before the server has it or, with answered, when the
// server has carried it out.
func (s *cancelScene) atEveryRequest(c cancelledCall, server *zktest.Server, answered bool) {
	for n := 0; ; n++ {
		proxy := zktest.NewProxy(s.t, server.Addr())
		at := s.prepare(c, &site{server: server, addr: proxy.Addr(), store: s.open(proxy.Addr() + c.options)})
		proxy.HoldRequestsAfter(n)
		held := proxy.Held()
		call := s.start(s.t.Context(), fmt.Sprintf("at request %d, answered %t", n, answered), c, at)
		reached := false
		select {
		case <-held:
			reached = true
		case <-call.done: // it took no more requests
		case <-time.After(3 * time.Second): // it waits for something else
		}
		if reached && answered {
			proxy.DropReplies(true)
			proxy.HoldRequests(false)
			<-proxy.Dropped()
		}
		s.stop(call)
		if call.err != nil {
			at.unheld = call.name
		}
		proxy.HoldRequests(false)
		proxy.DropReplies(false)
		if !reached {
			if n < c.requests {
				s.t.Errorf("%s: got %d requests, want %d at least", call.name, n, c.requests)
			}
			return
		}
	}
}

// A trouble is what befalls a server, from on to off.
type trouble struct {
	name    string
	server  *zktest.Server
	addr    string // where clients see it
	on, off func()
}

// during cancels calls that were begun before the trouble, whose store is then
// closed amid it, and calls begun amid it.
func (s *cancelScene) during(trouble *trouble) {
	lasting, closing := s.open(trouble.addr), s.open(trouble.addr+"?guard=off")
	ended, cancel := context.WithCancel(s.t.Context())
	cancel()
	type planned struct {
		call cancelledCall
		at   *site
	}
	var early, late, never []planned
	for _, c := range cancelledCalls {
		for store, plan := range map[*zookeeper.Store][]*[]planned{closing: {&early}, lasting: {&late, &never}} {
			for _, p := range plan {
				*p = append(*p, planned{c, s.prepare(c, &site{server: trouble.server, addr: trouble.addr, store: store})})
			}
		}
	}
	var calls []*startedCall
	for _, p := range early {
		calls = append(calls, s.start(s.t.Context(), "before "+trouble.name, p.call, p.at))
	}
	time.Sleep(300 * time.Millisecond)
	trouble.on()
	for _, p := range late {
		calls = append(calls, s.start(s.t.Context(), "while "+trouble.name, p.call, p.at))
	}
	for _, p := range never {
		calls = append(calls, s.start(ended, "ended, while "+trouble.name, p.call, p.at))
	}
	var cancelled sync.WaitGroup
	for _, c := range calls {
		cancelled.Go(func() {
			time.Sleep(500*time.Millisecond + rand.N(300*time.Millisecond))
			s.stop(c)
		})
	}
	cancelled.Wait()
	closing.Close()
	trouble.off()

	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()
	if _, err := client(lasting, asker).TryAcquire(ctx, s.base+"-after-"+strings.ReplaceAll(trouble.name, " ", "-"), time.Minute); err != nil {
		s.t.Errorf("after %s: got error %v, want a lease", trouble.name, err)
	}
}

// wantNoDebris fails unless there are no lock nodes but those that were put
// there, and no leases of asker that it was not told of. (Where a server was
// away for long, such leases stay: what would undo them gives up in the end.)
func (s *cancelScene) wantNoDebris() {
	for server, conn := range s.conns {
		eventually(s.t, func() error { // a server was away, and the connection to it may still be
			_, _, err := conn.Exists("/")
			return err
		})
		eventually(s.t, func() error {
			if n := monitor(s.t, server, "zk_ephemerals_count"); n > 0 {
				return fmt.Errorf("got %d ephemeral nodes, want none", n)
			}
			return nil
		})
	}
	for _, at := range s.sites {
		conn := s.conns[at.server]
		if at.lockNode != "" {
			if err := conn.Delete(at.lockNode, -1); err != nil {
				s.t.Error(err)
			}
		}
		wantNoDebris(s.t, conn, at.path)
		data, _, _ := conn.Get(at.path + "/lease_holder") // there may be none
		if asks := strings.Contains(string(data), `"`+asker+`"`); asks && at.unheld != "" && !strings.Contains(string(data), "1970-") {
			s.t.Errorf("%s: got the record %s, want the grant undone", at.unheld, data)
		}
	}
}

func (s *cancelScene) closeStores() {
	var closing sync.WaitGroup
	for _, store := range s.stores {
		closing.Go(func() { store.Close() })
	}
	closing.Wait()
}

// wantNoConnections fails unless the servers get back to the connections that
// they had at the start.
func (s *cancelScene) wantNoConnections() {
	for server, want := range s.connections {
		eventually(s.t, func() error {
			if got := monitor(s.t, server, "zk_num_alive_connections"); got > want {
				return fmt.Errorf("got %d connections, want %d", got, want)
			}
			return nil
		})
	}
}

// monitor returns what a server counts by that name.
func monitor(t *testing.T, server *zktest.Server, name string) int {
	t.Helper()
	answer, err := zktest.Ask(server.Addr(), "mntr", 20*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(answer) {
		if key, value, _ := strings.Cut(strings.TrimSpace(line), "\t"); key == name {
			n, err := strconv.Atoi(value)
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			return n
		}
	}
	t.Fatalf("got no %s in %s", name, answer)
	return 0
}
