package zktest

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
)

// maxRequest is more than a server takes (jute.maxbuffer, 1 MiB).
const maxRequest = 2 << 20

// requests reads one whole request of ZooKeeper's protocol at a time. What is
// not of that protocol (TLS, four-letter words) is read as it comes.
type requests struct {
	client net.Conn
	buf    *bufio.Reader
	raw    bool
}

func (r *requests) Read(p []byte) (int, error) {
	if r.buf == nil {
		r.buf = bufio.NewReader(r.client)
	}
	if r.raw {
		return r.buf.Read(p)
	}
	prefix, err := r.buf.Peek(4)
	if err != nil {
		return 0, err
	}
	length := binary.BigEndian.Uint32(prefix)
	if length > maxRequest-4 {
		r.raw = true
		return r.buf.Read(p)
	}
	return io.ReadFull(r.buf, p[:4+length])
}

// multi is the type of a request that is a transaction (ZooDefs.OpCode).
const multi = 14

// isMulti tells by a request's header: its length, its number and its type.
func isMulti(request []byte) bool {
	return len(request) >= 12 && binary.BigEndian.Uint32(request[8:]) == multi
}
