package zk_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	library "github.com/go-zookeeper/zk"

	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/zookeeper/internal/zk"
)

// requestNames are the names of what requests returns.
var requestNames = []string{"get", "get and watch", "exists", "exists and watch", "children", "ACL", "sync", "transaction that fails", "transaction of checks", "transaction of each kind"}

// requests returns one request of each kind about the node at path.
func requests(path string) []zk.Request {
	check := &zk.Check{Path: path, Version: zk.AnyVersion}
	acl := []zk.ACL{{Perms: zk.PermAll, Scheme: "auth"}, {Perms: zk.PermRead, Scheme: "world", ID: "anyone"}}
	return []zk.Request{
		zk.GetData(path), zk.GetDataW(path), zk.Exists(path), zk.ExistsW(path), zk.GetChildren(path), zk.GetACL(path), zk.Sync(path),
		zk.Multi(
			&zk.Create{Path: path + "/new", Data: []byte("data"), ACL: acl, Flags: zk.Sequence},
			&zk.SetData{Path: path, Data: []byte{}, Version: 77},
			&zk.Delete{Path: path, Version: zk.AnyVersion},
		),
		zk.Multi(check, check, check, check),
		zk.Multi(&zk.Create{Path: path + "/new", ACL: acl}, &zk.Delete{Path: path + "/new"}, check, &zk.SetData{Path: path}),
	}
}

// askLibrary makes one of requests by the other client.
func askLibrary(conn *library.Conn, i int, path string) (r zk.Reply, err error) {
	var (
		stat    *library.Stat
		event   <-chan library.Event
		acl     []library.ACL
		results []library.MultiResponse
		exists  = true
	)
	check := &library.CheckVersionRequest{Path: path, Version: -1}
	libraryACL := append(library.AuthACL(library.PermAll), library.WorldACL(library.PermRead)...)
	switch i {
	case 0:
		r.Data, stat, err = conn.Get(path)
	case 1:
		r.Data, stat, event, err = conn.GetW(path)
	case 2:
		exists, stat, err = conn.Exists(path)
	case 3:
		exists, stat, event, err = conn.ExistsW(path)
	case 4:
		r.Children, stat, err = conn.Children(path)
	case 5:
		acl, stat, err = conn.GetACL(path)
	case 6:
		_, err = conn.Sync(path)
	case 7:
		results, err = conn.Multi(
			&library.CreateRequest{Path: path + "/new", Data: []byte("data"), Acl: libraryACL, Flags: library.FlagSequence},
			&library.SetDataRequest{Path: path, Data: []byte{}, Version: 77},
			&library.DeleteRequest{Path: path, Version: -1},
		)
	case 8:
		results, err = conn.Multi(check, check, check, check)
	case 9:
		results, err = conn.Multi(
			&library.CreateRequest{Path: path + "/new", Acl: libraryACL}, &library.DeleteRequest{Path: path + "/new"},
			check, &library.SetDataRequest{Path: path},
		)
	}
	if err == nil && !exists {
		err = library.ErrNoNode
	}
	if event != nil {
		r.Watch = make(chan struct{})
	}
	for _, a := range acl {
		r.ACL = append(r.ACL, zk.ACL{Perms: a.Perms, Scheme: a.Scheme, ID: a.ID})
	}
	for _, result := range results {
		r.Results = append(r.Results, zk.Result{Path: result.String, Stat: fromLibrary(result.Stat), Err: codeOf(result.Error)})
	}
	r.Stat = fromLibrary(stat)
	return r, codeOf(err)
}

func fromLibrary(s *library.Stat) *zk.Stat {
	if s == nil {
		return nil
	}
	return &zk.Stat{
		Czxid: s.Czxid, Mzxid: s.Mzxid, Ctime: s.Ctime, Mtime: s.Mtime, Version: s.Version, Cversion: s.Cversion, Aversion: s.Aversion,
		EphemeralOwner: s.EphemeralOwner, DataLength: s.DataLength, NumChildren: s.NumChildren, Pzxid: s.Pzxid,
	}
}

// libraryErrors are the other client's names for codes.
var libraryErrors = map[error]zk.Code{
	library.ErrAPIError: -100, library.ErrNoNode: zk.ErrNoNode, library.ErrNoAuth: zk.ErrNoAuth, library.ErrBadVersion: zk.ErrBadVersion,
	library.ErrNoChildrenForEphemerals: -108, library.ErrNodeExists: zk.ErrNodeExists, library.ErrNotEmpty: -111, library.ErrSessionExpired: -112,
	library.ErrInvalidACL: zk.ErrInvalidACL, library.ErrAuthFailed: -115, library.ErrClosing: -116, library.ErrNothing: -117,
	library.ErrSessionMoved: -118, library.ErrReconfigDisabled: -123, library.ErrBadArguments: -8,
}

func codeOf(err error) error {
	if code, ok := libraryErrors[err]; ok {
		return code
	}
	var code int32
	if err != nil {
		if _, failed := fmt.Sscanf(err.Error(), "unknown error: %d", &code); failed == nil {
			return zk.Code(code)
		}
	}
	return err
}

func describe(r zk.Reply, err error) string {
	s := fmt.Sprintf("error %v", err)
	for _, result := range r.Results {
		s += fmt.Sprintf(", result %q %+v %v", result.Path, result.Stat, result.Err)
	}
	if err == nil {
		s += fmt.Sprintf(", data %q, children %q, ACL %v, stat %+v, watched %t", r.Data, r.Children, r.ACL, r.Stat, r.Watch != nil)
	}
	return s
}

// A real server's answers are understood as the other client understands them.
func TestSameAsLibrary(t *testing.T) {
	t.Parallel()
	server := zktest.Start(t) // of its own: others list all that is on the shared one
	conn := zktest.Conn(t, server.Addr())
	s := open(t, time.Minute, server.Addr())
	base := "/same-as-library"
	for _, node := range []struct {
		path string
		data []byte
		acl  []library.ACL
	}{
		{base, nil, library.WorldACL(library.PermAll)},
		{base + "/data", []byte("data \x00\xff"), library.WorldACL(library.PermAll)},
		{base + "/empty", []byte{}, library.WorldACL(library.PermAll)},
		{base + "/\u00e9", bytes.Repeat([]byte("x"), 100_000), append(library.DigestACL(library.PermAll, "u", "p"), library.WorldACL(library.PermRead)...)},
		{base + "/closed", nil, library.DigestACL(library.PermAll, "u", "p")},
	} {
		if _, err := conn.Create(node.path, node.data, 0, node.acl); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{
		base: "children [", base + "/data": `data "data \x00\xff"`, base + "/empty": `data ""`, base + "/\u00e9": "digest",
		base + "/closed": zk.ErrNoAuth.Error(), base + "/none": zk.ErrNoNode.Error(), base + "/none/at/all": zk.ErrNoNode.Error(),
	} {
		var all strings.Builder
		for i, r := range requests(path)[:9] { // the last one changes what the next client finds
			got, want := describe(s.Do(t.Context(), r)), describe(askLibrary(conn, i, path))
			if got != want {
				t.Errorf("%s of %s: got %.300s, want %.300s", requestNames[i], path, got, want)
			}
			fmt.Fprintln(&all, got)
		}
		if !strings.Contains(all.String(), want) {
			t.Errorf("%s: got %.1000s, want %q in it", path, all.String(), want)
		}
	}
}

// An answer that is accepted is understood as the other client understands it.
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
		answers, _ := replay(append(received, zktest.Reply(zktest.Request{Xid: int32(i + 1)}, code, body)...))
		got := answers[i]
		if got == "" { // the library may panic by it
			return
		}
		want := describe(askLibrary(connectLibrary(t, func(r zktest.Request) []byte {
			if r.Op == zktest.OpClose {
				return zktest.Reply(r, 0)
			}
			return zktest.Reply(r, code, body)
		}), i, "/x"))
		if got != want {
			t.Errorf("%s, code %d, %q:\n got %s\nwant %s", requestNames[i], code, body, got, want)
		}
	})
}

// connectLibrary returns a connection of the other client's to a server that
// answers so.
func connectLibrary(t *testing.T, answer func(zktest.Request) []byte) *library.Conn {
	t.Helper()
	server, client := net.Pipe()
	go zktest.AnswerRequests(answer)(server)
	first := true
	conn, events, err := library.Connect([]string{"127.0.0.1:1"}, 3*time.Second, library.WithLogger(quietLog{}), library.WithDialer(
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
		if e.State == library.StateHasSession {
			break
		}
	}
	return conn
}

type quietLog struct{}

func (quietLog) Printf(string, ...any) {}

// open begins a session that ends with the test, and waits for a connection.
func open(t testing.TB, timeout time.Duration, hosts ...string) *zk.Session {
	t.Helper()
	return openWith(t, zk.Config{Hosts: hosts, Timeout: timeout})
}

func openWith(t testing.TB, config zk.Config) *zk.Session {
	t.Helper()
	s := begin(t, config)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := s.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	return s
}

// begin is openWith, without waiting.
func begin(t testing.TB, config zk.Config) *zk.Session {
	config.Logger = slog.New(slog.DiscardHandler)
	s := zk.Open(config)
	t.Cleanup(s.Close)
	return s
}
