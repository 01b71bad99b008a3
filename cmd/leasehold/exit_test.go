package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/supervise"
	"leasehold.example/leasehold/zookeeper"
)

// TestExitCodes covers what no script can bring about as well.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	held := &leasehold.HeldError{Path: "/x", Holder: "host-b", End: time.Unix(2_000_000_000, 0), Remaining: 90 * time.Second, Token: 7}
	skew := &leasehold.ClockSkewError{Path: "/x", Least: time.Minute, Most: 61 * time.Second, Limit: time.Second}
	within := &leasehold.ClockSkewError{Path: "/x", Least: time.Millisecond, Most: 2 * time.Millisecond, Limit: time.Second, Until: time.Unix(2_000_000_000, 0)}
	for _, c := range []struct {
		err        error
		code       int
		quiet      bool // -q silences it
		says, hint string
	}{
		{nil, 0, true, "", ""},
		{held, 33, true, `/x is held by "host-b" until 2033-05-18T03:33:20Z (for another 1m30s, token 7)`, ""},
		{fmt.Errorf("%w: %w", held, context.DeadlineExceeded), 33, true, `/x is held by "host-b"`, ""},
		{skew, 71, false, "this host's clock is 1m0s to 1m1s ahead of the store's", "see on this host and on the servers which clock is off"},
		{within, 33, true, "which the store's clock has not reached", ""},
		{fmt.Errorf("%w: %w", skew, leasehold.ErrOutcomeUnknown), 69, false, "outcome unknown", ""},
		{fmt.Errorf("acquire: %w: %w", zookeeper.ErrQueued, context.DeadlineExceeded), 33, true, "acquire: still queued", ""},
		{&overlapError{path: "/x", holder: "a", pid: 12}, 73, false, "pid 12", "--allow-overlap"},
		{&leasehold.ArgumentError{Name: "path", Value: "x", Want: "no"}, 64, false, `invalid path "x": no`, ""},
		{&leasehold.RecordError{Path: "/x", Err: errors.New("empty")}, 65, false, "can't be read: empty", "look at the record"},
		{&leasehold.RecordError{Path: "/x", Newer: true, Err: errors.New("2")}, 65, false, "newer program", "upgrade"},
		{fmt.Errorf("read: %w", leasehold.ErrUnreachable), 69, false, "read: store unreachable", ""},
		{fmt.Errorf("grant: %w", leasehold.ErrOutcomeUnknown), 69, false, "grant: outcome unknown", ""},
		{context.DeadlineExceeded, 69, false, "deadline", ""},
		{fmt.Errorf("grant: %w", leasehold.ErrPermission), 77, false, "grant: permission denied", "leasehold help security"},
		{config("do this", "wrong"), 78, false, "wrong", "do this"},
		{usage("wrong %q", "x"), 64, false, `wrong "x"`, ""},
		{&supervise.Interruption{Signal: unix.SIGTERM}, 143, true, "interrupted by SIGTERM", ""},
		{errors.Join(errors.New("one\x1b"), errors.New("one\x1b"), errors.New("two"), errors.New("three"), errors.New("four")), 70, false, `one\x1b; two; three; and 1 more`, ""},
	} {
		for _, quiet := range []bool{false, true} {
			code, said := report(t, finish(context.Background(), c.err, 33), quiet)
			if code != c.code {
				t.Errorf("%v: got exit code %d, want %d", c.err, code, c.code)
			}
			if quiet && c.quiet {
				if said != "" {
					t.Errorf("%v with -q: got %q, want nothing", c.err, said)
				}
				continue
			}
			message, hint, _ := strings.Cut(said, "\n")
			if !strings.Contains(message, c.says) || c.err != nil && !strings.HasPrefix(message, "leasehold: ") {
				t.Errorf("%v: got the message %q, want %q", c.err, message, "leasehold: …"+c.says)
			}
			if !strings.Contains(hint, c.hint) || c.hint != "" && !strings.HasPrefix(hint, "hint: ") || c.hint == "" && hint != "" {
				t.Errorf("%v: got the hint %q, want %q", c.err, hint, c.hint)
			}
		}
	}
}

func report(t *testing.T, err error, quiet bool) (code int, said string) {
	t.Helper()
	r, w, pipeErr := os.Pipe()
	if pipeErr != nil {
		t.Fatal(pipeErr)
	}
	defer r.Close()
	code = (&program{stderr: w, quiet: quiet}).report(err)
	w.Close()
	text, readErr := io.ReadAll(r)
	if readErr != nil {
		t.Fatal(readErr)
	}
	return code, string(text)
}

func TestEscape(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"host-a":          "host-a",
		"zürich 東京 🐘":     "zürich 東京 🐘",
		"a\tb\nc\x1b[31m": `a\tb\nc\x1b[31m`,
		`a\nb`:            `a\\nb`,
		"\u202egnp.exe":   `\u202egnp.exe`,
		"no\u00a0space":   `no\u00a0space`,
		"\xff\u0085":      `\xff\u0085`,
		`say "hi"`:        `say "hi"`,
	} {
		if got := escape(in); got != want {
			t.Errorf("escape(%q): got %s, want %s", in, got, want)
		}
	}
}

func TestStoreIdentity(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	link := dir + "/link"
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	same := [][]string{
		{"zk://a,b:2181/x", "zk://B:2181,a:2181/x/", "zk://b,a,a/x?guard=off"},
		{"zk://a", "zk://a:2181/", "zks://a"},
		{"zk://[::1]/x", "zk://[::1]:2181/x"},
		{"zk://a:2182"},
		{"dir:" + dir + "/s", "dir:" + dir + "//s/", "dir:" + link + "/s"},
		{"dir:" + dir, "dir:" + link},
	}
	identity := func(url string) string {
		u, err := findStore(url, true)
		if err != nil {
			t.Fatal(err)
		}
		return u.identity()
	}
	seen := map[string]int{}
	for i, urls := range same {
		for _, url := range urls {
			id := identity(url)
			if j, ok := seen[id]; ok && j != i {
				t.Errorf("%s: got the identity %q of %s, want another", url, id, same[j][0])
			}
			if id != identity(urls[0]) {
				t.Errorf("%s: got the identity %q, want that of %s", url, id, urls[0])
			}
			seen[id] = i
		}
	}
}
