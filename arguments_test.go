package leasehold_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"leasehold.example/leasehold"
)

// wantArgumentError checks that err is an ArgumentError for name if bad, and
// nil otherwise.
func wantArgumentError(t *testing.T, err error, name, value string, bad bool) {
	t.Helper()
	if !bad {
		if err != nil {
			t.Errorf("%.60q: got %v, want no error", value, err)
		}
		return
	}
	var argument *leasehold.ArgumentError
	if !errors.As(err, &argument) {
		t.Errorf("%.60q: got %v, want an *ArgumentError", value, err)
		return
	}
	if argument.Name != name || argument.Value != value || argument.Want == "" {
		t.Errorf("%.60q: got %+v, want the name %q, the value and what would do", value, argument, name)
	}
	if strings.ContainsFunc(err.Error(), func(c rune) bool { return c < ' ' || c == 0x7f }) {
		t.Errorf("%.60q: got the message %q, want it fit to print", value, err)
	}
}

func TestCheckPath(t *testing.T) {
	t.Parallel()
	const hex = "0123456789abcdef"
	for _, path := range []string{
		"/a", "/db_leases/hourly_cleanup", "/a/0", "/a b/c", "/…", "/a...b", "/...", "/.a", "/a.", "/a/..b", "/%2e%2e", `/a\b`,
		"/zookeeperx", "/a/zookeeper", "/Zookeeper", "/é日本", "/a\ufeef", "/a\uf900", "/a\uffef", "/a\u00a0", "/a\u2028", "/ ", "/-n",
		"/lease_holders", "/LEASE_HOLDER", "/xlease_holder", "/__lock__", "/x__lock__000000001", "/x__lock__00000000001", "/x__lock__0000000001x",
		"/grant", "/grant-" + hex, "/grant-" + hex + "-000000001", "/grant-" + hex + "-00000000001", "/grant-0123456789ABCDEF-0000000001",
		"/xgrant-" + hex + "-0000000001", "/grant-" + hex + "-0000000001x",
	} {
		wantArgumentError(t, leasehold.CheckPath(path), "path", path, false)
	}
	bad := []string{
		"", "a", "a/b", "./a", " /a", "/", "//", "///", "//a", "/a/", "/a//b", "/a/b//",
		"/.", "/..", "/./a", "/../a", "/a/.", "/a/..", "/a/./b", "/a/../b",
		"/zookeeper", "/zookeeper/a", "/zookeeper/config/x", "/zookeeper/",
		"/lease_holder", "/a/lease_holder", "/lease_holder/a", "/a/lease_holder/b",
		"/__lock__0000000001", "/a/0123__lock__0000000001", "/x__lock__0000000001/a", "/x__lock__-2147483648",
		"/grant-" + hex + "-0000000001", "/a/grant-" + hex + "-0000000001", "/grant-" + hex + "-0000000001/a",
		"/a\xff", "/\xc0\xaf", "/a\xed\xa0\x80", "/a\xe2\x82",
	}
	// PathUtils.validatePath leaves open, depending on the release, whether
	// the first and the last of a range are refused: so all are.
	for _, c := range []rune{
		0, 1, '\n', '\t', 0x1f, 0x7f, 0x80, 0x85, 0x9f, 0xe000, 0xf000, 0xf8ff, 0xfff0, 0xfffd, 0xfffe, 0xffff,
		0x10000, 0x1f600, 0x10ffff,
	} {
		bad = append(bad, "/a"+string(c), "/"+string(c)+"/b", "/x"+string(c)+"y")
	}
	for _, path := range bad {
		wantArgumentError(t, leasehold.CheckPath(path), "path", path, true)
	}
}

func TestCheckHolder(t *testing.T) {
	t.Parallel()
	for holder, bad := range map[string]bool{
		"":                        true,
		"host-a":                  false,
		" ":                       false,
		"localhost":               false, // only as a default is it refused
		"Bücher 😀 <>&\"\\\x00\n":  false,
		strings.Repeat("x", 1024): false,
		strings.Repeat("x", 1025): true,
		strings.Repeat("é", 512):  false, // 1,024 bytes
		strings.Repeat("é", 513):  true,
		"\xff":                    true,
		"host-\xc3":               true,
		"\xed\xa0\x80":            true,
	} {
		wantArgumentError(t, leasehold.CheckHolder(holder), "holder", holder, bad)
	}
}

func TestDefaultHolderIsTheHostName(t *testing.T) {
	t.Parallel()
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	got, err := leasehold.DefaultHolder()
	first, _, _ := strings.Cut(strings.ToLower(name), ".")
	if first == "" || first == "localhost" || first == "(none)" {
		wantArgumentError(t, err, "host name", name, true)
		return
	}
	if got != name || err != nil {
		t.Errorf("got %q, %v; want %q", got, err, name)
	}
}
