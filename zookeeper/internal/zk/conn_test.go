package zk_test

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

	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/zookeeper/internal/zk"
)

// good are good answers to requests, by their number.
var good = [][]byte{
	zktest.Encode(4, "data", zktest.Stat), zktest.Encode(-1, zktest.Stat), zktest.Stat, zktest.Stat, zktest.Encode(2, 1, "a", 2, "bc", zktest.Stat), zktest.Encode(1, 31, 5, "world", 6, "anyone", zktest.Stat), zktest.Encode(2, "/x"),
	zktest.Encode(-1, "\x00", -103, -103, -1, "\x00", 0, 0, -1, "\x00", -2, -2, -1, "\x01", -1),
	zktest.Encode(bytes.Repeat(zktest.Encode(13, "\x00", 0), 4), -1, "\x01", -1),
	zktest.Encode(1, "\x00", 0, 2, "/x", 2, "\x00", 0, 13, "\x00", 0, 5, "\x00", 0, zktest.Stat, -1, "\x01", -1),
}

// A recording is a connection on which all that will ever come has come.
type recording struct {
	net.Conn
	*bytes.Reader
}

func (r recording) Read(p []byte) (int, error)       { return r.Reader.Read(p) }
func (r recording) Write(p []byte) (int, error)      { return len(p), nil }
func (r recording) Close() error                     { return nil }
func (r recording) SetDeadline(time.Time) error      { return nil }
func (r recording) SetReadDeadline(time.Time) error  { return nil }
func (r recording) SetWriteDeadline(time.Time) error { return nil }

// replay returns what each of requests is answered if received is all that
// comes, "" for nothing, and why the connection ended.
func replay(received []byte) (answers []string, why error) {
	replies, errs, why := zk.Replay(recording{Reader: bytes.NewReader(received)}, requests("/x"))
	for i, r := range replies {
		answer := ""
		if errs[i] != zk.ErrConnectionLost {
			answer = describe(r, errs[i])
		}
		answers = append(answers, answer)
	}
	return answers, why
}

func answerTo(i int) []byte { return zktest.Reply(zktest.Request{Xid: int32(i + 1)}, 0, good[i]) }

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
	answers, why := replay(all)
	if slices.Contains(answers, "") || !strings.Contains(fmt.Sprint(why), io.EOF.Error()) {
		t.Errorf("good answers: got %q, %v, want one to each request and the connection's end", answers, why)
	}
	first, second := answerTo(0), answerTo(1)
	for name, received := range map[string][]byte{
		"the first twice":        slices.Concat(first, first, second),
		"in another order":       slices.Concat(first, answerTo(2), second),
		"one too many":           append(slices.Clone(all), answerTo(8)...),
		"a connect response":     slices.Concat(first, zktest.ConnectResponse),
		"what was not asked":     slices.Concat(first, zktest.Reply(zktest.Request{Xid: 77}, 0)),
		"one that failed, twice": slices.Concat(zktest.Reply(zktest.Request{Xid: 1}, noNode), zktest.Reply(zktest.Request{Xid: 1}, noNode)),
	} {
		_, why := replay(received)
		if why == nil || !strings.Contains(why.Error(), "unexpected response: an answer to no request") {
			t.Errorf("%s: got %v, want it refused", name, why)
		}
	}
}

// An announcement of many bytes takes no memory before they come, and the most
// that is taken passes.
func TestLongFrames(t *testing.T) { // not in parallel: memory is counted
	announced := zktest.Encode(1<<26-1, make([]byte, 1<<10))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	answers, why := replay(announced)
	runtime.ReadMemStats(&after)
	if why == nil || slices.ContainsFunc(answers, func(a string) bool { return a != "" }) {
		t.Errorf("a long frame that breaks off: got %q, %v, want no answer", answers, why)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
		t.Errorf("a long frame that breaks off: got %d KB allocated, want little", used>>10)
	}
	const children = 100_000
	names := zktest.Encode(children)
	for range children {
		names = append(names, zktest.Encode(160, strings.Repeat("x", 160))...)
	}
	list := slices.Concat(answerTo(0), answerTo(1), answerTo(2), answerTo(3), zktest.Reply(zktest.Request{Xid: 5}, 0, names, zktest.Stat))
	if answers, _ := replay(list); strings.Count(answers[4], strings.Repeat("x", 160)) != children {
		t.Errorf("%d children: got %.300s, want all", children, answers[4])
	}
}
