package zk

import "encoding/binary"

// encode returns r's frame, with an xid of 0.
func (r Request) encode() []byte {
	b := beginFrame(r.op, 0)
	switch r.op {
	case opExists, opGetData, opGetChildren:
		b = appendBool(appendString(b, r.path), r.watch)
	case opGetACL, opSync:
		b = appendString(b, r.path)
	case opAddWatch:
		b = appendInt32(appendString(b, r.path), persistentRecursive)
	case opMulti:
		for _, op := range r.ops {
			b = op.encode(appendOpHeader(b, op.code(), false))
		}
		b = appendOpHeader(b, -1, true)
	}
	return endFrame(b)
}

// persistentRecursive is the mode of a watch (ZooDefs.AddWatchModes).
const persistentRecursive = 1

// beginFrame begins a request's frame, and endFrame ends it.
func beginFrame(op, xid int32) []byte {
	b := make([]byte, 4, 512) // the length
	return appendInt32(appendInt32(b, xid), op)
}

func endFrame(b []byte) []byte {
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

func setXid(frame []byte, xid int32) { binary.BigEndian.PutUint32(frame[4:], uint32(xid)) }

// appendOpHeader appends what precedes each operation of a transaction, and
// follows the last.
func appendOpHeader(b []byte, code int32, end bool) []byte {
	return appendInt32(appendBool(appendInt32(b, code), end), -1)
}

func (*Create) code() int32  { return opCreate }
func (*Delete) code() int32  { return opDelete }
func (*SetData) code() int32 { return opSetData }
func (*Check) code() int32   { return opCheck }

func (c *Create) encode(b []byte) []byte {
	b = appendString(appendString(b, c.Path), string(c.Data))
	b = appendInt32(b, int32(len(c.ACL)))
	for _, acl := range c.ACL {
		b = appendString(appendString(appendInt32(b, acl.Perms), acl.Scheme), acl.ID)
	}
	return appendInt32(b, c.Flags)
}

func (d *Delete) encode(b []byte) []byte {
	return appendInt32(appendString(b, d.Path), d.Version)
}

func (s *SetData) encode(b []byte) []byte {
	return appendInt32(appendString(appendString(b, s.Path), string(s.Data)), s.Version)
}

func (c *Check) encode(b []byte) []byte {
	return appendInt32(appendString(b, c.Path), c.Version)
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
