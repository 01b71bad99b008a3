package zookeeper

import (
	"encoding/binary"
	"time"
)

// What the server sends unasked, and to pings, has these for an xid.
const (
	xidEvent = -1
	xidPing  = -2
)

// The operations that this package asks for, itself or through the client
// library (ZooDefs.OpCode).
const (
	opCreate      = 1
	opDelete      = 2
	opExists      = 3
	opGetData     = 4
	opSetData     = 5
	opGetACL      = 6
	opSync        = 9
	opGetChildren = 12
	opCheck       = 13
	opMulti       = 14
	opAuth        = 100
	opSetWatches  = 101
	opSASL        = 102
	opClose       = -11
	opError       = -1 // in the result of a multi
)

const (
	statSize    = 68
	maxPassword = 64 // of a session; ZooKeeper's have 16, and the library has room for 228
)

// checkGreeting checks the answer to a connect request for the session
// resumes, 0 for a new one.
func checkGreeting(frame []byte, resumes int64) error {
	answer := cursor{rest: frame}
	answer.int32() // protocol version
	timeout := time.Duration(answer.int32()) * time.Millisecond
	session := answer.int64()
	password := answer.bytes()
	switch {
	case answer.broken:
		return unfit("a greeting of %d bytes", len(frame))
	case session == 0 && resumes != 0: // it has expired
		return nil
	case session == 0, resumes != 0 && session != resumes:
		return unfit("session %#x where %#x was asked for", session, resumes)
	case timeout < minTimeout:
		return unfit("a session timeout of %s", timeout)
	case len(password) > maxPassword:
		return unfit("a session password of %d bytes", len(password))
	}
	return nil
}

// checkEvent lets those events pass that a watch can have. The library would
// take others for changes of its own state.
func checkEvent(answer cursor) error {
	kind := answer.int32()
	answer.int32() // state
	answer.bytes() // path
	if answer.broken {
		return unfit("an event that ends early")
	}
	if kind < 1 || kind > 7 { // Watcher.Event.EventType
		return unfit("an event of type %d", kind)
	}
	return nil
}

// checkResult checks what follows the header of a successful answer. What
// follows the result is for newer clients.
func checkResult(operation int32, answer cursor) error {
	switch operation {
	case opDelete, opAuth, opSetWatches, opClose:
	case opCreate, opSync:
		answer.bytes()
	case opExists, opSetData:
		answer.take(statSize)
	case opGetData:
		answer.nullable()
		answer.take(statSize)
	case opGetACL:
		for n := answer.count(); n > 0 && !answer.broken; n-- {
			answer.take(4) // permissions
			answer.bytes() // scheme
			answer.bytes() // id
		}
		answer.take(statSize)
	case opGetChildren:
		for n := answer.count(); n > 0 && !answer.broken; n-- {
			answer.bytes()
		}
		answer.take(statSize)
	case opMulti:
		answer.results()
	case opSASL:
		answer.nullable()
	default:
		return unfit("an answer to operation %d, which was never asked for", operation)
	}
	if answer.broken {
		return unfit("an answer to operation %d that ends early", operation)
	}
	return nil
}

// A cursor goes through a frame. Once something is missing, everything after
// it is.
type cursor struct {
	rest   []byte
	broken bool
}

func (c *cursor) take(n int) []byte {
	if n < 0 || n > len(c.rest) {
		c.fail()
		return nil
	}
	taken := c.rest[:n]
	c.rest = c.rest[n:]
	return taken
}

func (c *cursor) fail() { c.rest, c.broken = nil, true }

func (c *cursor) int32() int32 {
	if b := c.take(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

func (c *cursor) int64() int64 {
	if b := c.take(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

// bytes are a string's or a buffer's.
func (c *cursor) bytes() []byte { return c.take(int(c.int32())) }

// nullable are those of a buffer that may be null.
func (c *cursor) nullable() {
	if n := c.int32(); n != -1 {
		c.take(int(n))
	}
}

// count is the number of elements of a list.
func (c *cursor) count() int32 {
	n := c.int32()
	if n < 0 {
		c.fail()
	}
	return n
}

// results are those of a multi: each has a header, and the last is only that.
func (c *cursor) results() {
	for !c.broken {
		kind, last := c.int32(), c.take(1)
		c.int32() // the error, once more
		if c.broken || last[0] != 0 {
			return
		}
		switch kind {
		case opCreate:
			c.bytes()
		case opSetData:
			c.take(statSize)
		case opError:
			c.int32()
		case opDelete, opCheck:
		default:
			c.fail()
		}
	}
}
