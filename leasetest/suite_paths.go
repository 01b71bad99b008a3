package leasetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"leasehold.example/leasehold"
)

func testIndependentPaths(_ *testing.T, f *fixture) {
	a := f.grant(f.path+"/a", "a")
	b := f.grant(f.path+"/b", "b")
	f.wantUnchanged(a)
	f.release(b, "released")
	f.wantUnchanged(a)
	f.wantUnchanged(f.renew(a, "renewed"))
	f.grant(f.path+"/b", "c")
	f.wantRecord(f.path+"/a", "renewed", a.Token)
}

func testNestedPaths(_ *testing.T, f *fixture) {
	below := f.grant(f.path+"/a/b", "below")
	f.wantNothing(f.path + "/a")
	above := f.grant(f.path+"/a", "above")
	slot := f.grant(f.path+"/a/0", "slot")
	for _, e := range []leasehold.Entry{below, above, slot} {
		f.wantUnchanged(e)
	}
	above, below = f.renew(above, "above, renewed"), f.renew(below, "below, renewed")
	f.release(slot, "released")
	f.wantUnchanged(above)
	f.wantUnchanged(below)
	f.release(above, "released")
	f.wantUnchanged(f.renew(below, "below, once more"))
}

// oddNames are legal, pairwise different, and trouble for stores that take
// them for file names.
var oddNames = []string{
	"a b", " ", "-", "--", "~", "*", "%", "%2e", "%41", "A", "a", "Ab", "aB", "+", "a+", "!a", "$HOME", "`id`", "a\\b", "a:b", "\"", "'", "<a>", "{", "|", "?", "#",
	"..x", "...", ".x", ".hidden", "x.", "x..", ".token", ".lock", ".lease_holder.new", ".folder.new", "token", "lock", "tmp", "lease_holder2", "Lease_Holder", "LEASE_HOLDER", "lease-holder", "con", "nul.txt",
	"é", "e\u0301", "É", "日本語", "ı", "i", "I", "ß", "ss", "\u00a0", "\u3000", "\u200b",
}

func testOddPaths(t *testing.T, f *fixture) {
	entries := map[string]leasehold.Entry{}
	for _, name := range oddNames {
		path := f.path + "/" + name
		if err := leasehold.CheckPath(path); err != nil {
			t.Fatalf("the suite has a path that is none: %v", err)
		}
		entries[path] = f.grant(path, "data of "+name)
	}
	if len(entries) != len(oddNames) {
		t.Fatalf("the suite has %d odd names, %d of them different", len(oddNames), len(entries))
	}
	paths := make([]string, 0, len(entries))
	for path, e := range entries {
		f.wantUnchanged(e)
		paths = append(paths, path)
	}
	slices.Sort(paths)
	f.wantList(f.path, paths...)
}

func testLongPaths(t *testing.T, f *fixture) {
	at := f.path + "/" + strings.Repeat("x", 255)
	f.wantUnchanged(f.grant(at, "255 bytes"))
	deep := f.path + strings.Repeat("/deep", 100)
	f.wantUnchanged(f.grant(deep, "100 levels"))
	want := []string{deep, at}

	// What a store may refuse it refuses as an argument, and writes nothing.
	for _, name := range []string{strings.Repeat("y", 256), strings.Repeat("é", 127), strings.Repeat("Z", 255), strings.Repeat("%", 5000)} {
		path := f.path + "/" + name
		e, _, err := f.Grant(f.context(), leasehold.Entry{Path: path}, propose("long"))
		var argument *leasehold.ArgumentError
		switch {
		case err == nil:
			f.wantUnchanged(e)
			want = append(want, path)
		case !errors.As(err, &argument):
			t.Errorf("Grant at a component of %d bytes: got error %v, want a grant or an *ArgumentError", len(name), err)
		}
	}
	slices.Sort(want)
	f.wantList(f.path, want...)
}

func testList(_ *testing.T, f *fixture) {
	p := f.path
	f.wantList(p)
	// "!" and "-" sort before "/", which must not tear /a and /a/b apart from
	// their places in the order of bytes.
	for _, path := range []string{p + "/ab", p + "/a/b", p + "/a!", p + "/a", p + "/a/b/c/d", p + "/b/only/below", p + "/a-b"} {
		f.grant(path, "data")
	}
	f.wantList(p, p+"/a", p+"/a!", p+"/a-b", p+"/a/b", p+"/a/b/c/d", p+"/ab", p+"/b/only/below")
	f.wantList(p+"/a", p+"/a", p+"/a/b", p+"/a/b/c/d")
	f.wantList(p+"/a/b/c", p+"/a/b/c/d")
	f.wantList(p+"/b", p+"/b/only/below")
	f.wantList(p+"/a/b/c/d", p+"/a/b/c/d")
	f.wantList(p + "/x")
	f.wantList(p + "/a/b/c/d/e")

	f.release(f.read(p+"/ab"), "released") // a record still
	f.wantList(p+"/ab", p+"/ab")

	paths, err := f.List(f.context(), "/")
	if err != nil || !slices.IsSorted(paths) {
		f.t.Fatalf(`List("/"): got error %v and sorted %t, want nil and true`, err, slices.IsSorted(paths))
	}
	for _, want := range []string{p + "/a", p + "/b/only/below"} {
		if i, found := slices.BinarySearch(paths, want); !found || i+1 < len(paths) && paths[i+1] == want {
			f.t.Fatalf(`List("/"): got %d paths, want %q among them once`, len(paths), want)
		}
	}
}

func (f *fixture) wantList(prefix string, want ...string) {
	f.t.Helper()
	got, err := f.another().List(f.context(), prefix)
	if err != nil || !slices.Equal(got, want) {
		f.t.Fatalf("List(%q): got %s and error %v, want %s", prefix, shorten(got), err, shorten(want))
	}
}

func shorten(paths []string) string {
	var b strings.Builder
	for _, p := range paths {
		fmt.Fprintf(&b, " %.120q", p)
	}
	return "[" + strings.TrimSpace(b.String()) + "]"
}
