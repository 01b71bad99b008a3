package zktest

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
)

// A Fake accepts connections in ZooKeeper's place.
type Fake struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
	busy  sync.WaitGroup
}

// StartFake serves each connection by serve, in a goroutine that ends with the
// test.
func StartFake(t testing.TB, serve func(net.Conn)) *Fake {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return StartFakeAt(t, listener, serve)
}

// StartFakeAt is StartFake at a place of the caller's choice.
func StartFakeAt(t testing.TB, listener net.Listener, serve func(net.Conn)) *Fake {
	f := &Fake{Listener: listener}
	f.busy.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			f.mu.Lock()
			f.conns = append(f.conns, c)
			f.mu.Unlock()
			f.busy.Go(func() {
				defer c.Close()
				serve(c)
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		f.mu.Lock()
		for _, c := range f.conns {
			c.Close()
		}
		f.mu.Unlock()
		f.busy.Wait()
	})
	return f
}

// Address is host:port.
func (f *Fake) Address() string { return f.Listener.Addr().String() }

// A Request as it arrives.
type Request struct{ Xid, Op int32 }

// The types of some requests (ZooDefs.OpCode).
const (
	OpSync  = 9
	OpMulti = multi
	OpClose = -11
)

// ReadRequest reads one; ok is false at the connection's end, and if it is the
// question why there is no session.
func ReadRequest(c net.Conn) (r Request, ok bool) {
	var head [4]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return r, false
	}
	if string(head[:]) == "srvr" {
		return r, false
	}
	frame := make([]byte, binary.BigEndian.Uint32(head[:]))
	if _, err := io.ReadFull(c, frame); err != nil || len(frame) < 8 {
		return r, err == nil
	}
	return Request{int32(binary.BigEndian.Uint32(frame)), int32(binary.BigEndian.Uint32(frame[4:]))}, true
}

// Encode encodes values as ZooKeeper does; a string as its bytes alone.
func Encode(values ...any) []byte {
	var b []byte
	for _, v := range values {
		switch v := v.(type) {
		case int:
			b = binary.BigEndian.AppendUint32(b, uint32(v))
		case int64:
			b = binary.BigEndian.AppendUint64(b, uint64(v))
		case string:
			b = append(b, v...)
		case []byte:
			b = append(b, v...)
		}
	}
	return b
}

// Frame is Encode with the length before it.
func Frame(values ...any) []byte {
	b := Encode(values...)
	return append(Encode(len(b)), b...)
}

// Reply is the answer to r, with an error code that may be 0.
func Reply(r Request, code int, body ...any) []byte {
	return Frame(int(r.Xid), int64(1), code, Encode(body...))
}

// Stat is that of a node, all zeros.
var Stat = make([]byte, 68)

// ConnectResponse begins the session 7, with a timeout of 3 s.
var ConnectResponse = Frame(0, 3000, int64(7), 16, make([]byte, 16), "\x00")

// HandleRequests returns a server that begins a session, and then does f with
// each request. It answers pings, and the end of the session, itself.
func HandleRequests(f func(c net.Conn, r Request)) func(net.Conn) {
	return func(c net.Conn) {
		if _, ok := ReadRequest(c); !ok {
			return
		}
		c.Write(ConnectResponse)
		for {
			r, ok := ReadRequest(c)
			switch {
			case !ok:
				return
			case r.Xid == -2 || r.Op == OpClose:
				c.Write(Reply(r, 0))
			default:
				f(c, r)
			}
		}
	}
}

// AnswerRequests returns a server that begins a session, and sends what answer
// returns.
func AnswerRequests(answer func(r Request) []byte) func(net.Conn) {
	return HandleRequests(func(c net.Conn, r Request) { c.Write(answer(r)) })
}
