package zookeeper_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/zookeeper"
)

// What is asked and answered is the same as by the client library, on a real
// server.
func TestSameAsLibrary(t *testing.T) {
	t.Parallel()
	server := zktest.Start(t) // of its own: others list all that is on the shared one
	conn := zktest.Conn(t, server.Addr())
	ours, theirs := open(t, server.Addr()), zookeeper.New(conn, nil)
	base := "/same-as-library"
	for _, node := range []struct {
		path string
		data []byte
		acl  []zk.ACL
	}{
		{base, nil, zk.WorldACL(zk.PermAll)},
		{base + "/data", []byte("data \x00\xff"), zk.WorldACL(zk.PermAll)},
		{base + "/empty", []byte{}, zk.WorldACL(zk.PermAll)},
		{base + "/\u00e9", bytes.Repeat([]byte("x"), 100_000), append(zk.DigestACL(zk.PermAll, "u", "p"), zk.WorldACL(zk.PermRead)...)},
		{base + "/closed", nil, zk.DigestACL(zk.PermAll, "u", "p")},
	} {
		if _, err := conn.Create(node.path, node.data, 0, node.acl); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{
		base: "children [", base + "/data": `data "data \x00\xff"`, base + "/empty": `data ""`, base + "/\u00e9": "digest",
		base + "/closed": zk.ErrNoAuth.Error(), base + "/none": zk.ErrNoNode.Error(), base + "/none/at/all": zk.ErrNoNode.Error(),
	} {
		got, library := ours.Ask(t.Context(), path), theirs.Ask(t.Context(), path)
		for i, request := range zookeeper.Requests {
			if got[i] != library[i] {
				t.Errorf("%s of %s: got %.300s, want %.300s", request, path, got[i], library[i])
			}
		}
		if all := strings.Join(got, "\n"); !strings.Contains(all, want) {
			t.Errorf("%s: got %.1000s, want %q in it", path, all, want)
		}
	}
}

// good are good answers to zookeeper.Requests, by their number.
var good = [][]byte{
	wire(4, "data", stat), wire(-1, stat), stat, stat, wire(2, 1, "a", 2, "bc", stat), wire(1, 31, 5, "world", 6, "anyone", stat), wire(2, "/x"),
	wire(-1, "\x00", -103, -103, -1, "\x00", 0, 0, -1, "\x00", -2, -2, -1, "\x01", -1),
	wire(1, "\x00", 0, 2, "/x", 2, "\x00", 0, 13, "\x00", 0, 5, "\x00", 0, stat, -1, "\x01", -1),
}

// A replay is a connection on which all that will ever come has come.
type replay struct {
	net.Conn
	*bytes.Reader
}

func (r replay) Read(p []byte) (int, error)       { return r.Reader.Read(p) }
func (r replay) Write(p []byte) (int, error)      { return len(p), nil }
func (r replay) Close() error                     { return nil }
func (r replay) SetDeadline(time.Time) error      { return nil }
func (r replay) SetReadDeadline(time.Time) error  { return nil }
func (r replay) SetWriteDeadline(time.Time) error { return nil }

func replayed(received []byte) (answers []string, why error) {
	return zookeeper.Replay(replay{Reader: bytes.NewReader(received)})
}

func answerTo(i int) []byte { return reply(request{xid: int32(i + 1)}, 0, good[i]) }

func allAnswers() []byte {
	var all []byte
	for i := range good {
		all = append(all, answerTo(i)...)
	}
	return all
}

// Answers count in the order of the requests, and each once.
func TestAnswersInOrder(t *testing.T) {
	t.Parallel()
	all := allAnswers()
	answers, why := replayed(all)
	if slices.Contains(answers, "") || !strings.Contains(fmt.Sprint(why), io.EOF.Error()) {
		t.Errorf("good answers: got %q, %v, want one to each request and the connection's end", answers, why)
	}
	first, second := answerTo(0), answerTo(1)
	for name, received := range map[string][]byte{
		"the first twice":        slices.Concat(first, first, second),
		"in another order":       slices.Concat(first, answerTo(2), second),
		"one too many":           append(slices.Clone(all), answerTo(8)...),
		"a greeting":             slices.Concat(first, greeting),
		"what was not asked":     slices.Concat(first, reply(request{xid: 77}, 0)),
		"one that failed, twice": slices.Concat(reply(request{xid: 1}, noNode), reply(request{xid: 1}, noNode)),
	} {
		_, why := replayed(received)
		if why == nil || !strings.Contains(why.Error(), "no ZooKeeper's: an answer to no request") {
			t.Errorf("%s: got %v, want it refused", name, why)
		}
	}
}

// An announcement of many bytes takes no memory before they come, and the most
// that is taken passes.
func TestLongFrames(t *testing.T) { // not in parallel: memory is counted
	announced := wire(1<<26-1, make([]byte, 1<<10))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	answers, why := replayed(announced)
	runtime.ReadMemStats(&after)
	if why == nil || slices.ContainsFunc(answers, func(a string) bool { return a != "" }) {
		t.Errorf("a long frame that breaks off: got %q, %v, want no answer", answers, why)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
		t.Errorf("a long frame that breaks off: got %d KB allocated, want little", used>>10)
	}
	const children = 100_000
	names := wire(children)
	for range children {
		names = append(names, wire(160, strings.Repeat("x", 160))...)
	}
	list := slices.Concat(answerTo(0), answerTo(1), answerTo(2), answerTo(3), reply(request{xid: 5}, 0, names, stat))
	if answers, _ := replayed(list); strings.Count(answers[4], strings.Repeat("x", 160)) != children {
		t.Errorf("%d children: got %.300s, want all", children, answers[4])
	}
}
