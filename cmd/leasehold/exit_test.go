package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/supervise"
	"leasehold.example/leasehold/cmd/leasehold/internal/text"
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
		{fmt.Errorf("acquire: %w: %w", leasehold.ErrQueued, context.DeadlineExceeded), 33, true, "acquire: still queued", ""},
		{&overlapError{path: "/x", holder: "a", allowed: allowOverlapRuns, pid: 12}, 73, false, `an earlier run of /x by "a" still runs on this host (pid 12)`, "--allow-overlap"},
		{&overlapError{path: "/x", holder: "a", allowed: allowOverlapRuns}, 73, false, "as another user or in another container", "--allow-overlap"},
		{&overlapError{path: "/x", holder: "a", allowed: allowOverlapRuns, left: []int{1, 2, 3, 4, 5}}, 73, false, "has ended and left processes behind on this host: pid 1, pid 2, pid 3 and 2 more", "--allow-overlap"},
		{&leasehold.ArgumentError{Name: "path", Value: "x", Want: "no"}, 64, false, `invalid path "x": no`, ""},
		{&leasehold.RecordError{Path: "/x", Err: errors.New("empty")}, 65, false, "can't be read: empty", "look at the record"},
		{&leasehold.RecordError{Path: "/x", Newer: true, Err: errors.New("2")}, 65, false, "newer program", "upgrade"},
		{&drainedError{drain{File: "/s/drain.json", By: "root@a", Since: time.Unix(2_000_000_000, 0), Reason: "disk"}}, 33, true, "this host takes no new lease: it is drained since 2033-05-18T03:33:20Z by root@a: disk", "leasehold undrain ends that: it is in /s/drain.json"},
		{fmt.Errorf("read: %w", leasehold.ErrUnreachable), 69, false, "read: store unreachable", ""},
		{fmt.Errorf("grant: %w", leasehold.ErrOutcomeUnknown), 69, false, "grant: outcome unknown", ""},
		{context.DeadlineExceeded, 69, false, "deadline", ""},
		{fmt.Errorf("grant: %w", leasehold.ErrPermission), 77, false, "grant: permission denied", "leasehold help security"},
		{fmt.Errorf("grant: %w", leasehold.ErrFull), 69, false, "grant: store is full", ""},
		{&leasehold.LogError{Path: "/x", Err: errors.New("empty")}, 65, false, "run log of", "look at the data"},
		{&leasehold.LogError{Path: "/x", Newer: true, Err: errors.New("2")}, 65, false, "run log of", "upgrade"},
		{&leasehold.LogError{Path: "/x", Err: leasehold.ErrPermission}, 77, false, "permission denied", "leasehold help security"},
		{&leasehold.LogError{Path: "/x", Err: leasehold.ErrFull}, 69, false, "store is full", ""},
		{fmt.Errorf("grant: %w", leasehold.ErrUnusablePath), 78, false, "grant: path can't have a lease", ""},
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
		if got := text.Escape(in); got != want {
			t.Errorf("text.Escape(%q): got %s, want %s", in, got, want)
		}
	}
}

func TestLockedNames(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.MkdirAll(dir+"/s/b", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(dir, dir+"/link"); err != nil {
		t.Fatal(err)
	}
	type lease struct{ url, path string }
	same := [][]lease{
		{
			{"zk://a,b:2181/x", "/p"},
			{"zk://B:2181,a:2181/x/", "/p"},
			{"zk://b,a,a/x?guard=off", "/p"},
			{"zk://a,b,c/x", "/p"},
			{"zk://10.0.0.1/x", "/p"},
			{"zks://a/x", "/p"},
			{"zk://a", "/x/p"},
		},
		{{"zk://a", "/p"}, {"zk://a:2181/", "/p"}, {"zk://a:2182", "/p"}},
		{{"zk://a/x", "/q"}},
		{{"dir:" + dir + "/s", "/p"}, {"dir:" + dir + "//s/", "/p"}, {"dir:" + dir + "/link/s?mode=0660", "/p"}, {"dir:" + dir, "/s/p"}},
		{{"dir:" + dir + "/s", "/b/p"}, {"dir:" + dir + "/s/b", "/p"}},
		{{"dir:" + dir, "/p"}, {"dir:" + dir + "/link", "/p"}},
	}
	names := func(l lease) []string {
		u, err := findStore(l.url, true)
		if err != nil {
			t.Fatal(err)
		}
		names, err := u.lockedNames(l.path)
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	seen := map[string]int{}
	for i, leases := range same {
		for _, l := range leases {
			got, first := names(l), names(leases[0])
			if !slices.ContainsFunc(got, func(name string) bool { return slices.Contains(first, name) }) {
				t.Errorf("%v: got %q, want one of %v: %q", l, got, leases[0], first)
			}
			for _, name := range got {
				if j, ok := seen[name]; ok && j != i {
					t.Errorf("%v: got the name %q of %v, want others", l, name, same[j][0])
				}
				seen[name] = i
			}
		}
	}
}
