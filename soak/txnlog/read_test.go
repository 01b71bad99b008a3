package txnlog_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/adler32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/soak/txnlog"
)

// What a real server logs of all that leases are made with.
func TestRealServer(t *testing.T) {
	t.Parallel()
	server := zktest.Start(t)
	conn := zktest.Conn(t, server.Addr())
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	acl := zk.WorldACL(zk.PermAll)
	var want []string
	add := func(what, path, data string) {
		zxid := server.Counters(t).Zxid
		want = append(want, fmt.Sprintf("%#x %s %s %q", zxid, what, path, data))
	}
	_, err := conn.Create("/a", []byte("one"), 0, acl)
	must(err)
	add("created", "/a", "one")
	_, err = conn.Set("/a", []byte("two"), -1)
	must(err)
	add("set", "/a", "two")
	_, err = conn.Multi(
		&zk.CreateRequest{Path: "/a/s-", Data: nil, Acl: acl, Flags: zk.FlagSequence},
		&zk.CheckVersionRequest{Path: "/a", Version: 1},
		&zk.SetDataRequest{Path: "/a", Data: []byte("three"), Version: 1},
	)
	must(err)
	add("created", "/a/s-0000000000", "")
	add("set", "/a", "three")
	if _, err = conn.Multi(
		&zk.CreateRequest{Path: "/a/never", Acl: acl},
		&zk.DeleteRequest{Path: "/a", Version: 7},
	); err == nil {
		t.Fatal("a transaction with a wrong version was carried out")
	}
	must(conn.Delete("/a/s-0000000000", -1))
	add("deleted", "/a/s-0000000000", "")
	other := zktest.Conn(t, server.Addr())
	_, err = other.Create("/a/e", []byte("ephemeral"), zk.FlagEphemeral, acl)
	must(err)
	add("created", "/a/e", "ephemeral")
	other.Close()
	add("deleted", "/a/e", "")

	logs := txnlog.NewCollector(filepath.Dir(logDir(t, server)))
	must(logs.Poll())
	var got []string
	for _, c := range logs.Changes() {
		got = append(got, fmt.Sprintf("%#x %s %s %q", c.Zxid, [...]string{"created", "set", "deleted"}[c.Kind], c.Path, c.Data))
		if age := time.Since(time.UnixMilli(c.Time)); age < -time.Second || age > time.Minute || c.Session == 0 {
			t.Errorf("got %+v, want the time and a session", c)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

// A server that is killed leaves a log that ends anywhere.
func TestTornLog(t *testing.T) {
	t.Parallel()
	server := zktest.Start(t)
	conn := zktest.Conn(t, server.Addr())
	for i := range 5 {
		if _, err := conn.Create(fmt.Sprintf("/%d", i), []byte("data"), 0, zk.WorldACL(zk.PermAll)); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob(filepath.Join(logDir(t, server), "log.*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("got the logs %q and error %v, want one", files, err)
	}
	whole, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	torn := filepath.Join(dir, "version-2", "log.1")
	if err := os.Mkdir(filepath.Dir(torn), 0o700); err != nil {
		t.Fatal(err)
	}
	last := 0
	for size := 16; size < 2000; size += 7 {
		if err := os.WriteFile(torn, whole[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		logs := txnlog.NewCollector(dir)
		if err := logs.Poll(); err != nil {
			t.Fatalf("the first %d bytes: %v", size, err)
		}
		n := len(logs.Changes())
		if n < last || n > 5 {
			t.Fatalf("the first %d bytes: got %d changes after %d", size, n, last)
		}
		last = n
	}
	if last != 5 {
		t.Errorf("got %d changes, want 5", last)
	}

	// One server of three that has logged something proves nothing.
	logs := txnlog.NewCollector(dir, t.TempDir(), t.TempDir())
	if err := logs.Poll(); err != nil {
		t.Fatal(err)
	}
	if got := logs.Changes(); len(got) != 0 {
		t.Errorf("got %d changes that only one server of three has, want none", len(got))
	}
}

// A server takes back what it has logged, in part of a file or in all of it, when
// a new leader does not know it.
func TestLost(t *testing.T) {
	t.Parallel()
	server := zktest.Start(t)
	conn := zktest.Conn(t, server.Addr())
	var zxids []int64
	for i := range 4 {
		if _, err := conn.Create(fmt.Sprintf("/%d", i), nil, 0, zk.WorldACL(zk.PermAll)); err != nil {
			t.Fatal(err)
		}
		zxids = append(zxids, server.Counters(t).Zxid)
	}
	files, err := filepath.Glob(filepath.Join(logDir(t, server), "log.*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("got the logs %q and error %v, want one", files, err)
	}
	whole, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	var dirs []string
	write := func(server int, name string, data []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dirs[server], "version-2", name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 {
		dirs = append(dirs, t.TempDir())
		if err := os.Mkdir(filepath.Join(dirs[i], "version-2"), 0o700); err != nil {
			t.Fatal(err)
		}
		write(i, "log.1", whole[:16])
	}
	logs := txnlog.NewCollector(dirs...)
	want := func(lost ...int64) {
		t.Helper()
		if err := logs.Poll(); err != nil {
			t.Fatal(err)
		}
		if got := logs.Lost(); !slices.Equal(got, lost) {
			t.Errorf("got the lost transactions %#x, want %#x", got, lost)
		}
	}
	third := bytes.Index(whole, []byte("/2"))
	write(0, "log.1", whole[:third])
	write(1, "log.2", whole)
	want()
	write(1, "log.2", whole[:third]) // nobody else had the rest
	want()
	write(1, "log.2", whole)
	write(2, "log.2", whole)
	want()
	write(1, "log.2", whole[:third])
	want(zxids[2:]...)
	write(1, "log.2", whole) // it has got them again
	want()
	write(1, "log.3", whole[:16])
	remove := func(server int, name string) {
		t.Helper()
		if err := os.Remove(filepath.Join(dirs[server], "version-2", name)); err != nil {
			t.Fatal(err)
		}
	}
	remove(1, "log.1")
	remove(1, "log.2") // both for their age
	want()
	remove(2, "log.2") // an older one is there
	want(zxids[2:]...)
}

func logDir(t *testing.T, server *zktest.Server) string {
	t.Helper()
	answer, err := zktest.Ask(server.Addr(), "conf", 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(answer, "dataLogDir=")
	dir, _, ok := strings.Cut(rest, "\n")
	if !ok {
		t.Fatalf("no dataLogDir in %q", answer)
	}
	return dir
}

// What a majority has logged is lost if what follows shows that it is not
// there, whatever the logs still have.
func TestContradicted(t *testing.T) {
	t.Parallel()
	const create, set, remove = 1, 5, 2
	for name, test := range map[string]struct {
		log  []transaction
		want []int64
	}{
		"nothing":                  {[]transaction{{1, create, "/a"}, {2, set, "/a"}, {3, remove, "/a"}, {4, create, "/a"}}, nil},
		"what nothing is known of": {[]transaction{{1, set, "/a"}, {2, remove, "/b"}, {3, create, "/b"}}, nil},
		"a creation":               {[]transaction{{1, create, "/a"}, {2, create, "/b"}, {3, create, "/a"}}, []int64{3}},
		"a removal":                {[]transaction{{1, create, "/a"}, {2, remove, "/a"}, {3, remove, "/a"}, {4, set, "/a"}}, []int64{3, 4}},
	} {
		dirs := []string{t.TempDir(), t.TempDir(), t.TempDir()}
		for _, dir := range dirs[1:] {
			if err := os.Mkdir(filepath.Join(dir, "version-2"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "version-2", "log.1"), logOf(test.log), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		logs := txnlog.NewCollector(dirs...)
		if err := logs.Poll(); err != nil {
			t.Fatal(err)
		}
		if got := logs.Lost(); !slices.Equal(got, test.want) {
			t.Errorf("%s: got %v lost, want %v", name, got, test.want)
		}
	}
}

type transaction struct {
	zxid int64
	kind uint32
	path string
}

// logOf is a server's log of transactions.
func logOf(all []transaction) []byte {
	log := append([]byte("ZKLG"), make([]byte, 12)...)
	for _, tx := range all {
		var b []byte
		b = binary.BigEndian.AppendUint64(b, 7) // the session
		b = binary.BigEndian.AppendUint32(b, 0)
		b = binary.BigEndian.AppendUint64(b, uint64(tx.zxid))
		b = binary.BigEndian.AppendUint64(b, 0) // the time
		b = binary.BigEndian.AppendUint32(b, tx.kind)
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(tx.path))), tx.path...)
		b = binary.BigEndian.AppendUint32(b, 0) // no data
		log = binary.BigEndian.AppendUint64(log, uint64(adler32.Checksum(b)))
		log = append(binary.BigEndian.AppendUint32(log, uint32(len(b))), b...)
		log = append(log, 'B')
	}
	return log
}
