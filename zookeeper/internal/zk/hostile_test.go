package zk_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/zookeeper/internal/zk"
)

const noNode = -101

// says is a server that says something and waits for the end.
func says(b []byte) func(net.Conn) {
	return func(c net.Conn) {
		c.Write(b)
		io.Copy(io.Discard, c)
	}
}

// forever writes b over and over, and leaves the processor to others now and
// then.
func forever(c net.Conn, b []byte) {
	b = bytes.Repeat(b, 1+4096/len(b))
	for {
		if _, err := c.Write(b); err != nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// inMulti denies what is asked for until the transaction.
func inMulti(body ...any) func(net.Conn) {
	return zktest.AnswerRequests(func(r zktest.Request) []byte {
		switch r.Op {
		case zktest.OpMulti:
			return zktest.Reply(r, 0, body...)
		case zktest.OpSync:
			return zktest.Reply(r, 0, 2, "/x")
		default:
			return zktest.Reply(r, noNode)
		}
	})
}

// Whatever listens on the port: an error says what is wrong soon after the
// context has ended, nothing panics, and nothing stays, neither memory nor
// goroutines.
func TestHostileServers(t *testing.T) { // not in parallel: goroutines and memory are counted
	huge := math.MaxInt32
	servers := map[string]struct {
		serve func(net.Conn)
		want  string
	}{
		"HTTP":                                {says([]byte("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")), `unexpected response: a frame of 1213486160 bytes: it begins with "HTTP"`},
		"TLS":                                 {says([]byte("\x15\x03\x01\x00\x02\x02\x46")), "unexpected response: a frame of 352518400 bytes: it seems to speak TLS"},
		"hangs up":                            {func(c net.Conn) { zktest.ReadRequest(c) }, "before there was a session: EOF"},
		"zeros":                               {func(c net.Conn) { forever(c, make([]byte, 1<<16)) }, "a connect response of 0 bytes"},
		"noise":                               {func(c net.Conn) { forever(c, []byte("\xff\x93\x00\x80\x7f\x01")) }, "a frame of 4287824000 bytes"},
		"connect response too short":          {says(zktest.Frame(0, 3000, int64(7))), "a connect response of 16 bytes"},
		"connect response without password":   {says(zktest.Frame(0, 3000, int64(7), 16)), "a connect response of 20 bytes"},
		"connect response of negative length": {says(zktest.Encode(-1)), "a frame of 4294967295 bytes"},
		"connect response of gigantic length": {says(zktest.Encode(huge)), "a frame of 2147483647 bytes"},
		"long zktest.ConnectResponse":         {says(zktest.Frame(make([]byte, 1<<16))), "a frame of 65536 bytes"},
		"connect response never ends":         {says(zktest.ConnectResponse[:20]), "before there was a session"},
		"connect response in drips":           {func(c net.Conn) { drip(c, zktest.Encode(1000)) }, "before there was a session"},
		"gigantic password":                   {says(zktest.Frame(0, 3000, int64(7), huge)), "a connect response of 20 bytes"},
		"negative password":                   {says(zktest.Frame(0, 3000, int64(7), -1)), "a connect response of 20 bytes"},
		"password too long":                   {says(zktest.Frame(0, 3000, int64(7), 250, make([]byte, 250))), "a session password of 250 bytes"},
		"no session":                          {says(zktest.Frame(0, 3000, int64(0), 16, make([]byte, 16))), "session 0x0"},
		"timeout of zero":                     {says(zktest.Frame(0, 0, int64(7), 16, make([]byte, 16))), "a session timeout of 0s"},
		"negative timeout":                    {says(zktest.Frame(0, -5, int64(7), 16, make([]byte, 16))), "a session timeout of -5ms"},
		"empty frame":                         {zktest.AnswerRequests(func(zktest.Request) []byte { return zktest.Frame() }), "a frame of 0 bytes"},
		"short event":                         {zktest.AnswerRequests(func(zktest.Request) []byte { return zktest.Frame(-1, int64(0)) }), "a frame of 12 bytes"},
		"short answer":                        {zktest.AnswerRequests(func(r zktest.Request) []byte { return zktest.Frame(int(r.Xid), int64(1), "\x00\x00\x00") }), "a frame of 15 bytes"},
		"frame of negative length":            {zktest.AnswerRequests(func(zktest.Request) []byte { return zktest.Encode(-16) }), "a frame of 4294967280 bytes"},
		"frame of gigantic length":            {zktest.AnswerRequests(func(zktest.Request) []byte { return zktest.Encode(huge, make([]byte, 1<<16)) }), "a frame of 2147483647 bytes"},
		"frame too long":                      {zktest.AnswerRequests(func(zktest.Request) []byte { return zktest.Encode(1 << 26) }), "a frame of 67108864 bytes"},
		"frame never ends":                    {zktest.AnswerRequests(func(r zktest.Request) []byte { return zktest.Reply(r, 0, 5, "data", zktest.Stat)[:30] }), "deadline exceeded"},
		"long frame in drips":                 {zktest.HandleRequests(func(c net.Conn, r zktest.Request) { drip(c, zktest.Encode(1<<24-1, int(r.Xid))) }), "deadline exceeded"},
		"no answer":                           {zktest.HandleRequests(func(net.Conn, zktest.Request) {}), "no answer"},
		"wrong xid": {zktest.AnswerRequests(func(r zktest.Request) []byte {
			return zktest.Reply(zktest.Request{Xid: r.Xid + 5}, 0, 4, "data", zktest.Stat)
		}), "an answer to no request (xid "},
		"negative xid":                {zktest.AnswerRequests(func(r zktest.Request) []byte { return zktest.Reply(zktest.Request{Xid: -4}, 0, 4, "data", zktest.Stat) }), "an answer to no request (xid -4)"},
		"event of no type":            {zktest.AnswerRequests(func(zktest.Request) []byte { return zktest.Frame(-1, int64(-1), 0, 99, 3, 1, "/") }), "an event of type 99"},
		"event that ends the session": {zktest.AnswerRequests(func(zktest.Request) []byte { return zktest.Frame(-1, int64(-1), 0, -1, -112, 1, "/") }), "an event of type -1"},
		"event that ends early":       {zktest.AnswerRequests(func(zktest.Request) []byte { return zktest.Frame(-1, int64(-1), 0, 1, 3, 100, "/") }), "an event that ends early"},
		"event of gigantic length":    {zktest.AnswerRequests(func(zktest.Request) []byte { return zktest.Frame(-1, int64(-1), 0, 1, 3, huge, "/") }), "an event that ends early"},
		"event without path":          {zktest.AnswerRequests(func(zktest.Request) []byte { return zktest.Frame(-1, int64(-1), 0, 1) }), "an event that ends early"},
		"endless events":              {zktest.HandleRequests(func(c net.Conn, _ zktest.Request) { forever(c, zktest.Frame(-1, int64(-1), 0, 3, 3, 2, "/x")) }), "no answer"},
		"endless pings":               {zktest.HandleRequests(func(c net.Conn, _ zktest.Request) { forever(c, zktest.Frame(-2, int64(-1), 0)) }), "no answer"},
		"data beyond the frame":       {zktest.AnswerRequests(func(r zktest.Request) []byte { return zktest.Reply(r, 0, 200, "data", zktest.Stat) }), "an answer to operation 4 that ends early"},
		"gigantic data":               {zktest.AnswerRequests(func(r zktest.Request) []byte { return zktest.Reply(r, 0, huge, zktest.Stat) }), "ends early"},
		"data of negative length":     {zktest.AnswerRequests(func(r zktest.Request) []byte { return zktest.Reply(r, 0, -2, zktest.Stat) }), "ends early"},
		"no stat":                     {zktest.AnswerRequests(func(r zktest.Request) []byte { return zktest.Reply(r, 0, 4, "data", zktest.Stat[:67]) }), "ends early"},
		"nothing":                     {zktest.AnswerRequests(func(r zktest.Request) []byte { return zktest.Reply(r, 0) }), "ends early"},
		"children without number":     {zktest.AnswerRequests(func(r zktest.Request) []byte { return zktest.Reply(r, 0, -1, zktest.Stat) }), "ends early"},
		"children without end":        {zktest.AnswerRequests(func(r zktest.Request) []byte { return zktest.Reply(r, 0, huge, zktest.Stat) }), "ends early"},
		"child of negative length":    {zktest.AnswerRequests(func(r zktest.Request) []byte { return zktest.Reply(r, 0, 2, -1, -1, zktest.Stat) }), "ends early"},
		"child beyond the frame":      {zktest.AnswerRequests(func(r zktest.Request) []byte { return zktest.Reply(r, 0, 1, 100, "a") }), "ends early"},
		"unknown error":               {zktest.AnswerRequests(func(r zktest.Request) []byte { return zktest.Reply(r, -77) }), "unknown error: -77"},
		"positive error":              {zktest.AnswerRequests(func(r zktest.Request) []byte { return zktest.Reply(r, 77) }), "unknown error: 77"},
		"transaction without end":     {inMulti(1, "\x00", 0, 2, "/x"), "an answer to operation 14 that ends early"},
		"transaction cut in its flag": {inMulti(2), "an answer to operation 14 that ends early"},
		"transaction of no type":      {inMulti(77, "\x00", 0), "an answer to operation 14 that ends early"},
		"transaction of many results": {inMulti(bytes.Repeat(zktest.Encode(2, "\x00", 0), 50), -1, "\x01", -1), "an answer to operation 14 that ends early"},
		"transaction without results": {inMulti(-1, "\x01", -1), "an answer to operation 14 that ends early"},
		"sessions end at once":        {breaks(0), "no session since"},
		"another session":             {breaks(8), "session 0x8 where 0x7 was asked for"},
	}
	before := runtime.NumGoroutine()
	peak := watchMemory(t)
	t.Run("all at once", func(t *testing.T) {
		var asking sync.WaitGroup
		for name, server := range servers {
			fake := zktest.StartFake(t, server.serve)
			asking.Go(func() {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				r := zk.GetData("/x")
				switch {
				case strings.HasPrefix(name, "child"):
					r = zk.GetChildren("/x")
				case strings.HasPrefix(name, "transaction"):
					r = zk.Multi(&zk.Delete{Path: "/x"})
				}
				a := startAsking(ctx, fake.Address(), r)
				eventually(t, func() error {
					if got := a.reason(); !strings.Contains(got, server.want) {
						return fmt.Errorf("%s: got the reason %q, want %q in it", name, got, server.want)
					}
					return nil
				})
				cancel()
				select {
				case <-a.done:
				case <-time.After(20 * time.Second):
					t.Errorf("%s: a call goes on 20 s after its context's end", name)
				}
			})
		}
		asking.Wait()
	})
	if got := peak(); got > 1<<30 {
		t.Errorf("got %d MB in use, want less than that of one gigantic answer", got>>20)
	}
	for range 600 {
		if runtime.NumGoroutine() <= before+2 {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	stacks := make([]byte, 1<<20)
	t.Errorf("got %d goroutines, want about %d:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
}

// asking is what makes the same request over and over, in a new session where
// the last is over.
type asking struct {
	mu      sync.Mutex
	session *zk.Session
	done    chan struct{} // closed when ctx has ended, and the session too
}

func startAsking(ctx context.Context, addr string, r zk.Request) *asking {
	a := &asking{done: make(chan struct{})}
	a.begin(addr)
	go func() {
		defer close(a.done)
		for ctx.Err() == nil {
			a.session.Do(ctx, r)
			if a.session.IsOver() {
				a.session.Close()
				a.begin(addr)
			}
			time.Sleep(20 * time.Millisecond)
		}
		a.session.Close()
	}()
	return a
}

func (a *asking) begin(addr string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.session = zk.Open(zk.Config{Hosts: []string{addr}, Timeout: 1500 * time.Millisecond, Logger: slog.New(slog.DiscardHandler)})
}

// reason returns what a caller would be told whose deadline is over.
func (a *asking) reason() string {
	ctx, cancel := context.WithTimeout(context.Background(), 0)
	defer cancel()
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.session.Unreachable(ctx).Error()
}

// eventually fails the test unless f returns nil before long.
func eventually(t *testing.T, f func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if err = f(); err == nil {
			return
		}
	}
	t.Error(err)
}

// drip sends b, and then a byte now and then, which no deadline of one read
// would notice.
func drip(c net.Conn, b []byte) {
	c.Write(b)
	for {
		time.Sleep(20 * time.Millisecond)
		if _, err := c.Write([]byte{0}); err != nil {
			return
		}
	}
}

// breaks is a server that begins a session and breaks the connection, and says
// afterwards that the session is another one, 0 for none.
func breaks(another int) func(net.Conn) {
	return func(c net.Conn) {
		var head [4 + 28]byte
		if _, err := io.ReadFull(c, head[:]); err != nil {
			return
		}
		if binary.BigEndian.Uint64(head[20:]) != 0 {
			c.Write(zktest.Frame(0, 3000, int64(another), 16, make([]byte, 16)))
			return
		}
		c.Write(zktest.ConnectResponse)
	}
}

// A server that takes nothing more holds nobody up whose context has ended.
func TestServerTakesNothing(t *testing.T) {
	t.Parallel()
	fake := zktest.StartFake(t, func(c net.Conn) {
		zktest.ReadRequest(c)
		c.Write(zktest.Frame(0, 30_000, int64(7), 16, make([]byte, 16)))
		<-t.Context().Done()
	})
	s := open(t, 30*time.Second, fake.Address())
	path := strings.Repeat("/"+strings.Repeat("x", 199), 80) // of 16,000 bytes; 1,000 requests fill all buffers
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	errs := make(chan error, 1000)
	for range cap(errs) {
		go func() {
			_, err := s.Do(ctx, zk.GetData(path))
			errs <- err
		}()
	}
	<-ctx.Done()
	limit := time.After(20 * time.Second)
	for range cap(errs) {
		select {
		case err := <-errs:
			if unreachable := (*zk.UnreachableError)(nil); !errors.As(err, &unreachable) {
				t.Errorf("got %v, want an UnreachableError", err)
			}
		case <-limit:
			t.Fatal("a call goes on 20 s after its context's end")
		}
	}
}

// A session that nothing is asked of is kept alive.
func TestPings(t *testing.T) {
	t.Parallel()
	var connections, pings atomic.Int64
	fake := zktest.StartFake(t, func(c net.Conn) {
		connections.Add(1)
		zktest.ReadRequest(c)
		c.Write(zktest.Frame(0, 9000, int64(7), 16, make([]byte, 16)))
		for {
			r, ok := zktest.ReadRequest(c)
			if !ok {
				return
			}
			if r.Xid == -2 {
				pings.Add(1)
			}
			c.Write(zktest.Reply(r, 0))
		}
	})
	open(t, 9*time.Second, fake.Address())
	eventually(t, func() error {
		if n := pings.Load(); n < 3 {
			return fmt.Errorf("got %d pings, want one every three seconds", n)
		}
		return nil
	})
	if got := connections.Load(); got != 1 {
		t.Errorf("got %d connections, want 1", got)
	}
}

// watchMemory returns a function that ends the watch and returns the most that
// was in use, in bytes.
func watchMemory(t *testing.T) (peak func() uint64) {
	t.Helper()
	runtime.GC() // what the tests before have left is none of it
	var most uint64
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapInuse)
			select {
			case <-ticker.C:
			case <-end:
				return
			}
		}
	}()
	return func() uint64 {
		close(end)
		<-ended
		t.Logf("%d MB in use at most", most>>20)
		return most
	}
}
