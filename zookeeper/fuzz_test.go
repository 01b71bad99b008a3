package zookeeper_test

import (
	"errors"
	"net"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"leasehold.example/leasehold/zookeeper"
)

// Whatever arrives: no panic, little memory, and an answer to each request
// before the first that has none, or the connection's end.
func FuzzLink(f *testing.F) {
	all := allAnswers()
	for i, answer := range good {
		f.Add(answerTo(i))
		f.Add(slices.Concat(all, reply(request{xid: int32(i + 1)}, 0, answer[:len(answer)-1])))
		f.Add(slices.Concat(all[:len(all)/2], answer))
	}
	all = append(all, frame(-1, int64(-1), 0, 3, 3, 2, "/x")...)
	all = append(all, frame(-2, int64(5), 0)...)
	f.Add(all)
	f.Add(reply(request{xid: 1}, -101))
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
	f.Fuzz(func(t *testing.T, received []byte) {
		if len(received) > 1<<20 {
			return
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		answers, why := replayed(received)
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 64<<20 {
			t.Errorf("got %d MB allocated for %d bytes", used>>20, len(received))
		}
		if why == nil {
			t.Error("got no reason for the connection's end")
		}
		if last := slices.Index(answers, ""); last >= 0 && slices.ContainsFunc(answers[last:], func(a string) bool { return a != "" }) {
			t.Errorf("got the answers %q, want none after one that is missing", answers)
		}
	})
}

func FuzzGreeting(f *testing.F) {
	f.Add(greeting[4:], int64(0))
	f.Add(greeting[4:], int64(7))
	f.Add(greeting[4:30], int64(0))
	f.Add(frame(0, 0, int64(0), 0)[4:], int64(7))
	f.Fuzz(func(t *testing.T, received []byte, resumes int64) {
		timeout, session, err := zookeeper.Greet(received, resumes)
		if err != nil {
			return
		}
		expired := session == 0 && resumes != 0
		if session == 0 && !expired || resumes != 0 && session != resumes && !expired || timeout <= 0 && !expired {
			t.Errorf("for session %#x: got %#x with the timeout %s, want it refused", resumes, session, timeout)
		}
	})
}

// What is taken for an answer is the one that the client library takes it for.
func FuzzSameAsLibrary(f *testing.F) {
	for i, answer := range good {
		f.Add(i, 0, answer)
		f.Add(i, noNode, answer)
		f.Add(i, 0, append(slices.Clone(answer), "more"...))
	}
	f.Fuzz(func(t *testing.T, i, code int, body []byte) {
		if i < 0 || i >= len(good) || len(body) > 1<<16 {
			return
		}
		var received []byte
		for j := range i {
			received = append(received, answerTo(j)...)
		}
		answers, _ := replayed(append(received, reply(request{xid: int32(i + 1)}, code, body)...))
		got := answers[i]
		if got == "" { // the library may panic by it
			return
		}
		want := zookeeper.AskLibrary(t.Context(), connectTo(t, func(r request) []byte {
			if r.operation == closing {
				return reply(r, 0)
			}
			return reply(r, code, body)
		}), i, "/x")
		if got != want {
			t.Errorf("%s, code %d, %q:\n got %s\nwant %s", zookeeper.Requests[i], code, body, got, want)
		}
	})
}

// connectTo returns a connection of the library's to a server that answers so.
func connectTo(t *testing.T, answer func(request) []byte) *zk.Conn {
	t.Helper()
	server, client := net.Pipe()
	go answers(answer)(server)
	first := true
	conn, events, err := zk.Connect([]string{"127.0.0.1:1"}, 3*time.Second, zk.WithLogger(quietLog{}), zk.WithDialer(
		func(string, string, time.Duration) (net.Conn, error) {
			if !first {
				return nil, errors.New("only once")
			}
			first = false
			return client, nil
		}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		server.Close()
	})
	for e := range events {
		if e.State == zk.StateHasSession {
			break
		}
	}
	return conn
}

type quietLog struct{}

func (quietLog) Printf(string, ...any) {}
