package kazoo

import (
	"strconv"
	"strings"
)

// RecordName is the name of the record's node below the lease path.
const RecordName = "lease_holder"

// What kazoo's Lock takes for a contender has this and, at the end, a number
// of ten digits (kazoo/recipe/lock.py, Lock.__init__).
const (
	lockMark   = "__lock__"
	lockDigits = 10
)

// LockNode returns the name, without the sequence number that the server
// appends, of a lock node that kazoo's clients queue behind; unique is 32 hex
// digits, like Python's uuid4().hex.
func LockNode(unique string) string { return unique + lockMark }

// LockSequence returns the sequence number of a contender for kazoo's lock; ok
// is false if name is not one. The contender with the lowest holds the lock.
//
// Once a path has had 2^31-1 children the server gives all further ones the same
// number, or a negative one, and kazoo's lock excludes nobody there.
func LockSequence(name string) (seq int64, ok bool) {
	i := strings.LastIndex(name, lockMark)
	if i < 0 {
		return 0, false
	}
	number := name[i+len(lockMark):]
	if digits := strings.TrimPrefix(number, "-"); len(digits) != lockDigits || digits[0] == '+' {
		return 0, false
	}
	seq, err := strconv.ParseInt(number, 10, 64)
	return seq, err == nil
}
