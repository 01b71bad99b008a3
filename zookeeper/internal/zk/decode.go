package zk

import (
	"encoding/binary"
	"time"
)

// The xids of what the server sends without a request, and of pings.
const (
	xidEvent = -1
	xidPing  = -2
)

// MinTimeout is the least session timeout that a server may give.
const MinTimeout = 100 * time.Millisecond

const maxPassword = 64 // bytes, of a session; ZooKeeper's have 16

// A connectResponse is the answer to a connect request.
type connectResponse struct {
	timeout  time.Duration
	session  int64 // 0: the one that was asked for has expired
	password []byte
}

// decodeConnectResponse reads the answer to a connect request for the session
// resumed, 0 for a new one.
func decodeConnectResponse(frame []byte, resumed int64) (connectResponse, error) {
	d := decoder{rest: frame}
	d.int32() // protocol version
	r := connectResponse{timeout: time.Duration(d.int32()) * time.Millisecond, session: d.int64(), password: d.bytes()}
	switch {
	case d.failed:
		return r, unexpected("a connect response of %d bytes", len(frame))
	case r.session == 0 && resumed != 0:
		return r, nil
	case r.session == 0, resumed != 0 && r.session != resumed:
		return r, unexpected("session %#x where %#x was asked for", r.session, resumed)
	case r.timeout < MinTimeout:
		return r, unexpected("a session timeout of %s", r.timeout)
	case len(r.password) > maxPassword:
		return r, unexpected("a session password of %d bytes", len(r.password))
	}
	return r, nil
}

// decodeEvent returns the path of the node whose watch was triggered.
func decodeEvent(d decoder) (path string, err error) {
	kind := d.int32()
	d.int32() // state
	path = string(d.bytes())
	if d.failed {
		return "", unexpected("an event that ends early")
	}
	if kind < 1 || kind > 7 { // Watcher.Event.EventType
		return "", unexpected("an event of type %d", kind)
	}
	return path, nil
}

// decodeReply reads what follows the header of a successful answer to r. What
// comes after that is for newer clients. err is the first error of a
// transaction's operations.
func decodeReply(r Request, d decoder) (reply Reply, err error) {
	switch r.op {
	case opClose, opAddWatch:
	case opSync:
		d.bytes()
	case opExists:
		reply.Stat = d.stat()
	case opGetData:
		reply.Data, _ = d.nullable()
		reply.Stat = d.stat()
	case opGetACL:
		for n := d.count(); n > 0 && !d.failed; n-- {
			reply.ACL = append(reply.ACL, ACL{Perms: d.int32(), Scheme: string(d.bytes()), ID: string(d.bytes())})
		}
		reply.Stat = d.stat()
	case opGetChildren:
		for n := d.count(); n > 0 && !d.failed; n-- {
			reply.Children = append(reply.Children, string(d.bytes()))
		}
		reply.Stat = d.stat()
	case opMulti:
		reply.Results, err = d.results(r.ops)
	}
	if d.failed {
		return Reply{}, unexpected("an answer to operation %d that ends early or is malformed", r.op)
	}
	return reply, err
}

// A decoder goes through a frame. Once something is missing, all that follows
// is.
type decoder struct {
	rest   []byte
	failed bool
}

func (d *decoder) take(n int) []byte {
	if n < 0 || n > len(d.rest) {
		d.fail()
		return nil
	}
	b := d.rest[:n:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) fail() { d.rest, d.failed = nil, true }

func (d *decoder) int32() int32 {
	if b := d.take(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

func (d *decoder) int64() int64 {
	if b := d.take(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

// bytes are a string's or a buffer's.
func (d *decoder) bytes() []byte { return d.take(int(d.int32())) }

// nullable are those of a buffer that may be null; ok is false if it is.
func (d *decoder) nullable() (b []byte, ok bool) {
	n := d.int32()
	if n == -1 {
		return nil, false
	}
	return d.take(int(n)), true
}

// count is the number of elements of a list.
func (d *decoder) count() int32 {
	n := d.int32()
	if n < 0 {
		d.fail()
	}
	return n
}

func (d *decoder) stat() *Stat {
	return &Stat{
		Czxid: d.int64(), Mzxid: d.int64(), Ctime: d.int64(), Mtime: d.int64(),
		Version: d.int32(), Cversion: d.int32(), Aversion: d.int32(), EphemeralOwner: d.int64(),
		DataLength: d.int32(), NumChildren: d.int32(), Pzxid: d.int64(),
	}
}

// results are those of a transaction: one for each of ops, with a header, and
// one more header. err is the first of their errors.
func (d *decoder) results(ops []Op) (results []Result, err error) {
	for _, op := range ops {
		kind, _ := d.opHeader()
		var r Result
		switch {
		case kind == opError:
			r.Err = codeError(d.int32())
		case kind != op.code():
			d.fail()
		case kind == opCreate:
			if r.Path = string(d.bytes()); r.Path == "" {
				d.fail()
			}
		case kind == opSetData:
			r.Stat = d.stat()
		}
		if err == nil {
			err = r.Err
		}
		results = append(results, r)
	}
	if _, end := d.opHeader(); !end {
		d.fail()
	}
	return results, err
}

func (d *decoder) opHeader() (kind int32, end bool) {
	kind = d.int32()
	flag := d.take(1)
	d.int32() // the error, once more
	return kind, !d.failed && flag[0] != 0
}
