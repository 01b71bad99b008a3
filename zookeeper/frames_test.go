package zookeeper_test

import (
	"bytes"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// Nothing but the first answer to a request counts as one.
func TestAnsweredTwice(t *testing.T) {
	t.Parallel()
	// The operations of xid 1 and 3 have no results.
	once := slices.Concat(greeting, reply(request{xid: 3}, 0), reply(request{xid: 2}, noNode), reply(request{xid: 1}, 0))
	for again, extra := range map[string][]byte{
		"the last": reply(request{xid: 1}, 0), "one that failed": reply(request{xid: 2}, noNode), "another": reply(request{xid: 3}, 0), "a greeting": greeting, "what was never asked": reply(request{xid: 77}, 0),
	} {
		got, err := replayed(append(slices.Clone(once), extra...))
		if !bytes.Equal(got, once) || err == nil || !strings.Contains(err.Error(), "no ZooKeeper's") {
			t.Errorf("%s: got %d bytes and error %v, want the %d before it and an error", again, len(got), err, len(once))
		}
	}
}

// An announcement of many bytes takes no memory before they come, and the most
// that is taken passes.
func TestLongFrames(t *testing.T) { // not in parallel: memory is counted
	announced := append(slices.Clone(greeting), wire(1<<26-1, make([]byte, 1<<10))...)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got, err := replayed(announced)
	runtime.ReadMemStats(&after)
	if !bytes.Equal(got, greeting) || err != nil {
		t.Errorf("a long frame that breaks off: got %d bytes and error %v, want the greeting", len(got), err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
		t.Errorf("a long frame that breaks off: got %d KB allocated, want little", used>>10)
	}
	const children = 100_000
	names := wire(children)
	for range children {
		names = append(names, wire(160, strings.Repeat("x", 160))...)
	}
	list := append(slices.Clone(greeting), reply(request{xid: int32(1 + slices.Index(operations(), 12))}, 0, names, stat)...)
	if got, err := replayed(list); err != nil || !bytes.Equal(got, list) {
		t.Errorf("%d children: got %d bytes and error %v, want all %d", children, len(got), err, len(list))
	}
}
