package zk_test

import (
	"runtime"
	"slices"
	"testing"

	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/zookeeper/internal/zk"
)

// Whatever arrives: no panic, little memory, and an answer to each request
// before the first that has none, or the connection's end.
func FuzzConn(f *testing.F) {
	all := allAnswers()
	for i, answer := range good {
		f.Add(answerTo(i))
		f.Add(slices.Concat(all, zktest.Reply(zktest.Request{Xid: int32(i + 1)}, 0, answer[:len(answer)-1])))
		f.Add(slices.Concat(all[:len(all)/2], answer))
	}
	all = append(all, zktest.Frame(-1, int64(-1), 0, 3, 3, 2, "/x")...)
	all = append(all, zktest.Frame(-2, int64(5), 0)...)
	f.Add(all)
	f.Add(zktest.Reply(zktest.Request{Xid: 1}, -101))
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
	f.Fuzz(func(t *testing.T, received []byte) {
		if len(received) > 1<<20 {
			return
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		answers, why := replay(received)
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

func FuzzConnectResponse(f *testing.F) {
	f.Add(zktest.ConnectResponse[4:], int64(0))
	f.Add(zktest.ConnectResponse[4:], int64(7))
	f.Add(zktest.ConnectResponse[4:30], int64(0))
	f.Add(zktest.Frame(0, 0, int64(0), 0)[4:], int64(7))
	f.Fuzz(func(t *testing.T, received []byte, resumed int64) {
		timeout, session, err := zk.DecodeConnectResponse(received, resumed)
		if err != nil {
			return
		}
		expired := session == 0 && resumed != 0
		if session == 0 && !expired || resumed != 0 && session != resumed && !expired || timeout <= 0 && !expired {
			t.Errorf("for session %#x: got %#x with the timeout %s, want it refused", resumed, session, timeout)
		}
	})
}
