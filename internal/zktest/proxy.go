package zktest

import (
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A Proxy stands between clients and a server, and does to their connections
// what networks do. Its methods are safe for concurrent use.
type Proxy struct {
	target, addr string

	mu       sync.Mutex
	changed  *sync.Cond // broadcast when anything below changes
	listener net.Listener
	links    map[*link]bool
	muted    bool
	holding  bool          // requests
	commits  bool          // hold them only from a multi on
	passing  int           // so many more before any is held
	dropping bool          // replies
	held     chan struct{} // closed at the first bytes held since HoldRequests
	dropped  chan struct{} // closed at the first bytes dropped since DropReplies

	running sync.WaitGroup
}

// NewProxy starts a proxy to target ("host:port") that ends with the test.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	p := &Proxy{
		target: target, addr: ReservePort(t), links: map[*link]bool{},
		held: make(chan struct{}), dropped: make(chan struct{}),
	}
	p.changed = sync.NewCond(&p.mu)
	if err := p.listen(); err != nil {
		t.Fatalf("start a proxy: %v", err)
	}
	t.Cleanup(func() {
		p.Cut()
		p.running.Wait()
	})
	return p
}

// Addr returns the address for clients to connect to, "127.0.0.1:port".
func (p *Proxy) Addr() string { return p.addr }

// Connections returns how many connections there are.
func (p *Proxy) Connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.links)
}

// Cut closes all connections and refuses new ones. What the proxy still held
// is lost.
func (p *Proxy) Cut() {
	p.set(func() {
		if p.listener != nil {
			stopListening(p.listener)
			p.listener = nil
		}
		for l := range p.links {
			l.close()
		}
	})
}

// stopListening closes a listener while no child process of ours is between fork
// and exec: it would have a copy, in whose way nobody could listen on the same port.
func stopListening(l net.Listener) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	l.Close()
}

// Restore accepts connections again after Cut.
func (p *Proxy) Restore() {
	if err := p.listen(); err != nil {
		panic(err)
	}
}

// Mute, while it is on, accepts connections and forwards nothing. When it
// goes off, everything is forwarded late, as after a stall of the network.
func (p *Proxy) Mute(on bool) { p.set(func() { p.muted = on }) }

// HoldRequests, while it is on, keeps what clients send from the server. When
// it goes off, it is forwarded late; after Cut it is lost, after Strand it waits for Deliver.
func (p *Proxy) HoldRequests(on bool) { p.hold(on, false, 0) }

// HoldRequestsAfter is HoldRequests(true) once n more requests have passed.
func (p *Proxy) HoldRequestsAfter(n int) { p.hold(true, false, n) }

// HoldCommits is HoldRequests, but lets a connection's requests pass until
// there is a multi among them: what was read to decide on it grows old
// meanwhile.
func (p *Proxy) HoldCommits(on bool) { p.hold(on, true, 0) }

func (p *Proxy) hold(on, commits bool, passing int) {
	p.set(func() {
		if on && !p.holding {
			p.held = make(chan struct{})
		}
		p.holding, p.commits, p.passing = on, commits, passing
	})
}

// Held returns a channel that is closed once a client has sent something that
// the proxy holds since it was last told to hold anything.
func (p *Proxy) Held() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held
}

// DropReplies, while it is on, swallows what the server sends: requests are
// carried out, and nobody learns of it. When it goes off, connections that
// have lost something are closed.
func (p *Proxy) DropReplies(on bool) {
	p.set(func() {
		if on && !p.dropping {
			p.dropped = make(chan struct{})
		}
		p.dropping = on
		for l := range p.links {
			if !on && l.lossy {
				l.close()
			}
		}
	})
}

// Dropped returns a channel that is closed once a reply has been swallowed
// since DropReplies(true): the server has carried a request out.
func (p *Proxy) Dropped() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dropped
}

// Strand closes the clients' ends of all connections and keeps what
// HoldRequests holds on them, as a network does that delivers packets long
// after their sender has given up. New connections are as usual.
func (p *Proxy) Strand() {
	p.set(func() {
		for l := range p.links {
			l.stranded = true
			l.client.Close()
		}
	})
}

// Deliver passes what was stranded on to the server and returns when it is on
// its way.
func (p *Proxy) Deliver() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.delivering = l.stranded
	}
	p.changed.Broadcast()
	for p.delivering() {
		p.changed.Wait()
	}
}

func (p *Proxy) delivering() bool {
	for l := range p.links {
		if l.delivering {
			return true
		}
	}
	return false
}

func (p *Proxy) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
	p.changed.Broadcast()
}

func (p *Proxy) listen() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil {
		return nil
	}
	listener, err := net.Listen("tcp", p.addr)
	if err != nil {
		return err
	}
	p.listener = listener
	p.running.Go(func() { p.accept(listener) })
	return nil
}

func (p *Proxy) accept(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		server, err := net.DialTimeout("tcp", p.target, 10*time.Second)
		if err != nil { // the server is down: so is the connection
			client.Close()
			continue
		}
		p.link(client, server, listener)
	}
}

// A link is one connection of a client, and the server's that belongs to it.
// Its proxy's mutex guards it.
type link struct {
	client, server net.Conn
	closed         bool
	lossy          bool // a reply was dropped
	stranded       bool // the client is gone, its requests are to come
	delivering     bool // these may pass now
}

func (l *link) close() {
	l.closed = true
	l.client.Close()
	l.server.Close()
}

func (p *Proxy) link(client, server net.Conn, listener net.Listener) {
	l := &link{client: client, server: server}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != listener { // Cut came first
		l.close()
		return
	}
	p.links[l] = true
	p.running.Go(func() {
		l.copy(&requests{client: client}, server, func(request []byte) bool { return p.passRequest(l, request) })
		p.set(func() { // nothing more to come, and all that came is delivered
			l.close()
			delete(p.links, l)
		})
	})
	p.running.Go(func() {
		l.copy(server, client, func([]byte) bool { return p.passReply(l) })
		p.set(func() {
			if !l.stranded {
				l.client.Close() // which ends the other direction
			}
		})
	})
}

// copy forwards what pass lets through, until either end is closed.
func (l *link) copy(from io.Reader, to io.Writer, pass func([]byte) bool) {
	buf := make([]byte, maxRequest)
	for {
		n, err := from.Read(buf)
		if n > 0 && pass(buf[:n]) {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// passRequest waits until a request of the client may go on, and reports
// whether it still can.
func (p *Proxy) passRequest(l *link, request []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for !l.closed && !l.delivering {
		hold := p.holding && (!p.commits || isMulti(request))
		if hold && p.passing > 0 {
			p.passing--
			hold = false
		}
		if !hold && !p.muted && !l.stranded {
			break
		}
		if hold {
			closeOnce(p.held)
		}
		p.changed.Wait()
	}
	return !l.closed
}

// passReply does so for bytes from the server.
func (p *Proxy) passReply(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for !l.closed && p.muted {
		p.changed.Wait()
	}
	if !l.closed && p.dropping {
		l.lossy = true
		closeOnce(p.dropped)
	}
	return !l.closed && !l.lossy
}

// closeOnce closes c unless it is closed; the proxy's mutex is held.
func closeOnce(c chan struct{}) {
	select {
	case <-c:
	default:
		close(c)
	}
}
