package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-zookeeper/zk"

	"leasehold.example/leasehold/internal/zktest"
)

// logKeys are the keys of each message.
type logKeys map[string]map[string]bool

func (k logKeys) add(message, key string) {
	if k[message] == nil {
		k[message] = map[string]bool{}
	}
	k[message][key] = true
}

// documented returns the messages in docs/logging.md, with their keys, and the level
// as one more.
func documented(t *testing.T) logKeys {
	t.Helper()
	page, err := os.ReadFile("../../docs/logging.md")
	if err != nil {
		t.Fatal(err)
	}
	keys := logKeys{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ([A-Z]+) \\|.*\\|(.*)\\|$").FindAllStringSubmatch(string(page), -1) {
		keys.add(row[1], row[2])
		for _, key := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[3], -1) {
			keys.add(row[1], key[1])
		}
	}
	return keys
}

// A logRun runs commands and collects what they log.
type logRun struct {
	*testing.T
	env  []string
	dir  string
	mu   sync.Mutex
	seen logKeys
}

// run runs a command that ends with code. Each line on stderr must be an object of
// JSON.
func (r *logRun) run(code int, args ...string) {
	r.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env, cmd.Dir = r.env, r.dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	_ = cmd.Run()
	if got := cmd.ProcessState.ExitCode(); got != code {
		r.Errorf("%q: got exit code %d, want %d; it said: %s", args, got, code, stderr.String())
	}
	for line := range strings.Lines(stderr.String()) {
		r.note(args, line)
	}
}

func (r *logRun) note(args []string, line string) {
	r.Helper()
	var object map[string]any
	if err := json.Unmarshal([]byte(line), &object); err != nil {
		r.Errorf("%q: got the line %q, want an object of JSON: %v", args, line, err)
		return
	}
	message, _ := object["msg"].(string)
	level, _ := object["level"].(string)
	if level == "DEBUG" {
		return
	}
	if message != "exit" || level != "INFO" { // a denial
		object[level] = true
	}
	delete(object, "level")
	delete(object, "msg")
	delete(object, "time")
	r.mu.Lock()
	defer r.mu.Unlock()
	for key := range object {
		r.seen.add(message, key)
	}
}

// TestLogIsDocumented: what is logged is what docs/logging.md has, and the other way
// round: messages, levels and keys.
func TestLogIsDocumented(t *testing.T) {
	t.Parallel()
	server := zktest.Start(t)
	conn := zktest.Conn(t, server.Addr())
	if _, err := conn.Create("/foreign", []byte("not a run log"), 0, zk.WorldACL(zk.PermAll)); err != nil {
		t.Fatal(err)
	}
	r := &logRun{T: t, dir: t.TempDir(), seen: logKeys{}}
	r.env = append(os.Environ(), "LEASEHOLD_STORE=zk://"+server.Addr(), "LEASEHOLD_RUNTIME_DIR="+r.dir,
		"LEASEHOLD_LOG_FORMAT=json", "GORACE=atexit_sleep_ms=10")
	for name, text := range map[string]string{"machine-id": strings.Repeat("0", 31) + "2\n", "no-program": "true\n"} {
		if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) []string {
		return append([]string{"leasehold", "run", "-v", "--holder", "host-a"}, args...)
	}
	tick := func(schedule, result string) []string {
		return run("--schedule", schedule, "--timezone", "UTC", "--since", "2000-01-01T00:00:00Z", "/tick", "--", result)
	}

	r.run(0, run("--jitter", "1ms", "-d", "1m", "--release", "always", "/released", "--", "true")...)
	r.run(137, run("-d", "10m", "/held", "--", "sh", "-c", "kill -KILL $$")...)
	r.run(75, "leasehold", "acquire", "-v", "--holder", "host-b", "-d", "1m", "/held")
	r.run(0, "leasehold", "acquire", "-v", "--holder", "host-b", "-d", "1m", "--slots", "1", "/slots")
	r.run(0, tick("0 0 1 1 *", "true")...)
	r.run(75, tick("0 0 1 1 *", "true")...)
	r.run(0, "leasehold", "again", "/tick", "--reason", "a test")
	r.run(0, tick("0 0 1 2 *", "true")...)
	r.run(126, run("-d", "1m", "/undone", "--", "./no-program")...)
	r.run(0, run("-d", "1m", "/foreign", "--", "true")...)
	r.run(0, "unshare", "-m", "sh", "-c", "mount --bind machine-id /etc/machine-id; exec leasehold run -v --holder host-a -d 1m /held -- true")
	r.run(79, run("-d", "3s", "--kill-after", "100ms", "--renew=false", "/lost", "--", "sleep", "60")...)
	r.run(0, "leasehold", "list", "/nothing")
	r.run(64, "leasehold", "acquire", "/x")

	// The server does not answer any more.
	silent := exec.Command("leasehold", run("-d", "5s", "--kill-after", "100ms", "--timeout", "12s", "/silent", "--", "sh", "-c", "echo; exec sleep 60")[1:]...)
	silent.Env = r.env
	stdout, err := silent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	silent.Stderr = &stderr
	if err := silent.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := stdout.Read(make([]byte, 1)); err != nil {
		t.Errorf("got error %v, want COMMAND to run", err)
	}
	server.Pause()
	_ = silent.Wait()
	server.Resume()
	if got := silent.ProcessState.ExitCode(); got != exitLost {
		t.Errorf("a server that does not answer: got exit code %d, want %d", got, exitLost)
	}
	for line := range strings.Lines(stderr.String()) {
		r.note(silent.Args, line)
	}

	want := documented(t)
	// A virtual machine that is paused: see zookeeper/clock_test.go.
	delete(want, "the ZooKeeper session has expired too early by this host's clock, which may have stood still")
	for _, message := range slices.Sorted(maps.Keys(want)) {
		for _, key := range slices.Sorted(maps.Keys(want[message])) {
			if !r.seen[message][key] {
				t.Errorf("%q: got no line with %s, want one, as docs/logging.md has it", message, key)
			}
		}
	}
	for _, message := range slices.Sorted(maps.Keys(r.seen)) {
		for _, key := range slices.Sorted(maps.Keys(r.seen[message])) {
			if !want[message][key] {
				t.Errorf("%q: got a line with %s, want it in docs/logging.md", message, key)
			}
		}
	}
}
