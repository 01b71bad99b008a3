package interop_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/zookeeper"
)

// sqlite runs a list of attempts to write on SQLite, by the SQL on its standard
// input, and prints which were let through.
const sqlite = `
import json, sqlite3, sys
job = json.load(sys.stdin)
db = sqlite3.connect(":memory:", isolation_level=None)
db.executescript(job["schema"])
passed = []
for write in job["writes"]:
    db.execute("BEGIN IMMEDIATE")
    ok = db.execute(job["fence"], write).rowcount == 1
    if ok:
        db.execute(job["write"], write)
    db.execute("COMMIT" if ok else "ROLLBACK")
    passed.append(ok)
print(json.dumps({"passed": passed, "invoices": [r[0] for r in db.execute("SELECT amount FROM invoice ORDER BY id")]}))
`

// The SQL of docs/fencing.md lets the present holder write, and keeps out one
// who comes with the token of an earlier grant.
func TestFencingSQL(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/fencing.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```sql\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(blocks) != 3 {
		t.Fatalf("docs/fencing.md: got %d blocks of SQL, want the schema, the fence and the write", len(blocks))
	}
	s, err := zookeeper.Open(t.Context(), "zk://"+zktest.Shared(t).Addr(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	path := freshPath(t) + "/invoices"
	token := func(holder string) int64 {
		t.Helper()
		c := leasehold.Client{Store: s, Holder: holder}
		l, err := c.TryAcquire(t.Context(), path, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Renew(t.Context()); err != nil { // which keeps the token
			t.Fatal(err)
		}
		token := l.Token()
		if err := l.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		return token
	}
	first, second := token("host-a"), token("host-b")
	write := func(token int64, amount int) map[string]any {
		return map[string]any{"lease": path, "token": token, "amount": amount}
	}
	job, err := json.Marshal(map[string]any{
		"schema": blocks[0][1], "fence": strings.TrimSpace(blocks[1][1]), "write": strings.TrimSpace(blocks[2][1]),
		"writes": []any{
			write(first, 1), write(first, 2), // the first holder, twice
			write(second, 3), write(first, 4), // the second, and the first waking up
			write(second, 5),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/usr/bin/python3", "-c", sqlite)
	cmd.Stdin = strings.NewReader(string(job))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("run SQLite in /usr/bin/python3 (apt-get install python3): %v", err)
	}
	const want = `{"passed": [true, true, true, false, true], "invoices": [1, 2, 3, 5]}`
	if got := strings.TrimSpace(string(out)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
