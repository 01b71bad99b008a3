package zookeeper

import (
	"encoding/binary"
	"fmt"

	"github.com/go-zookeeper/zk"
)

// The operations that this package asks for (ZooDefs.OpCode).
const (
	opCreate      = 1 // in a transaction
	opDelete      = 2 // in a transaction
	opExists      = 3
	opGetData     = 4
	opSetData     = 5 // in a transaction
	opGetACL      = 6
	opSync        = 9
	opPing        = 11
	opGetChildren = 12 // with the Stat
	opCheck       = 13 // in a transaction
	opMulti       = 14
	opAuth        = 100
	opSASL        = 102
	opClose       = -11
	opError       = -1 // in the result of a transaction
)

// A request is what a server is asked.
type request struct {
	operation int32
	path      string // of what is read or synced
	watch     bool   // opGetData, opExists
	ops       []any  // of opMulti: *zk.CreateRequest and its like
}

// transaction is a request for all of ops or none.
func transaction(ops ...any) request { return request{operation: opMulti, ops: ops} }

// frame is r as it is sent, with an xid of 0.
func (r request) frame() []byte {
	b := beginFrame(r.operation, 0)
	switch r.operation {
	case opExists, opGetData, opGetChildren:
		b = appendBool(appendString(b, r.path), r.watch)
	case opGetACL, opSync:
		b = appendString(b, r.path)
	case opMulti:
		for _, op := range r.ops {
			b = appendOperation(b, op)
		}
		b = appendOperationHeader(b, -1, true)
	}
	return endFrame(b)
}

// beginFrame begins a frame of the operation, and endFrame ends it.
func beginFrame(operation, xid int32) []byte {
	b := make([]byte, 4, 512) // the length
	return appendInt32(appendInt32(b, xid), operation)
}

func endFrame(b []byte) []byte {
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

// number sets a frame's xid.
func number(frame []byte, xid int32) { binary.BigEndian.PutUint32(frame[4:], uint32(xid)) }

func appendOperation(b []byte, op any) []byte {
	switch op := op.(type) {
	case *zk.CreateRequest:
		b = appendString(appendOperationHeader(b, opCreate, false), op.Path)
		b = appendString(b, string(op.Data))
		b = appendInt32(b, int32(len(op.Acl)))
		for _, acl := range op.Acl {
			b = appendString(appendString(appendInt32(b, acl.Perms), acl.Scheme), acl.ID)
		}
		return appendInt32(b, op.Flags)
	case *zk.DeleteRequest:
		b = appendString(appendOperationHeader(b, opDelete, false), op.Path)
		return appendInt32(b, op.Version)
	case *zk.SetDataRequest:
		b = appendString(appendOperationHeader(b, opSetData, false), op.Path)
		return appendInt32(appendString(b, string(op.Data)), op.Version)
	case *zk.CheckVersionRequest:
		b = appendString(appendOperationHeader(b, opCheck, false), op.Path)
		return appendInt32(b, op.Version)
	}
	panic(fmt.Sprintf("a transaction can't have a %T", op))
}

// appendOperationHeader appends what precedes each operation of a transaction,
// and follows the last.
func appendOperationHeader(b []byte, operation int32, end bool) []byte {
	return appendInt32(appendBool(appendInt32(b, operation), end), -1)
}

func appendInt32(b []byte, v int32) []byte { return binary.BigEndian.AppendUint32(b, uint32(v)) }

func appendInt64(b []byte, v int64) []byte { return binary.BigEndian.AppendUint64(b, uint64(v)) }

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

// appendString appends a string or a buffer.
func appendString(b []byte, s string) []byte {
	return append(appendInt32(b, int32(len(s))), s...)
}
