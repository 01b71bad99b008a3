package leasehold_test

import (
	"errors"
	pathpkg "path"
	"strings"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/kazoo"
)

func FuzzCheckPath(f *testing.F) {
	for _, s := range []string{"/a", "/a/b c/ü", "/", "", "a", "/a/", "//", "/a/../b", "/zookeeper/x", "/a/lease_holder", "/grant-0123456789abcdef-0000000001", "/x__lock__-000000001", "/\x1b[31m", "/\u202e", "/\U0001f600"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		err := leasehold.CheckPath(s)
		if err != nil {
			var argument *leasehold.ArgumentError
			if !errors.As(err, &argument) || argument.Name != "path" || argument.Value != s {
				t.Fatalf("%q: got %v, want an *ArgumentError that names it", s, err)
			}
			wantPrintable(t, err)
			return
		}
		if !pathpkg.IsAbs(s) || pathpkg.Clean(s) != s || s == "/" || strings.HasPrefix(s+"/", "/zookeeper/") {
			t.Fatalf("%q: got no error, want one", s)
		}
		for name := range strings.SplitSeq(s[1:], "/") {
			if _, isLock := kazoo.LockSequence(name); isLock || name == kazoo.RecordName || strings.ContainsFunc(name, func(c rune) bool { return c < ' ' || c == 0x7f }) {
				t.Fatalf("%q: got no error, want one for %q", s, name)
			}
		}
	})
}

// Errors are shown on terminals.
func wantPrintable(t *testing.T, err error) {
	t.Helper()
	if strings.ContainsFunc(err.Error(), func(c rune) bool { return c < ' ' || c >= 0x7f && c < 0xa0 || c == '\u202e' }) {
		t.Fatalf("got the message %q, want it fit to print", err)
	}
}

// Whoever may hold a lease is read from its record as they are.
func FuzzCheckHolder(f *testing.F) {
	for _, s := range []string{"host-a", "", "\x1b]0;title\a", "\u202eevil", "\U0001f600", "\xff", `"\`, "\x7f"} {
		f.Add(s)
	}
	now := time.Date(2026, 11, 22, 18, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		if err := leasehold.CheckHolder(s); err != nil {
			var argument *leasehold.ArgumentError
			if !errors.As(err, &argument) || argument.Name != "holder" || argument.Value != s {
				t.Fatalf("%q: got %v, want an *ArgumentError that names it", s, err)
			}
			wantPrintable(t, err)
			return
		}
		raw, err := kazoo.NewRecord(s, now, time.Hour).Marshal()
		if err != nil {
			t.Fatalf("%q: write the record: %v", s, err)
		}
		if r, err := kazoo.Parse(raw); err != nil || r.Holder != s {
			t.Fatalf("%q: got the holder %q and error %v from %s", s, r.Holder, err, raw)
		}
	})
}
