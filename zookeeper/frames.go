package zookeeper

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"unicode"
)

const (
	// maxFrame bounds one answer, in bytes. Only lists of children are long:
	// there is room for a million names of 60 bytes. And whoever speaks TLS or
	// some text protocol begins with what is a larger number.
	maxFrame = 1<<26 - 1

	// maxGreeting bounds the first answer of a connection. ZooKeeper's has 37
	// bytes.
	maxGreeting = 1 << 10

	// readAhead is what one system call may bring: a frame with its length, or
	// many. Longer frames take memory as they arrive, not as they announce
	// themselves.
	readAhead = 32 << 10
)

// A framedConn is a connection on which nothing arrives but what a ZooKeeper
// may answer: whole frames, of a bounded length, each to a request that was
// made and of the form that this has. The client library relies on all of that:
// it allocates what a length says, panics on frames that are too short and on
// times that are not positive, and reads beyond the end of a frame what is left
// of earlier ones.
//
// It is for one reader and one writer, and each Write is to be one whole frame.
type framedConn struct {
	net.Conn
	host string
	note func(error) // told what is wrong, and by nil that a request was answered

	mu      sync.Mutex
	greeted bool            // the connect request was sent
	resumes int64           // the session that it asked for, 0 for a new one
	awaited map[int32]int32 // the operations to be answered, by xid

	// of the reader
	in       *bufio.Reader
	frame    []byte // what was checked and not yet read
	peeked   int    // bytes that in still has of it
	welcome  bool   // the greeting was answered
	answered bool   // and so was a request
}

func newFramedConn(c net.Conn, host string, note func(error)) *framedConn {
	return &framedConn{
		Conn: c, host: host, note: note,
		awaited: map[int32]int32{}, in: bufio.NewReaderSize(c, readAhead),
	}
}

// Write takes note of what is asked.
func (c *framedConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	request := cursor{rest: p}
	request.int32() // the length
	if !c.greeted {
		c.greeted = true
		request.take(4 + 8 + 4) // protocol version, last zxid, timeout
		c.resumes = request.int64()
	} else if xid, operation := request.int32(), request.int32(); xid >= 0 {
		c.awaited[xid] = operation
	}
	c.mu.Unlock()
	return c.Conn.Write(p)
}

// Read closes the connection at the first thing that is not ZooKeeper's.
func (c *framedConn) Read(p []byte) (int, error) {
	if len(c.frame) == 0 {
		if err := c.receive(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.frame)
	c.frame = c.frame[n:]
	return n, nil
}

func (c *framedConn) receive() error {
	c.in.Discard(c.peeked)
	c.peeked = 0
	frame, err := c.whole()
	if err == nil {
		err = c.check(frame[4:])
	}
	if unfit := (*unfitError)(nil); errors.As(err, &unfit) {
		unfit.host = c.host
		c.note(err)
		c.Conn.Close()
		return err
	}
	if err != nil {
		if !c.welcome {
			c.note(fmt.Errorf("%s, before there was a session: %w", c.host, err))
		}
		return err
	}
	c.frame = frame
	return nil
}

// whole returns the next frame with its length.
func (c *framedConn) whole() ([]byte, error) {
	head, err := c.in.Peek(4)
	if err != nil {
		return nil, err
	}
	size, most := binary.BigEndian.Uint32(head), uint32(maxFrame)
	if !c.welcome {
		most = maxGreeting
	}
	if size > most {
		return nil, unfit("a frame of %d bytes%s", size, guess(head))
	}
	n := 4 + int(size)
	if n <= c.in.Size() {
		c.peeked = n
		return c.in.Peek(n)
	}
	var b bytes.Buffer
	_, err = io.CopyN(&b, c.in, int64(n))
	return b.Bytes(), err
}

// guess says what a number is that is none.
func guess(head []byte) string {
	if head[0] == 0x15 && head[1] == 3 {
		return ": it seems to speak TLS"
	}
	for _, b := range head {
		if b > unicode.MaxASCII || !unicode.IsPrint(rune(b)) {
			return ""
		}
	}
	return fmt.Sprintf(": it begins with %q", head)
}

func (c *framedConn) check(frame []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.welcome {
		c.welcome = true
		return checkGreeting(frame, c.resumes)
	}
	answer := cursor{rest: frame}
	xid := answer.int32()
	answer.take(8) // zxid
	failed := answer.int32() != 0
	if answer.broken {
		return unfit("a frame of %d bytes", len(frame))
	}
	switch xid {
	case xidEvent:
		return checkEvent(answer)
	case xidPing:
		return nil
	}
	operation, ok := c.awaited[xid]
	if !ok {
		return unfit("an answer to no request (xid %d)", xid)
	}
	delete(c.awaited, xid)
	if !failed { // else the library reads no further
		if err := checkResult(operation, answer); err != nil {
			return err
		}
	}
	if !c.answered {
		c.answered = true
		c.note(nil)
	}
	return nil
}

// An unfitError says what a server sent that no ZooKeeper does.
type unfitError struct{ host, what string }

func (e *unfitError) Error() string {
	return fmt.Sprintf("%s answers what is no ZooKeeper's: %s", e.host, e.what)
}

func unfit(format string, args ...any) error {
	return &unfitError{what: fmt.Sprintf(format, args...)}
}
