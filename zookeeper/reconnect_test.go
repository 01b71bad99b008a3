package zookeeper_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/zookeeper"
)

// A connectRequest is how a client asks for a session.
type connectRequest struct {
	zxid     int64 // the newest transaction that it has seen
	session  int64
	password []byte
}

func readConnectRequest(t *testing.T, c net.Conn) connectRequest {
	var head [4]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return connectRequest{}
	}
	frame := make([]byte, binary.BigEndian.Uint32(head[:]))
	if _, err := io.ReadFull(c, frame); err != nil || len(frame) < 44 {
		t.Errorf("got the connect request %x, %v, want 44 bytes at least", frame, err)
		return connectRequest{}
	}
	return connectRequest{
		zxid:    int64(binary.BigEndian.Uint64(frame[4:])),
		session: int64(binary.BigEndian.Uint64(frame[16:])), password: frame[28:44],
	}
}

// A session goes on where it was, and on no server that has seen less than it:
// the newest transaction that any answer told of, be it a refusal, and not that
// of the last. Its next session begins with nothing.
func TestReconnect(t *testing.T) {
	t.Parallel()
	password := bytes.Repeat([]byte{0xa5}, 16)
	asked := make(chan connectRequest, 10)
	var connections atomic.Int64
	i := impersonate(t, func(c net.Conn) {
		asked <- readConnectRequest(t, c)
		connection := connections.Add(1)
		if connection == 3 {
			c.Write(frame(0, 0, int64(0), 16, make([]byte, 16), "\x00")) // the session has expired
			return
		}
		c.Write(frame(0, 3000, int64(0x77), 16, password, "\x00"))
		for _, zxid := range []int64{0x51, 0x55, 0x53} {
			r, ok := readRequest(c)
			if !ok {
				return
			}
			c.Write(frame(int(r.xid), zxid+connection<<8, noNode))
		}
	})
	s, err := zookeeper.Open(t.Context(), "zk://"+i.Addr().String(), &zookeeper.Options{SessionTimeout: 3 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	none := make([]byte, 16)
	for n, want := range []connectRequest{
		{0, 0, none}, {0x155, 0x77, password}, {0x255, 0x77, password}, {0, 0, none},
	} {
		if got := <-asked; got.zxid != want.zxid || got.session != want.session || !bytes.Equal(got.password, want.password) {
			t.Errorf("connection %d: got %#x, want %#x", n+1, got, want)
		}
		switch n {
		case 0, 1:
			for range 3 {
				s.Read(t.Context(), "/x")
			}
		case 2:
			go s.Read(t.Context(), "/x") // which begins another session
		}
	}
}

// The end of a session is asked for again when the connection is lost under it.
func TestGoodbyeIsRepeated(t *testing.T) {
	t.Parallel()
	var connections, goodbyes atomic.Int64
	i := impersonate(t, func(c net.Conn) {
		readRequest(c)
		n := connections.Add(1)
		c.Write(frame(0, 3000, int64(7), 16, make([]byte, 16)))
		for {
			r, ok := readRequest(c)
			if !ok || r.operation == closing && n == 1 {
				return
			}
			if r.operation == closing {
				goodbyes.Add(1)
			}
			c.Write(reply(r, 0))
		}
	})
	addr := i.Addr().String()
	s := open(t, addr+","+addr)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if got := goodbyes.Load(); got != 1 {
		t.Errorf("got %d goodbyes after one that was lost, want 1", got)
	}
}

// A session that no server takes any more is given up: the servers may have
// been restored, and know less than it has seen.
func TestForlornSession(t *testing.T) {
	t.Parallel()
	var connections atomic.Int64
	i := impersonate(t, func(c net.Conn) {
		first := connections.Add(1) == 1
		if r := readConnectRequest(t, c); r.session != 0 {
			return
		}
		c.Write(frame(0, 300, int64(7), 16, make([]byte, 16)))
		for !first {
			r, ok := readRequest(c)
			if !ok {
				return
			}
			c.Write(reply(r, noNode))
		}
	})
	s := openWith(t, i.Addr().String(), &zookeeper.Options{SessionTimeout: 300 * time.Millisecond})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := s.Read(ctx, "/x"); err != nil {
		t.Errorf("got %v, want an answer in a new session", err)
	}
}

// What is not to be forgotten halfway is not sent once a connection is back,
// when nobody waits for it any more.
func TestAskAtOnce(t *testing.T) {
	t.Parallel()
	proxy := zktest.NewProxy(t, zktest.Shared(t).Addr())
	s := open(t, proxy.Addr())
	if s.AskAtOnce() {
		t.Error("connected: got nothing sent, want it asked")
	}
	proxy.Cut()
	eventually(t, func() error {
		if !s.AskAtOnce() {
			return errors.New("not connected: got it asked, want nothing sent")
		}
		return nil
	})
}

// All addresses of a name are tried, whatever some of them are.
func TestAllAddresses(t *testing.T) { // not in parallel: the resolver is everybody's
	user := zookeeper.Options{Auth: zookeeper.Auth{Scheme: zookeeper.Digest, User: "bob", Password: "hunter2"}}
	good := answers(func(r request) []byte { return reply(r, 0) })
	resolver := net.DefaultResolver
	defer func() { net.DefaultResolver = resolver }()
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go nameServer(server, [4]byte{127, 0, 0, 1}, [4]byte{127, 0, 0, 2})
		return client, nil
	}}
	for name, bad := range map[string]func(net.Conn){
		"hangs up":             func(c net.Conn) { readRequest(c) },
		"refuses all who come": answers(func(r request) []byte { return reply(r, -115) }),
	} {
		sick := impersonate(t, bad)
		_, port, err := net.SplitHostPort(sick.Addr().String()) // at 127.0.0.1
		if err != nil {
			t.Fatal(err)
		}
		well, err := net.Listen("tcp", "127.0.0.2:"+port)
		if err != nil {
			t.Fatal(err)
		}
		serveAt(t, well, good)
		begin := time.Now()
		for range 16 { // they are in another order each time
			s := openWith(t, "zookeeper.example.:"+port, &user)
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("one %s: got 16 sessions in %s, want no wait for the other address", name, took)
		}
	}
}

// nameServer answers the question that comes on c, which has the form of one
// over TCP (RFC 1035, 4.2.2), with addrs.
func nameServer(c net.Conn, addrs ...[4]byte) {
	defer c.Close()
	var size [2]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return
	}
	query := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(c, query); err != nil {
		return
	}
	end := 12 // of the header; then the name, ended by an empty label, and type and class
	for query[end] != 0 {
		end += 1 + int(query[end])
	}
	answer := query[:end+5]
	answer[2], answer[3] = 0x81, 0x80   // an answer, without error
	copy(answer[6:12], make([]byte, 6)) // how many there are
	if answer[end+2] == 1 {             // IPv4
		answer[7] = byte(len(addrs))
		for _, a := range addrs {
			answer = append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4) // the name above, IPv4, Internet, no time to live, 4 bytes
			answer = append(answer, a[:]...)
		}
	}
	c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...))
}
