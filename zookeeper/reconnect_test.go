package zookeeper_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

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
