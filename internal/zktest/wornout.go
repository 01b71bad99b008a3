package zktest

import (
	"bytes"
	"encoding/binary"
	"hash/adler32"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/go-zookeeper/zk"
)

// WearOut makes the server believe that the node at path has had 2^31-1
// children. It rewrites the transaction log, in which the creation of a child
// has the new count, and restarts the server.
func (s *Server) WearOut(t testing.TB, path string) {
	t.Helper()
	conn := Conn(t, s.addr)
	child := path + "/worn-out"
	if _, err := conn.Create(child, nil, 0, zk.WorldACL(zk.PermAll)); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	s.Kill()
	logs, err := filepath.Glob(s.file("data/version-2/log.*"))
	if err != nil || len(logs) != 1 {
		t.Fatalf("got logs %q and error %v, want one", logs, err)
	}
	raw, err := os.ReadFile(logs[0])
	if err != nil {
		t.Fatal(err)
	}
	if !setCount(raw, child) {
		t.Fatalf("%s: no transaction that creates %s", logs[0], child)
	}
	if err := os.WriteFile(logs[0], raw, 0o600); err != nil {
		t.Fatal(err)
	}
	s.Restart(t)
	if err := Conn(t, s.addr).Delete(child, -1); err != nil {
		t.Fatal(err)
	}
}

// setCount sets the count in the transaction that creates child. The format is
// that of FileTxnLog and CreateTxn in ZooKeeper 3.8.
func setCount(raw []byte, child string) bool {
	creation := Encode(len(child), child, -1, 1, 31, len("world"), "world", len("anyone"), "anyone", "\x00")
	for at := 16; at+12 < len(raw); {
		sum, length := raw[at:at+8], int(binary.BigEndian.Uint32(raw[at+8:]))
		txn := raw[at+12 : at+12+length]
		if i := bytes.Index(txn, creation); i >= 0 {
			binary.BigEndian.PutUint32(txn[i+len(creation):], math.MaxInt32)
			binary.BigEndian.PutUint64(sum, uint64(adler32.Checksum(txn)))
			return true
		}
		at += 12 + length + 1
	}
	return false
}
