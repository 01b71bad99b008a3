package kazoo_test

import (
	"strings"
	"testing"

	"leasehold.example/leasehold/kazoo"
)

// What kazoo takes for a contender is one, whoever made the node.
func FuzzLockSequence(f *testing.F) {
	for _, name := range []string{kazoo.LockNode("0123456789abcdef0123456789abcdef") + "0000000001", "__lock__-000000001", "__lock__00000000001", "x__lock__1234567890\n", "__lock__+123456789", "__lock__--123456789", "__lock__1__lock__0000000002", "__lock__0000_00000", "grant-0123456789abcdef-0000000001", "lease_holder"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		seq, ok := kazoo.LockSequence(name)
		i := strings.LastIndex(name, "__lock__")
		digits := ""
		if i >= 0 {
			digits = strings.TrimPrefix(name[i+len("__lock__"):], "-")
		}
		want := len(digits) == 10 && strings.Trim(digits, "0123456789") == ""
		if ok != want || !ok && seq != 0 || seq < -9_999_999_999 || seq > 9_999_999_999 {
			t.Fatalf("%q: got %d, %v, want a contender: %v", name, seq, ok, want)
		}
	})
}
