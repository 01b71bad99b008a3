package zookeeper

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
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
	// many.
	readAhead = 4 << 10
)

// frames are what arrives on a connection, taken apart.
type frames struct {
	in     *bufio.Reader
	peeked int // bytes of the frame before, which in still has
}

func newFrames(r io.Reader) frames { return frames{in: bufio.NewReaderSize(r, readAhead)} }

// next returns the next frame, without its length, which is at most most bytes.
// It is good until the next call. Long ones take memory as they arrive, not as
// they announce themselves.
func (f *frames) next(most uint32) ([]byte, error) {
	f.in.Discard(f.peeked)
	f.peeked = 0
	head, err := f.in.Peek(4)
	if err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(head)
	if size > most {
		return nil, unfit("a frame of %d bytes%s", size, guess(head))
	}
	n := 4 + int(size)
	if n > f.in.Size() {
		f.in.Discard(4)
		var b bytes.Buffer
		_, err := io.CopyN(&b, f.in, int64(size))
		return b.Bytes(), err
	}
	whole, err := f.in.Peek(n)
	if err != nil {
		return nil, err
	}
	f.peeked = n
	return whole[4:], nil
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

// An unfitError says what a server sent that no ZooKeeper does.
type unfitError struct{ host, what string }

func (e *unfitError) Error() string {
	return fmt.Sprintf("%s answers what is no ZooKeeper's: %s", e.host, e.what)
}

func unfit(format string, args ...any) error {
	return &unfitError{what: fmt.Sprintf(format, args...)}
}
