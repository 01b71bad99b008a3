package zk

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
	// there is room for a million names of 60 bytes. The first bytes of TLS,
	// and of any text, are a larger number.
	maxFrame = 1<<26 - 1

	// maxConnectResponse bounds the first answer of a connection. ZooKeeper's
	// has 37 bytes.
	maxConnectResponse = 1 << 10

	// maxToken bounds what a server answers to an authentication, in bytes.
	maxToken = 64 << 10
)

// readFrame returns the next frame, without its length, which is at most limit
// bytes. Memory is taken as bytes arrive, not as the length announces them.
func readFrame(r *bufio.Reader, limit uint32) ([]byte, error) {
	head, err := r.Peek(4)
	if err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(head)
	if size > limit {
		return nil, unexpected("a frame of %d bytes%s", size, guessProtocol(head))
	}
	r.Discard(4)
	if int(size) <= r.Size() {
		frame := make([]byte, size)
		_, err := io.ReadFull(r, frame)
		return frame, err
	}
	var b bytes.Buffer
	_, err = io.CopyN(&b, r, int64(size))
	return b.Bytes(), err
}

// guessProtocol says what the peer seems to speak, by what should have been a
// frame's length.
func guessProtocol(head []byte) string {
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
