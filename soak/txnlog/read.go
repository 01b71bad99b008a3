// Package txnlog reads ZooKeeper's transaction logs: all that an ensemble ever
// committed, in order, with the leader's time.
//
// The format is that of org.apache.zookeeper.server.persistence.FileTxnLog in
// ZooKeeper 3.8: a header, then for each transaction a checksum, a length, a
// TxnHeader, the transaction, and the byte 'B'; zeroes to the end of the file.
package txnlog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/adler32"
)

// A Kind says what a transaction did to a node.
type Kind int

const (
	Created Kind = iota
	Set
	Deleted
)

// A Change is what one transaction did to one node.
type Change struct {
	Zxid    int64
	Time    int64 // milliseconds since 1970, by the leader's clock
	Session int64
	Kind    Kind
	Path    string
	Data    []byte
}

// Types of transactions (ZooDefs.OpCode).
const (
	opCreate          = 1
	opDelete          = 2
	opSetData         = 5
	opMulti           = 14
	opCreate2         = 15
	opCreateContainer = 19
	opDeleteContainer = 20
	opCreateTTL       = 21
	opCloseSession    = -11
	opError           = -1
)

const magic = "ZKLG"

// readFile returns the changes in one file, by the zxids of their transactions.
// It stops at the first transaction that is not whole: the server that wrote it
// was killed.
func readFile(raw []byte) (map[int64][]Change, error) {
	byZxid := map[int64][]Change{}
	if len(raw) == 0 {
		return byZxid, nil // made, and not yet written
	}
	if len(raw) < 16 || !bytes.HasPrefix(raw, []byte(magic)) {
		if len(bytes.Trim(raw, "\x00")) == 0 {
			return byZxid, nil
		}
		return nil, errors.New("it has no header")
	}
	r := &reader{rest: raw[16:]}
	for len(r.rest) >= 12 {
		sum, length := r.long(), int(r.int())
		if length <= 0 || length+1 > len(r.rest) {
			break
		}
		txn, end := r.rest[:length], r.rest[length]
		r.rest = r.rest[length+1:]
		if end != 'B' || int64(adler32.Checksum(txn)) != sum {
			break
		}
		changes, err := parse(txn)
		if err != nil {
			return nil, err
		}
		if len(changes) > 0 {
			byZxid[changes[0].Zxid] = changes
		}
	}
	return byZxid, nil
}

// parse reads a TxnHeader and what follows.
func parse(txn []byte) ([]Change, error) {
	r := &reader{rest: txn}
	var c Change
	c.Session = r.long()
	r.int() // cxid
	c.Zxid, c.Time = r.long(), r.long()
	op := r.int()
	changes := r.changes(c, op)
	if r.short {
		return nil, fmt.Errorf("transaction %#x of type %d is too short", c.Zxid, op)
	}
	return changes, nil
}

func (r *reader) changes(c Change, op int32) []Change {
	switch op {
	case opCreate, opCreate2, opCreateContainer, opCreateTTL:
		c.Kind, c.Path, c.Data = Created, r.string(), r.buffer()
	case opSetData:
		c.Kind, c.Path, c.Data = Set, r.string(), r.buffer()
	case opDelete, opDeleteContainer:
		c.Kind, c.Path = Deleted, r.string()
	case opMulti:
		var all []Change
		failed := false // what precedes the operation that failed is logged as if it had been done
		for range r.int() {
			sub := &reader{}
			op, body := r.int(), r.buffer()
			sub.rest = body
			all = append(all, sub.changes(c, op)...)
			failed = failed || op == opError
			r.short = r.short || sub.short
			if r.short {
				break
			}
		}
		if failed {
			return nil
		}
		return all
	case opCloseSession:
		if len(r.rest) < 4 {
			return nil // servers before 3.6 don't say which nodes go
		}
		var all []Change
		for range r.int() {
			c.Kind, c.Path = Deleted, r.string()
			if r.short {
				break
			}
			all = append(all, c)
		}
		return all
	default:
		return nil
	}
	return []Change{c}
}

// A reader decodes jute, ZooKeeper's encoding.
type reader struct {
	rest  []byte
	short bool // there was less than needed
}

func (r *reader) next(n int) []byte {
	if n < 0 || n > len(r.rest) {
		r.short, r.rest = true, nil
		return make([]byte, max(0, min(n, 8)))
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) int() int32  { return int32(binary.BigEndian.Uint32(r.next(4))) }
func (r *reader) long() int64 { return int64(binary.BigEndian.Uint64(r.next(8))) }

func (r *reader) buffer() []byte {
	n := r.int()
	if n < 0 {
		return nil
	}
	return bytes.Clone(r.next(int(n)))
}

func (r *reader) string() string { return string(r.buffer()) }
