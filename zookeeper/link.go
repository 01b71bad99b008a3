package zookeeper

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/go-zookeeper/zk"
)

// A link is a connection to one server that carries a session. What is asked on
// it is answered on it, in the same order, or never.
type link struct {
	conn    net.Conn
	raw     syscall.RawConn // of conn; nil with TLS
	host    string
	frames  frames
	step    time.Duration // bound on each wait before serve
	silence time.Duration // and since: the longest for the server to send or to take anything
	note    func(error)   // told by nil that a request was answered
	release func() bool   // to be called when it has ended

	// of the reader
	zxid     int64 // the newest transaction that an answer has told of
	answered bool

	mu      sync.Mutex
	xid     int32
	asked   []*question              // sent and not answered
	watches map[string]chan struct{} // by path
	unsent  []byte                   // what the writer has yet to send
	writing bool                     // there is a writer
	failure error                    // to write
	broken  bool
	pinger  *time.Timer
}

// A question is a request that was sent.
type question struct {
	request
	xid   int32
	done  chan struct{} // closed once there is reply or err
	reply reply
	err   error
}

// send asks the server. It does not wait.
func (l *link) send(r request) *question {
	q := &question{request: r, done: make(chan struct{})}
	frame := r.frame()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken {
		q.err = zk.ErrConnectionClosed
		close(q.done)
		return q
	}
	l.xid = (l.xid + 1) & 0x7fffffff // the server's own are negative
	q.xid = l.xid
	number(frame, q.xid)
	l.asked = append(l.asked, q)
	l.write(frame)
	return q
}

// write sends b at once if the connection's buffer has room, which it has unless
// the server has been silent for long, or else has a writer send it. On TLS,
// where a write that was begun has to be ended, it is always the writer.
func (l *link) write(b []byte) {
	if l.raw != nil && !l.writing {
		n, err := writeNow(l.raw, b)
		if err != nil {
			l.fail(err)
			return
		}
		b = b[n:]
	}
	if len(b) == 0 {
		return
	}
	l.unsent = append(l.unsent, b...)
	if !l.writing {
		l.writing = true
		go l.writeUnsent()
	}
}

func (l *link) writeUnsent() {
	for {
		l.mu.Lock()
		b := l.unsent
		l.unsent = nil
		l.writing = len(b) > 0
		l.mu.Unlock()
		if len(b) == 0 {
			return
		}
		l.conn.SetWriteDeadline(time.Now().Add(l.silence))
		_, err := l.conn.Write(b)
		l.conn.SetWriteDeadline(time.Time{}) // which writeNow heeds too
		if err != nil {
			l.mu.Lock()
			l.fail(err)
			l.mu.Unlock()
			return
		}
	}
}

// fail has the reader end the connection because of err.
func (l *link) fail(err error) {
	if l.failure == nil {
		l.failure = err
	}
	l.close()
}

var ping = endFrame(beginFrame(opPing, xidPing))

// ping tells the server that the session lives, and makes it answer, again and
// again.
func (l *link) ping() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.broken {
		l.write(ping)
		l.pinger.Reset(l.silence / 2)
	}
}

// serve takes in the server's answers until the connection is lost, and returns
// why.
func (l *link) serve() error {
	defer l.breakOff()
	l.mu.Lock()
	l.pinger = time.AfterFunc(l.silence/2, l.ping)
	l.mu.Unlock()
	for {
		l.conn.SetReadDeadline(time.Now().Add(l.silence))
		frame, err := l.frames.next(maxFrame)
		if err == nil {
			err = l.take(frame)
		}
		if err != nil {
			return l.named(err)
		}
	}
}

// take takes in one frame.
func (l *link) take(frame []byte) error {
	answer := cursor{rest: frame}
	xid, zxid, code := answer.int32(), answer.int64(), answer.int32()
	if answer.broken {
		return unfit("a frame of %d bytes", len(frame))
	}
	switch xid {
	case xidPing:
		return nil
	case xidEvent:
		path, err := parseEvent(answer)
		if err == nil {
			l.fire(path)
		}
		return err
	}
	q, err := l.next(xid)
	if err != nil {
		return err
	}
	l.zxid = max(l.zxid, zxid)
	if q.err = codeError(code); q.err == nil {
		q.reply, q.err = parseResult(q.request, answer)
	}
	if unfit := (*unfitError)(nil); errors.As(q.err, &unfit) {
		err, q.err = q.err, zk.ErrConnectionClosed
	}
	if q.watch && (q.err == nil || q.operation == opExists && errors.Is(q.err, zk.ErrNoNode)) {
		q.reply.event = l.watch(q.path)
	}
	close(q.done)
	if !l.answered && err == nil {
		l.answered = true
		l.note(nil)
	}
	return err
}

// next returns the question that is to be answered now, which must be xid.
func (l *link) next(xid int32) (*question, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.asked) == 0 || l.asked[0].xid != xid {
		return nil, unfit("an answer to no request (xid %d)", xid)
	}
	q := l.asked[0]
	l.asked[0] = nil
	l.asked = l.asked[1:]
	return q, nil
}

// watch returns what is closed at the next event at path, or when the
// connection is lost.
func (l *link) watch(path string) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	event, ok := l.watches[path]
	if !ok {
		event = make(chan struct{})
		l.watches[path] = event
	}
	return event
}

func (l *link) fire(path string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if event, ok := l.watches[path]; ok {
		close(event)
		delete(l.watches, path)
	}
}

// breakOff ends the connection and all that goes over it.
func (l *link) breakOff() {
	l.close()
	l.release()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = true
	l.pinger.Stop()
	for _, q := range l.asked {
		q.err = zk.ErrConnectionClosed
		close(q.done)
	}
	for _, event := range l.watches {
		close(event)
	}
	l.asked, l.watches, l.unsent = nil, nil, nil
}

// close ends the connection at once, also where TLS would still say goodbye.
func (l *link) close() {
	conn := l.conn
	if encrypted, ok := conn.(*tls.Conn); ok {
		conn = encrypted.NetConn()
	}
	conn.Close()
}

// exchange sends a frame and returns the one that answers, before serve.
func (l *link) exchange(frame []byte, most uint32) ([]byte, error) {
	l.conn.SetDeadline(time.Now().Add(l.step))
	_, failed := l.conn.Write(frame)
	// Whoever takes nothing may still say why: with TLS, that it does not
	// accept the client certificate.
	answer, err := l.frames.next(most)
	return answer, cmp.Or(err, failed)
}

// named adds to err who it is about. Of a connection that was ended for what
// could not be written, it is that.
func (l *link) named(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failure != nil {
		err = l.failure
	}
	if unfit := (*unfitError)(nil); errors.As(err, &unfit) {
		unfit.host = l.host
		return err
	}
	return fmt.Errorf("%s: %w", l.host, err)
}

// goodbye ends the session at the server, and reports whether it has.
func (l *link) goodbye(ctx context.Context) bool {
	q := l.send(request{operation: opClose})
	select {
	case <-q.done:
		return q.err == nil
	case <-ctx.Done():
		return false
	}
}
