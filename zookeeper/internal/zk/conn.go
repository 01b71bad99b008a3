package zk

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A conn is a connection to one server that carries a session. Requests are
// answered in the order in which they were sent, or never.
type conn struct {
	netConn     net.Conn
	host, addr  string
	reader      *bufio.Reader
	stepTimeout time.Duration // bound on each step until readLoop
	idleTimeout time.Duration // and since: for the server to send, and to take, something
	report      func(error)   // gets errors, and nil for the first answer
	clock       func() time.Duration
	canLeave    bool         // there is another server, or address, to go to
	received    atomic.Int64 // when something was received last, by clock
	release     func() bool  // to be called when the connection has ended

	// of readLoop
	zxid     int64         // the newest transaction that an answer names
	touched  time.Duration // when the newest request was sent that was answered
	answered bool

	mu      sync.Mutex
	xid     int32
	pending []*Pending               // sent and not answered
	pings   []*Pending               // the pings, likewise
	watches map[string]chan struct{} // by path
	added   []Request                // by AddWatch
	lost    chan struct{}            // closed when the connection is lost
	unsent  []byte                   // for writeLoop
	writing bool                     // writeLoop runs
	leftErr error                    // why we have closed it
	closed  bool
	pinger  *time.Timer
}

// send sends p's request. It does not wait.
func (c *conn) send(p *Pending) {
	frame := p.request.encode()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		p.fail(ErrConnectionLost)
		return
	}
	p.conn, p.sent = c, c.clock()
	if p.request.op == opPing {
		p.xid = xidPing
		c.pings = append(c.pings, p)
	} else {
		c.xid = (c.xid + 1) & 0x7fffffff // the server's own are negative
		p.xid = c.xid
		c.pending = append(c.pending, p)
	}
	if p.request.op == opAddWatch { // the first event may come before the answer
		c.added = append(c.added, p.request)
	}
	setXid(frame, p.xid)
	c.write(frame)
}

// write has writeLoop send b. c.mu is locked.
func (c *conn) write(b []byte) {
	c.unsent = append(c.unsent, b...)
	if !c.writing {
		c.writing = true
		go c.writeLoop()
	}
}

// writeLoop writes until there is nothing more to write.
func (c *conn) writeLoop() {
	for {
		c.mu.Lock()
		b := c.unsent
		c.unsent = nil
		c.writing = len(b) > 0
		c.mu.Unlock()
		if len(b) == 0 {
			return
		}
		c.netConn.SetWriteDeadline(time.Now().Add(c.idleTimeout))
		if _, err := c.netConn.Write(b); err != nil {
			c.leave(err)
			return
		}
	}
}

// leave closes the connection because of err, which ends readLoop.
func (c *conn) leave(err error) {
	c.mu.Lock()
	c.leftErr = cmp.Or(c.leftErr, err)
	c.mu.Unlock()
	c.close()
}

// minSilence is how long a server may take to answer, whoever is impatient.
const minSilence = 300 * time.Millisecond

// leaveIfSilent leaves a connection on which nothing at all has come since the
// moment sent, though something was sent then that is to be answered. The server
// may hang while others answer.
func (c *conn) leaveIfSilent(sent time.Duration) {
	silence := c.clock() - sent
	if c.canLeave && silence >= minSilence && time.Duration(c.received.Load()) < sent {
		c.leave(fmt.Errorf("no answer for %s", silence.Round(time.Millisecond)))
	}
}

// Read notes when something was received.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.netConn.Read(b)
	if n > 0 {
		c.received.Store(int64(c.clock()))
	}
	return n, err
}

// ping keeps the session alive, and makes the server answer, again and again.
func (c *conn) ping() {
	c.send(newPending(nil, Ping()))
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.pinger.Reset(c.idleTimeout / 2)
	}
}

// readLoop handles what the server sends until the connection is lost, and
// returns why.
func (c *conn) readLoop() error {
	defer c.shutDown()
	c.mu.Lock()
	c.pinger = time.AfterFunc(c.idleTimeout/2, c.ping)
	c.mu.Unlock()
	for {
		c.netConn.SetReadDeadline(time.Now().Add(c.idleTimeout))
		frame, err := readFrame(c.reader, maxFrame)
		if err == nil {
			err = c.handleFrame(frame)
		}
		if err != nil {
			return c.describe(err)
		}
	}
}

func (c *conn) handleFrame(frame []byte) error {
	d := decoder{rest: frame}
	xid, zxid, code := d.int32(), d.int64(), d.int32()
	if d.failed {
		return unexpected("a frame of %d bytes", len(frame))
	}
	switch xid {
	case xidPing:
		c.handlePing()
		return nil
	case xidEvent:
		path, err := decodeEvent(d)
		if err == nil {
			c.notifyWatch(path)
		}
		return err
	}
	p, err := c.nextPending(xid)
	if err != nil {
		return err
	}
	c.zxid, c.touched = max(c.zxid, zxid), max(c.touched, p.sent)
	if p.err = codeError(code); p.err == nil {
		p.reply, p.err = decodeReply(p.request, d)
	}
	if isUnexpected(p.err) {
		err, p.err = p.err, ErrConnectionLost
	}
	if r := p.request; r.watch && (p.err == nil || r.op == opExists && errors.Is(p.err, ErrNoNode)) {
		p.reply.Watch = c.addWatch(r.path)
	}
	if p.request.op == opAddWatch {
		p.reply.Watch = c.lost
	}
	close(p.done)
	switch {
	case err != nil:
	case p.err != nil && !IsRejected(p.err):
		c.report(p.err)
	case !c.answered:
		c.answered = true
		c.report(nil)
	}
	return err
}

// handlePing handles the answer to a ping.
func (c *conn) handlePing() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.pings) > 0 {
		c.touched = max(c.touched, c.pings[0].sent)
		close(c.pings[0].done)
		c.pings = c.pings[1:]
	}
}

// nextPending returns the request that is to be answered next, which must be
// xid.
func (c *conn) nextPending(xid int32) (*Pending, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.pending) == 0 || c.pending[0].xid != xid {
		return nil, unexpected("an answer to no request (xid %d)", xid)
	}
	p := c.pending[0]
	c.pending[0] = nil
	c.pending = c.pending[1:]
	return p, nil
}

// addWatch returns a channel that is closed at the next event at path, or when
// the connection is lost.
func (c *conn) addWatch(path string) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	event, ok := c.watches[path]
	if !ok {
		event = make(chan struct{})
		c.watches[path] = event
	}
	return event
}

func (c *conn) notifyWatch(path string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if event, ok := c.watches[path]; ok {
		close(event)
		delete(c.watches, path)
	}
	for _, r := range c.added {
		if path == r.path || strings.HasPrefix(path, strings.TrimSuffix(r.path, "/")+"/") {
			r.changed(path)
		}
	}
}

// shutDown ends the connection and everything that waits for it.
func (c *conn) shutDown() {
	c.close()
	c.release()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.pinger.Stop()
	for _, p := range append(c.pending, c.pings...) {
		p.fail(ErrConnectionLost)
	}
	for _, event := range c.watches {
		close(event)
	}
	close(c.lost)
	c.pending, c.pings, c.watches, c.added, c.unsent = nil, nil, nil, nil, nil
}

// close closes the connection at once. TLS's own Close would first wait for a
// write.
func (c *conn) close() {
	conn := c.netConn
	if encrypted, ok := conn.(*tls.Conn); ok {
		conn = encrypted.NetConn()
	}
	conn.Close()
}

// roundTrip sends a frame and returns the answer, before readLoop.
func (c *conn) roundTrip(frame []byte, limit uint32) ([]byte, error) {
	c.netConn.SetDeadline(time.Now().Add(c.stepTimeout))
	_, writeErr := c.netConn.Write(frame)
	// A server that takes nothing may still say why: with TLS, that it does not
	// accept the client certificate.
	answer, err := readFrame(c.reader, limit)
	return answer, cmp.Or(err, writeErr)
}

// describe adds the host to err. If we have left the connection, the error is
// why.
func (c *conn) describe(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err = cmp.Or(c.leftErr, err)
	var unexpected *ResponseError
	if errors.As(err, &unexpected) {
		unexpected.host = c.host
		return err
	}
	return fmt.Errorf("%s: %w", c.host, err)
}

// closeSession ends the session at the server, and reports whether that was
// answered.
func (c *conn) closeSession(ctx context.Context) bool {
	p := newPending(nil, Request{op: opClose})
	c.send(p)
	select {
	case <-p.done:
		return p.err == nil
	case <-ctx.Done():
		return false
	}
}
