package main

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"leasehold.example/leasehold/cmd/leasehold/internal/text"
)

func FuzzStoreURL(f *testing.F) {
	for _, raw := range []string{"zk://a:2181,B/apps/", "zk://[::1]?guard=off", "dir:/tmp/leases", "dir:/x?mode=0660", "dir:x", "dir:/x?mode=9", "zk://", "zks://u@a", "", "\x1b"} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := findStore(raw, true)
		if err != nil {
			return
		}
		if u.isDir() {
			if !filepath.IsAbs(u.dir) || u.mode > 0o177777 {
				t.Fatalf("%q: got the directory %q and mode %v", raw, u.dir, u.mode)
			}
			return
		}
		if strings.Contains(strings.Join(u.ensemble.Hosts, ","), "@") {
			t.Fatalf("%q: got no error, want one for what may be a password", raw)
		}
		// A lease has one name, however its store's hosts are written.
		again := "zk://other," + strings.Join(u.ensemble.Hosts, ",") + u.ensemble.Chroot
		same, err := findStore(again, true)
		if err != nil {
			t.Fatalf("%q: %v", again, err)
		}
		got, _ := same.lockedNames("/p")
		if want, _ := u.lockedNames("/p"); !slices.Equal(got, want) {
			t.Fatalf("got %q for %q, want %q as for %q", got, again, want, raw)
		}
	})
}

func FuzzFlagValues(f *testing.F) {
	for _, s := range []string{"5s", "forever", "-1s", "1h2m", "0", "never", "on-success", "7", "0x7", "+7", "9223372036854775808", "", "1e3s"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var wait, wait2 waitTime
		if err := wait.Set(s); err == nil {
			if err := wait2.Set(wait.String()); err != nil || wait2 != wait || wait.d < 0 {
				t.Fatalf("--wait %q: got %+v, and %+v, %v from %q", s, wait, wait2, err, wait.String())
			}
		}
		var token, token2 tokenNumber
		if err := token.Set(s); err == nil {
			if err := token2.Set(token.String()); err != nil || token2 != token || token < 1 {
				t.Fatalf("--token %q: got %d, and %d, %v", s, token, token2, err)
			}
		}
		var release releaseMode
		if err := release.Set(s); err == nil && release.String() != s {
			t.Fatalf("--release %q: got %q", s, release)
		}
	})
}

// Nothing that others write can steer a terminal, and escape can be read back.
func FuzzEscape(f *testing.F) {
	for _, s := range []string{"host-a", "\x1b[31mred\x1b]0;t\a", "\u202etxt\u2066\u061c", "\xff\xfe", "a\\b\nc\td\r", "\u0085\u009b31m", "zürich 日本 😀", "\ufeff\u200b\u00ad"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, shown := range []string{text.Printable(s), text.Escape(s), text.Cut(text.Escape(s), text.Column), oneLine(s)} {
			if !utf8.ValidString(shown) {
				t.Fatalf("%q: got %q, want UTF-8", s, shown)
			}
			for _, c := range shown {
				if !strconv.IsPrint(c) {
					t.Fatalf("%q: got %q, with %U", s, shown, c)
				}
			}
		}
		line, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var want, got string
		shown := text.JSON(line)
		if err := errors.Join(json.Unmarshal(line, &want), json.Unmarshal(shown, &got)); err != nil || got != want || strings.ContainsFunc(string(shown), func(c rune) bool { return !strconv.IsPrint(c) }) {
			t.Fatalf("%q: got %s, which is %q, error %v; want it printable, and to mean %q", s, shown, got, err, want)
		}
		quoted := `"` + strings.ReplaceAll(text.Escape(s), `"`, `\"`) + `"`
		if back, err := strconv.Unquote(quoted); err != nil || back != s {
			t.Fatalf("%q: got %q, %v back from %s", s, back, err, quoted)
		}
	})
}
