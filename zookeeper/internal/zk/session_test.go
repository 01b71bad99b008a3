package zk_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/zookeeper/internal/zk"
)

func TestMain(m *testing.M) { zktest.Main(m) }

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
	if string(head[:]) == "srvr" { // no request, but a question why there is no session
		return connectRequest{session: -1}
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
// of the last. When it has expired it is over.
func TestReconnect(t *testing.T) {
	t.Parallel()
	password := bytes.Repeat([]byte{0xa5}, 16)
	asked := make(chan connectRequest, 10)
	var connections atomic.Int64
	fake := zktest.StartFake(t, func(c net.Conn) {
		asked <- readConnectRequest(t, c)
		connection := connections.Add(1)
		if connection == 3 {
			c.Write(zktest.Frame(0, 0, int64(0), 16, make([]byte, 16), "\x00")) // the session has expired
			return
		}
		c.Write(zktest.Frame(0, 3000, int64(0x77), 16, password, "\x00"))
		for _, zxid := range []int64{0x51, 0x55, 0x53} {
			r, ok := zktest.ReadRequest(c)
			if !ok {
				return
			}
			c.Write(zktest.Frame(int(r.Xid), zxid+connection<<8, noNode))
		}
	})
	s := open(t, 3*time.Second, fake.Address())
	none := make([]byte, 16)
	for n, want := range []connectRequest{{0, 0, none}, {0x155, 0x77, password}, {0x255, 0x77, password}} {
		if got := <-asked; got.zxid != want.zxid || got.session != want.session || !bytes.Equal(got.password, want.password) {
			t.Errorf("connection %d: got %#x, want %#x", n+1, got, want)
		}
		if n < 2 {
			for range 3 {
				s.Do(t.Context(), zk.GetData("/x"))
			}
		}
	}
	if err := s.Wait(t.Context()); err != zk.ErrSessionOver {
		t.Errorf("got %v, want ErrSessionOver", err)
	}
}

// The end of a session is asked for again when the connection is lost under it.
func TestCloseIsRepeated(t *testing.T) {
	t.Parallel()
	var connections, closes atomic.Int64
	fake := zktest.StartFake(t, func(c net.Conn) {
		zktest.ReadRequest(c)
		n := connections.Add(1)
		c.Write(zktest.Frame(0, 3000, int64(7), 16, make([]byte, 16)))
		for {
			r, ok := zktest.ReadRequest(c)
			if !ok || r.Op == zktest.OpClose && n == 1 {
				return
			}
			if r.Op == zktest.OpClose {
				closes.Add(1)
			}
			c.Write(zktest.Reply(r, 0))
		}
	})
	s := open(t, time.Minute, fake.Address(), fake.Address())
	s.Close()
	if got := closes.Load(); got != 1 {
		t.Errorf("got %d answered requests to close after one that was lost, want 1", got)
	}
}

// A session that no server takes any more is given up: the servers may have
// been restored, and know less than it has seen.
func TestStaleSession(t *testing.T) {
	t.Parallel()
	fake := zktest.StartFake(t, func(c net.Conn) {
		if r := readConnectRequest(t, c); r.session == 0 {
			c.Write(zktest.Frame(0, 300, int64(7), 16, make([]byte, 16)))
		}
	})
	s := begin(t, zk.Config{Hosts: []string{fake.Address()}, Timeout: 300 * time.Millisecond})
	select {
	case <-s.Over():
	case <-time.After(20 * time.Second):
		t.Error("the session goes on after 20 s, want it over")
	}
}

// Without a connection, Send sends nothing, now or later.
func TestSendWithoutConnection(t *testing.T) {
	t.Parallel()
	proxy := zktest.NewProxy(t, zktest.Shared(t).Addr())
	s := open(t, time.Minute, proxy.Addr())
	if _, err := s.Send(zk.Sync("/")).Wait(t.Context()); err != nil {
		t.Errorf("connected: got error %v", err)
	}
	proxy.Cut()
	eventually(t, func() error {
		if _, err := s.Send(zk.Sync("/")).Wait(t.Context()); err != zk.ErrNotConnected {
			return fmt.Errorf("not connected: got %v, want ErrNotConnected", err)
		}
		return nil
	})
}

// Requests that are sent together are answered in order, each by what is true
// after those before it.
func TestPipelining(t *testing.T) {
	t.Parallel()
	s := open(t, time.Minute, zktest.Start(t).Addr())
	open := []zk.ACL{{Perms: zk.PermAll, Scheme: "world", ID: "anyone"}}
	var pending []*zk.Pending
	for i := range 100 {
		path := fmt.Sprintf("/n-%d", i)
		pending = append(pending, s.Send(zk.Multi(&zk.Create{Path: path, ACL: open})), s.Send(zk.GetChildren("/")))
	}
	for i, p := range pending {
		r, err := p.Wait(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if want := i/2 + 2; i%2 == 1 && len(r.Children) != want { // one is /zookeeper
			t.Errorf("answer %d: got %d children, want %d", i, len(r.Children), want)
		}
	}
}

// All addresses of a name are tried, whatever some of them are.
func TestAllAddresses(t *testing.T) { // not in parallel: the resolver is everybody's
	bob := zk.Auth{Scheme: zk.Digest, User: "bob", Password: func() string { return "hunter2" }}
	good := zktest.AnswerRequests(func(r zktest.Request) []byte { return zktest.Reply(r, 0) })
	resolver := net.DefaultResolver
	defer func() { net.DefaultResolver = resolver }()
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go nameServer(server, [4]byte{127, 0, 0, 1}, [4]byte{127, 0, 0, 2})
		return client, nil
	}}
	for name, bad := range map[string]func(net.Conn){
		"hangs up":             func(c net.Conn) { zktest.ReadRequest(c) },
		"refuses all who come": zktest.AnswerRequests(func(r zktest.Request) []byte { return zktest.Reply(r, -115) }),
	} {
		sick := zktest.StartFake(t, bad)
		_, port, err := net.SplitHostPort(sick.Addr().String()) // at 127.0.0.1
		if err != nil {
			t.Fatal(err)
		}
		well, err := net.Listen("tcp", "127.0.0.2:"+port)
		if err != nil {
			t.Fatal(err)
		}
		zktest.StartFakeAt(t, well, good)
		begin := time.Now()
		for range 16 { // they are in another order each time
			openWith(t, zk.Config{Hosts: []string{"zookeeper.example.:" + port}, Timeout: 10 * time.Second, Auth: bob}).Close()
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
