package zookeeper_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"net"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"leasehold.example/leasehold/zookeeper"
)

// results are what good answers have after their headers, by operation.
var results = map[int32][]byte{
	1: wire(2, "/x"), 2: nil, 3: stat, 4: wire(4, "data", stat), 5: stat, 9: wire(2, "/x"),
	12: wire(2, 1, "a", 2, "bc", stat), 14: wire(1, "\x00", 0, 2, "/x", 13, "\x00", 0, 5, "\x00", 0, stat, -1, "\x01", -1), 101: nil, -11: nil,
}

// operations are those that a replay is asked for, under xids from 1.
func operations() []int32 { return slices.Sorted(maps.Keys(results)) }

// A replay is a connection on which all that will ever come has come.
type replay struct {
	net.Conn
	*bytes.Reader
}

func (r replay) Read(p []byte) (int, error)  { return r.Reader.Read(p) }
func (r replay) Write(p []byte) (int, error) { return len(p), nil }
func (r replay) Close() error                { return nil }

// replayed returns what passes of received, after one request of each kind.
func replayed(received []byte) ([]byte, error) {
	c := zookeeper.Framed(replay{Reader: bytes.NewReader(received)})
	c.Write(frame(0, int64(0), 3000, int64(0), 16, make([]byte, 16)))
	for i, operation := range operations() {
		c.Write(frame(i+1, int(operation)))
	}
	return io.ReadAll(c)
}

func FuzzFrames(f *testing.F) {
	all := slices.Clone(greeting)
	for i, operation := range operations() {
		answer := reply(request{xid: int32(i + 1)}, 0, results[operation])
		f.Add(slices.Concat(greeting, answer))
		f.Add(slices.Concat(greeting, answer[:len(answer)-1]))
		all = append(all, answer...)
	}
	all = append(all, frame(-1, int64(-1), 0, 3, 3, 2, "/x")...)
	all = append(all, frame(-2, int64(5), 0)...)
	f.Add(all)
	f.Add(append(slices.Clone(greeting), reply(request{xid: 1}, -101)...))
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
	if got, err := replayed(all); err != nil || !bytes.Equal(got, all) {
		f.Fatalf("good answers: got %d of %d bytes and the error %v, want all", len(got), len(all), err)
	}
	f.Fuzz(func(t *testing.T, received []byte) {
		got, err := replayed(received)
		if !bytes.HasPrefix(received, got) {
			t.Fatalf("got %q, want a beginning of %q", got, received)
		}
		if err == nil && len(got) < len(received) && len(received)-len(got) > 4 {
			if rest := received[len(got):]; int64(binary.BigEndian.Uint32(rest)) <= int64(len(rest)-4) {
				t.Fatalf("%q: a whole frame was neither passed nor refused", rest)
			}
		}
		for n := 0; len(got) > 0; n++ {
			size := 4 + int(binary.BigEndian.Uint32(got))
			if size > len(got) || n > 0 && size < 4+16 {
				t.Fatalf("frame %d: got %q, want a whole one", n, got)
			}
			got = got[size:]
		}
	})
}

// What passes is decoded by the client library, in its own goroutines, which
// would end the process by their panic.
func FuzzLibraryDecodes(f *testing.F) {
	for _, operation := range operations() {
		if body := results[operation]; len(body) > 0 {
			f.Add(operation, body)
			f.Add(operation, body[:len(body)-1])
		}
	}
	f.Fuzz(func(t *testing.T, operation int32, body []byte) {
		if len(body) > 1<<20 {
			return
		}
		call := map[int32]func(*zk.Conn) error{
			1:  func(c *zk.Conn) error { _, err := c.Create("/x", nil, 0, nil); return err },
			2:  func(c *zk.Conn) error { return c.Delete("/x", 0) },
			3:  func(c *zk.Conn) error { _, _, err := c.Exists("/x"); return err },
			4:  func(c *zk.Conn) error { _, _, err := c.Get("/x"); return err },
			5:  func(c *zk.Conn) error { _, err := c.Set("/x", nil, 0); return err },
			9:  func(c *zk.Conn) error { _, err := c.Sync("/x"); return err },
			12: func(c *zk.Conn) error { _, _, err := c.Children("/x"); return err },
			14: func(c *zk.Conn) error {
				_, err := c.Multi(&zk.CheckVersionRequest{Path: "/x"}, &zk.SetDataRequest{Path: "/x"})
				return err
			},
		}[operation]
		if call == nil {
			return
		}
		conn := connectTo(t, func(r request) []byte {
			if r.operation == closing {
				return reply(r, 0)
			}
			return reply(r, 0, body)
		})
		defer conn.Close()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := call(conn)
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 32<<20 {
			t.Errorf("got %d MB allocated for %d bytes", used>>20, len(body))
		}
		if errors.Is(err, zk.ErrShortBuffer) {
			t.Errorf("got %v, want it refused before it is decoded", err)
		}
	})
}

// connectTo returns a connection to a server that answers so.
func connectTo(t *testing.T, answer func(request) []byte) *zk.Conn {
	t.Helper()
	server, client := net.Pipe()
	go answers(answer)(server)
	t.Cleanup(func() { server.Close() })
	first := true
	conn, events, err := zk.Connect([]string{"127.0.0.1:1"}, 3*time.Second, zk.WithLogger(quietLog{}), zk.WithDialer(
		func(string, string, time.Duration) (net.Conn, error) {
			if !first {
				return nil, io.ErrClosedPipe
			}
			first = false
			return zookeeper.Framed(client), nil
		}))
	if err != nil {
		t.Fatal(err)
	}
	for e := range events {
		if e.State == zk.StateHasSession {
			break
		}
	}
	return conn
}

type quietLog struct{}

func (quietLog) Printf(string, ...any) {}
