package kazoo_test

import (
	"strings"
	"testing"

	"leasehold.example/leasehold/kazoo"
)

// notContenders are the names that match kazoo's pattern and that nobody
// makes: no server takes a line feed in a name, and kazoo sorts digits that are
// not ASCII behind its own, so that nobody ever waits for such a node.
var notContenders = map[string]bool{
	"x__lock__0000000001\n":    true,
	"x__lock__000000000\u0661": true,
	"x__lock__000000000\uff11": true,
}

func TestLockSequenceAsKazooDoes(t *testing.T) {
	t.Parallel()
	type vector struct {
		Name     string
		Sequence *int64
	}
	for _, v := range load[vector](t, "names") {
		seq, ok := kazoo.LockSequence(v.Name)
		want := v.Sequence != nil && !notContenders[v.Name]
		switch {
		case ok != want:
			t.Errorf("%q: got contender %v, want %v", v.Name, ok, want)
		case ok && seq != *v.Sequence:
			t.Errorf("%q: got %d, want %d", v.Name, seq, *v.Sequence)
		case !ok && seq != 0:
			t.Errorf("%q: got %d for what is no contender, want 0", v.Name, seq)
		case notContenders[v.Name] && v.Sequence == nil:
			t.Errorf("%q: kazoo's pattern doesn't match, want it out of notContenders", v.Name)
		}
	}
}

func TestLockNodeIsAContender(t *testing.T) {
	t.Parallel()
	name := kazoo.LockNode(strings.Repeat("0f", 16)) + "0000000042"
	if seq, ok := kazoo.LockSequence(name); !ok || seq != 42 {
		t.Errorf("%q: got %d, %v; want 42, true", name, seq, ok)
	}
}
