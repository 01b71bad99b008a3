package zookeeper_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/zookeeper"
)

// An impostor accepts connections in ZooKeeper's place.
type impostor struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
	busy  sync.WaitGroup
}

// impersonate serves each connection by serve, in a goroutine that ends with
// the test.
func impersonate(t *testing.T, serve func(net.Conn)) *impostor {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveAt(t, listener, serve)
}

// serveAt is impersonate at a place of the caller's choice.
func serveAt(t *testing.T, listener net.Listener, serve func(net.Conn)) *impostor {
	i := &impostor{Listener: listener}
	i.busy.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			i.mu.Lock()
			i.conns = append(i.conns, c)
			i.mu.Unlock()
			i.busy.Go(func() {
				defer c.Close()
				serve(c)
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		i.mu.Lock()
		for _, c := range i.conns {
			c.Close()
		}
		i.mu.Unlock()
		i.busy.Wait()
	})
	return i
}

// A request as it arrives.
type request struct{ xid, operation int32 }

// request reads one; ok is false at the connection's end.
func readRequest(c net.Conn) (r request, ok bool) {
	var head [4]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return r, false
	}
	frame := make([]byte, binary.BigEndian.Uint32(head[:]))
	if _, err := io.ReadFull(c, frame); err != nil || len(frame) < 8 {
		return r, err == nil
	}
	return request{int32(binary.BigEndian.Uint32(frame)), int32(binary.BigEndian.Uint32(frame[4:]))}, true
}

// wire writes values as ZooKeeper does; a string as its bytes alone.
func wire(values ...any) []byte {
	var b []byte
	for _, v := range values {
		switch v := v.(type) {
		case int:
			b = binary.BigEndian.AppendUint32(b, uint32(v))
		case int64:
			b = binary.BigEndian.AppendUint64(b, uint64(v))
		case string:
			b = append(b, v...)
		case []byte:
			b = append(b, v...)
		}
	}
	return b
}

func frame(values ...any) []byte {
	b := wire(values...)
	return append(wire(len(b)), b...)
}

func reply(r request, code int, body ...any) []byte {
	return frame(int(r.xid), int64(1), code, wire(body...))
}

var (
	stat     = make([]byte, 68)
	greeting = frame(0, 3000, int64(7), 16, make([]byte, 16), "\x00")
)

const (
	noNode  = -101
	syncing = 9
	multi   = 14
	closing = -11
)

// greets is a server that begins a session, and then does f with each request.
// A session's end, at least, is answered well, and so are pings.
func greets(f func(c net.Conn, r request)) func(net.Conn) {
	return func(c net.Conn) {
		if _, ok := readRequest(c); !ok {
			return
		}
		c.Write(greeting)
		for {
			r, ok := readRequest(c)
			switch {
			case !ok:
				return
			case r.xid == -2 || r.operation == closing:
				c.Write(reply(r, 0))
			default:
				f(c, r)
			}
		}
	}
}

// answers is a server that gives one answer to everything.
func answers(answer func(r request) []byte) func(net.Conn) {
	return greets(func(c net.Conn, r request) { c.Write(answer(r)) })
}

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
	return answers(func(r request) []byte {
		switch r.operation {
		case multi:
			return reply(r, 0, body...)
		case syncing:
			return reply(r, 0, 2, "/x")
		default:
			return reply(r, noNode)
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
		"HTTP":                        {says([]byte("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")), `no ZooKeeper's: a frame of 1213486160 bytes: it begins with "HTTP"`},
		"TLS":                         {says([]byte("\x15\x03\x01\x00\x02\x02\x46")), "no ZooKeeper's: a frame of 352518400 bytes: it seems to speak TLS"},
		"hangs up":                    {func(c net.Conn) { readRequest(c) }, "before there was a session: EOF"},
		"zeros":                       {func(c net.Conn) { forever(c, make([]byte, 1<<16)) }, "a greeting of 0 bytes"},
		"noise":                       {func(c net.Conn) { forever(c, []byte("\xff\x93\x00\x80\x7f\x01")) }, "a frame of 4287824000 bytes"},
		"greeting too short":          {says(frame(0, 3000, int64(7))), "a greeting of 16 bytes"},
		"greeting without password":   {says(frame(0, 3000, int64(7), 16)), "a greeting of 20 bytes"},
		"greeting of negative length": {says(wire(-1)), "a frame of 4294967295 bytes"},
		"greeting of gigantic length": {says(wire(huge)), "a frame of 2147483647 bytes"},
		"long greeting":               {says(frame(make([]byte, 1<<16))), "a frame of 65536 bytes"},
		"greeting never ends":         {says(greeting[:20]), "before there was a session"},
		"greeting in drips":           {func(c net.Conn) { drip(c, wire(1000)) }, "before there was a session"},
		"gigantic password":           {says(frame(0, 3000, int64(7), huge)), "a greeting of 20 bytes"},
		"negative password":           {says(frame(0, 3000, int64(7), -1)), "a greeting of 20 bytes"},
		"password too long":           {says(frame(0, 3000, int64(7), 250, make([]byte, 250))), "a session password of 250 bytes"},
		"no session":                  {says(frame(0, 3000, int64(0), 16, make([]byte, 16))), "session 0x0"},
		"timeout of zero":             {says(frame(0, 0, int64(7), 16, make([]byte, 16))), "a session timeout of 0s"},
		"negative timeout":            {says(frame(0, -5, int64(7), 16, make([]byte, 16))), "a session timeout of -5ms"},
		"empty frame":                 {answers(func(request) []byte { return frame() }), "a frame of 0 bytes"},
		"short event":                 {answers(func(request) []byte { return frame(-1, int64(0)) }), "a frame of 12 bytes"},
		"short answer":                {answers(func(r request) []byte { return frame(int(r.xid), int64(1), "\x00\x00\x00") }), "a frame of 15 bytes"},
		"frame of negative length":    {answers(func(request) []byte { return wire(-16) }), "a frame of 4294967280 bytes"},
		"frame of gigantic length":    {answers(func(request) []byte { return wire(huge, make([]byte, 1<<16)) }), "a frame of 2147483647 bytes"},
		"frame too long":              {answers(func(request) []byte { return wire(1 << 26) }), "a frame of 67108864 bytes"},
		"frame never ends":            {answers(func(r request) []byte { return reply(r, 0, 5, "data", stat)[:30] }), "deadline exceeded"},
		"long frame in drips":         {greets(func(c net.Conn, r request) { drip(c, wire(1<<24-1, int(r.xid))) }), "deadline exceeded"},
		"no answer":                   {greets(func(net.Conn, request) {}), "no answer"},
		"wrong xid":                   {answers(func(r request) []byte { return reply(request{xid: r.xid + 5}, 0, 4, "data", stat) }), "an answer to no request (xid "},
		"negative xid":                {answers(func(r request) []byte { return reply(request{xid: -4}, 0, 4, "data", stat) }), "an answer to no request (xid -4)"},
		"event of no type":            {answers(func(request) []byte { return frame(-1, int64(-1), 0, 99, 3, 1, "/") }), "an event of type 99"},
		"event that ends the session": {answers(func(request) []byte { return frame(-1, int64(-1), 0, -1, -112, 1, "/") }), "an event of type -1"},
		"event that ends early":       {answers(func(request) []byte { return frame(-1, int64(-1), 0, 1, 3, 100, "/") }), "an event that ends early"},
		"event of gigantic length":    {answers(func(request) []byte { return frame(-1, int64(-1), 0, 1, 3, huge, "/") }), "an event that ends early"},
		"event without path":          {answers(func(request) []byte { return frame(-1, int64(-1), 0, 1) }), "an event that ends early"},
		"endless events":              {greets(func(c net.Conn, _ request) { forever(c, frame(-1, int64(-1), 0, 3, 3, 2, "/x")) }), "no answer"},
		"endless pings":               {greets(func(c net.Conn, _ request) { forever(c, frame(-2, int64(-1), 0)) }), "no answer"},
		"data beyond the frame":       {answers(func(r request) []byte { return reply(r, 0, 200, "data", stat) }), "an answer to operation 4 that ends early"},
		"gigantic data":               {answers(func(r request) []byte { return reply(r, 0, huge, stat) }), "ends early"},
		"data of negative length":     {answers(func(r request) []byte { return reply(r, 0, -2, stat) }), "ends early"},
		"no stat":                     {answers(func(r request) []byte { return reply(r, 0, 4, "data", stat[:67]) }), "ends early"},
		"nothing":                     {answers(func(r request) []byte { return reply(r, 0) }), "ends early"},
		"children without number":     {answers(func(r request) []byte { return reply(r, 0, -1, stat) }), "ends early"},
		"children without end":        {answers(func(r request) []byte { return reply(r, 0, huge, stat) }), "ends early"},
		"child of negative length":    {answers(func(r request) []byte { return reply(r, 0, 2, -1, -1, stat) }), "ends early"},
		"child beyond the frame":      {answers(func(r request) []byte { return reply(r, 0, 1, 100, "a") }), "ends early"},
		"unknown error":               {answers(func(r request) []byte { return reply(r, -77) }), "unknown error: -77"},
		"positive error":              {answers(func(r request) []byte { return reply(r, 77) }), "unknown error: 77"},
		"children for ever":           {answers(endlessTree), "deadline exceeded"},
		"transaction without end":     {inMulti(1, "\x00", 0, 2, "/x"), "an answer to operation 14 that ends early"},
		"transaction cut in its flag": {inMulti(2), "an answer to operation 14 that ends early"},
		"transaction of no type":      {inMulti(77, "\x00", 0), "an answer to operation 14 that ends early"},
		"transaction of many results": {inMulti(bytes.Repeat(wire(2, "\x00", 0), 50), -1, "\x01", -1), "an answer to operation 14 that ends early"},
		"transaction without results": {inMulti(-1, "\x01", -1), "outcome unknown"},
		"sessions end at once":        {breaks(0), "no session since"},
		"another session":             {breaks(8), "session 0x8 where 0x7 was asked for"},
	}
	before := runtime.NumGoroutine()
	peak := watchMemory(t)
	t.Run("all at once", func(t *testing.T) {
		var asking sync.WaitGroup
		for name, server := range servers {
			i := impersonate(t, server.serve)
			asking.Go(func() {
				// On a busy machine a call may end before it gets that far, or be
				// told late of its context's end.
				call, err, late := "", error(nil), time.Duration(0)
				good := func() bool {
					return err != nil && strings.Contains(err.Error(), server.want) && late < time.Second
				}
				began, within := time.Now(), 600*time.Millisecond
				for !good() && time.Since(began) < time.Minute {
					call, late, err = ask(t, name, i.Addr().String(), within)
					within = min(2*within, 8*time.Second)
				}
				if !good() {
					t.Errorf("%s, %s: got %v, %s after its context's end; want it at once, and to say %q", name, call, err, late, server.want)
				}
				if !errors.Is(err, leasehold.ErrUnreachable) && !errors.Is(err, leasehold.ErrOutcomeUnknown) {
					t.Errorf("%s, %s: got %v, want ErrUnreachable or ErrOutcomeUnknown", name, call, err)
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

// ask opens a store and calls what leads to the interesting request, with
// contexts that end. It returns the first call that failed, and how long after
// its context's end it did.
func ask(t *testing.T, server, addr string, within time.Duration) (call string, late time.Duration, err error) {
	var s *zookeeper.Store
	in := func(f func(ctx context.Context) error) (time.Duration, error) {
		ctx, cancel := context.WithTimeout(t.Context(), within)
		defer cancel()
		err := f(ctx)
		deadline, _ := ctx.Deadline()
		return time.Since(deadline), err
	}
	late, err = in(func(ctx context.Context) (err error) {
		s, err = zookeeper.Open(ctx, "zk://"+addr, &zookeeper.Options{SessionTimeout: 1500 * time.Millisecond})
		return err
	})
	if err != nil {
		return "open", late, err
	}
	defer s.Close()
	call, f := "read", func(ctx context.Context) error { _, err := s.Read(ctx, "/x"); return err }
	switch {
	case strings.HasPrefix(server, "child"):
		call, f = "list", func(ctx context.Context) error { _, err := s.List(ctx, "/"); return err }
	case strings.HasPrefix(server, "transaction"):
		call, f = "grant", func(ctx context.Context) error {
			_, err := client(s, "host-a").TryAcquire(ctx, "/x", time.Minute)
			return err
		}
	}
	late, err = in(f)
	return call, late, err
}

// endlessTree says that every node has the same many children.
var endlessTree = func() func(request) []byte {
	const children = 50_000
	names := wire(children)
	for i := range children {
		name := strconv.Itoa(i)
		names = append(names, wire(len(name), name)...)
	}
	return func(r request) []byte { return reply(r, 0, names, stat) }
}()

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
			c.Write(frame(0, 3000, int64(another), 16, make([]byte, 16)))
			return
		}
		c.Write(greeting)
	}
}

// A server that takes nothing more holds nobody up whose context has ended.
func TestServerTakesNothing(t *testing.T) {
	t.Parallel()
	i := impersonate(t, func(c net.Conn) {
		readRequest(c)
		c.Write(frame(0, 30_000, int64(7), 16, make([]byte, 16)))
		<-t.Context().Done()
	})
	s := openWith(t, i.Addr().String(), &zookeeper.Options{SessionTimeout: 30 * time.Second})
	path := strings.Repeat("/"+strings.Repeat("x", 199), 80) // of 16,000 bytes; 1,000 requests fill all buffers
	var asking sync.WaitGroup
	for range 1000 {
		asking.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			_, err := s.Read(ctx, path)
			deadline, _ := ctx.Deadline()
			if late := time.Since(deadline); !errors.Is(err, leasehold.ErrUnreachable) || late > 2*time.Second {
				t.Errorf("got %v, %s after the context's end, want ErrUnreachable at once", err, late)
			}
		})
	}
	asking.Wait()
}

// A session that nothing is asked of is kept alive.
func TestPings(t *testing.T) {
	t.Parallel()
	var connections, pings atomic.Int64
	i := impersonate(t, func(c net.Conn) {
		connections.Add(1)
		readRequest(c)
		c.Write(frame(0, 3000, int64(7), 16, make([]byte, 16)))
		for {
			r, ok := readRequest(c)
			if !ok {
				return
			}
			if r.xid == -2 {
				pings.Add(1)
			}
			c.Write(reply(r, 0))
		}
	})
	openWith(t, i.Addr().String(), &zookeeper.Options{SessionTimeout: 3 * time.Second})
	eventually(t, func() error {
		if n := pings.Load(); n < 3 {
			return fmt.Errorf("got %d pings, want one every second", n)
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
