package main

import (
	"errors"
	"os"
	"os/exec"
	"testing"

	"github.com/go-zookeeper/zk"

	"leasehold.example/leasehold/internal/zktest"
)

// What whole processes cost the server: a session, which is two requests and two
// transactions, and what the library costs (zookeeper/tickcost_test.go).
func TestCosts(t *testing.T) {
	t.Parallel()
	server := zktest.Start(t)
	conn := zktest.Conn(t, server.Addr())
	if _, err := conn.Create("/jobs", nil, 0, zk.WorldACL(zk.PermAll)); err != nil {
		t.Fatal(err)
	}
	conn.Close() // else its pings count
	cost := func(what string, requests, transactions int64, exit int, args ...string) {
		t.Helper()
		cmd := exec.Command("leasehold", append([]string{"run", "-q", "--store", "zk://" + server.Addr()}, args...)...)
		cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=10") // else the race detector adds a second
		before := server.Counters(t)
		err := cmd.Run()
		after := server.Counters(t)
		code := 0
		if ended := (*exec.ExitError)(nil); errors.As(err, &ended) {
			code = ended.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		if code != exit {
			t.Errorf("%s: got exit code %d, want %d", what, code, exit)
		}
		if got := after.Packets - before.Packets; got != requests {
			t.Errorf("%s: got %d requests, want %d", what, got, requests)
		}
		if got := after.Zxid - before.Zxid; got != transactions {
			t.Errorf("%s: got %d transactions, want %d", what, got, transactions)
		}
	}
	tick := func(holder string) []string {
		return []string{"--holder", holder, "--schedule", "0 0 1 1 *", "--timezone", "UTC", "--since", "2000-01-01T00:00:00Z", "/jobs/tick", "--", "true"}
	}
	cost("a tick on a new path, and its end", 2+4+1, 2+1+1, 0, tick("host-a")...)
	cost("a tick denied by the record", 2+1, 2, exitConflict, tick("host-b")...)
	cost("a tick denied by the run log", 2+2, 2, exitConflict, tick("host-a")...)

	plain := func(holder string, flags ...string) []string {
		return append(append([]string{"--holder", holder, "-d", "1m"}, flags...), "/jobs/plain", "--", "true")
	}
	cost("a plain run on a new path, and its end in the log", 2+4+2, 2+1+1, 0, plain("host-a")...)
	cost("a plain run, and its end in the log", 2+4+2, 2+1+1, 0, plain("host-a")...)
	cost("a plain run without the log", 2+3, 2+1, 0, plain("host-a", "--log=false")...)
	cost("a plain run denied", 2+1, 2, exitConflict, plain("host-b")...)
}
