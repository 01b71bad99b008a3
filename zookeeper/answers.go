package zookeeper

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-zookeeper/zk"
)

// What the server sends unasked, and to pings, has these for an xid.
const (
	xidEvent = -1
	xidPing  = -2
)

const maxPassword = 64 // bytes, of a session; ZooKeeper's have 16

// A greeting is the answer to a connect request.
type greeting struct {
	timeout  time.Duration
	session  int64 // 0: the one that was asked for has expired
	password []byte
}

// parseGreeting reads the answer to a connect request for the session resumes,
// 0 for a new one.
func parseGreeting(frame []byte, resumes int64) (greeting, error) {
	answer := cursor{rest: frame}
	answer.int32() // protocol version
	g := greeting{timeout: time.Duration(answer.int32()) * time.Millisecond, session: answer.int64()}
	g.password = slices.Clone(answer.bytes())
	switch {
	case answer.broken:
		return g, unfit("a greeting of %d bytes", len(frame))
	case g.session == 0 && resumes != 0:
		return g, nil
	case g.session == 0, resumes != 0 && g.session != resumes:
		return g, unfit("session %#x where %#x was asked for", g.session, resumes)
	case g.timeout < minTimeout:
		return g, unfit("a session timeout of %s", g.timeout)
	case len(g.password) > maxPassword:
		return g, unfit("a session password of %d bytes", len(g.password))
	}
	return g, nil
}

// parseEvent returns the path of the node that a watch was on.
func parseEvent(answer cursor) (path string, err error) {
	kind := answer.int32()
	answer.int32() // state
	path = string(answer.bytes())
	if answer.broken {
		return "", unfit("an event that ends early")
	}
	if kind < 1 || kind > 7 { // Watcher.Event.EventType
		return "", unfit("an event of type %d", kind)
	}
	return path, nil
}

// A reply is what a server answers to a request, as far as this has it.
type reply struct {
	data    []byte
	stat    *zk.Stat
	names   []string
	acl     []zk.ACL
	results []zk.MultiResponse
	event   <-chan struct{} // closed once what the request watches may have changed
}

// parseResult reads what follows the header of a successful answer to a request.
// What follows the result is for newer clients. err is the first in a
// transaction that failed.
func parseResult(to request, answer cursor) (r reply, err error) {
	switch to.operation {
	case opClose:
	case opSync:
		answer.bytes()
	case opExists:
		r.stat = answer.stat()
	case opGetData:
		r.data, _ = answer.nullable()
		r.data = slices.Clone(r.data)
		r.stat = answer.stat()
	case opGetACL:
		for n := answer.count(); n > 0 && !answer.broken; n-- {
			r.acl = append(r.acl, zk.ACL{Perms: answer.int32(), Scheme: string(answer.bytes()), ID: string(answer.bytes())})
		}
		r.stat = answer.stat()
	case opGetChildren:
		for n := answer.count(); n > 0 && !answer.broken; n-- {
			r.names = append(r.names, string(answer.bytes()))
		}
		r.stat = answer.stat()
	case opMulti:
		r.results, err = answer.results(len(to.ops))
	}
	if answer.broken {
		return reply{}, unfit("an answer to operation %d that ends early", to.operation)
	}
	return r, err
}

// Errors that the client library has no names for.
var (
	errUnimplemented = errors.New("the server does not know this request")
	errLocalSession  = errors.New("the server has local sessions, which can't have kazoo's lock (localSessionsUpgradingEnabled)")
	errQuota         = errors.New("the quota is exceeded")
)

// codes are the server's errors that have names (KeeperException.Code).
var codes = map[int32]error{
	-6: errUnimplemented, -8: zk.ErrBadArguments, -100: zk.ErrAPIError, -101: zk.ErrNoNode, -102: zk.ErrNoAuth, -103: zk.ErrBadVersion,
	-108: zk.ErrNoChildrenForEphemerals, -110: zk.ErrNodeExists, -111: zk.ErrNotEmpty, -112: zk.ErrSessionExpired,
	-114: zk.ErrInvalidACL, -115: zk.ErrAuthFailed, -116: zk.ErrClosing, -117: zk.ErrNothing,
	-118: zk.ErrSessionMoved, -120: errLocalSession, -123: zk.ErrReconfigDisabled,
	-124: errAuthRequired, -125: errQuota,
}

// codeError is the error that a server reports by a code, nil for 0.
func codeError(code int32) error {
	if code == 0 {
		return nil
	}
	if err := codes[code]; err != nil {
		return err
	}
	return fmt.Errorf("unknown error: %d", code)
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

// nullable are those of a buffer that may be null; ok is false if it is.
func (c *cursor) nullable() (b []byte, ok bool) {
	n := c.int32()
	if n == -1 {
		return nil, false
	}
	return c.take(int(n)), true
}

// count is the number of elements of a list.
func (c *cursor) count() int32 {
	n := c.int32()
	if n < 0 {
		c.fail()
	}
	return n
}

func (c *cursor) stat() *zk.Stat {
	return &zk.Stat{
		Czxid: c.int64(), Mzxid: c.int64(), Ctime: c.int64(), Mtime: c.int64(),
		Version: c.int32(), Cversion: c.int32(), Aversion: c.int32(), EphemeralOwner: c.int64(),
		DataLength: c.int32(), NumChildren: c.int32(), Pzxid: c.int64(),
	}
}

// results are those of a transaction of n operations: each has a header, and
// the last is only that. err is the first of theirs.
func (c *cursor) results(n int) (results []zk.MultiResponse, err error) {
	for !c.broken {
		kind, last := c.int32(), c.take(1)
		c.int32() // the error, once more
		if c.broken || last[0] != 0 {
			break
		}
		if len(results) == n {
			c.fail()
			break
		}
		var r zk.MultiResponse
		switch kind {
		case opCreate:
			r.String = string(c.bytes())
		case opSetData:
			r.Stat = c.stat()
		case opError:
			r.Error = codeError(c.int32())
		case opDelete, opCheck:
		default:
			c.fail()
		}
		if err == nil {
			err = r.Error
		}
		results = append(results, r)
	}
	return results, err
}
