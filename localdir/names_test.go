package localdir_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/localdir"
)

func TestFolderName(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"/db_leases/hourly-cleanup.2": "db_leases/hourly-cleanup.2",
		"/..x/.hidden/...":            "%2e.x/%2ehidden/%2e..",
		"/.token":                     "%2etoken",
		"/Jobs/a b/%41":               "%4aobs/a%20b/%2541",
		"/é":                          "%c3%a9",
		"/Lease_Holder":               "%4cease_%48older",
	}
	for path, want := range tests {
		got, err := localdir.FolderName(path)
		if err != nil || got != want {
			t.Errorf("folder of %q: got %q and error %v, want %q", path, got, err, want)
		}
		if back, ok := localdir.LeasePath(got); !ok || back != path {
			t.Errorf("lease path of %q: got %q, %t, want %q", got, back, ok, path)
		}
	}
	for _, foreign := range []string{"lost+found", ".folder.new", ".", "..", "a//b", "A", "%4A", "%", "%4", "%zz", "%61", "lease_holder", "a/lease_holder", "%2e", "%2e%2e", "zookeeper"} {
		if path, ok := localdir.LeasePath(foreign); ok {
			t.Errorf("lease path of %q: got %q, want none", foreign, path)
		}
	}
	for _, path := range []string{"", "/", "a", "/..", "/a/../../b", "/a//b", "/a/.", "/a/lease_holder", "/" + strings.Repeat("Z", 86), "/a/" + strings.Repeat("x", 256)} {
		got, err := localdir.FolderName(path)
		var argument *leasehold.ArgumentError
		if !errors.As(err, &argument) {
			t.Errorf("folder of %.40q: got %q and error %v, want an *ArgumentError", path, got, err)
		}
	}
}

// component draws what any string between slashes might be.
func component() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.StringN(1, 20, -1),
		rapid.StringOfN(rapid.SampledFrom([]rune("aA.%2e4lL_-é/\\")), 1, 8, -1),
		rapid.SampledFrom([]string{".", "..", "...", ".token", "lease_holder", ".lease_holder.new", "%6cease_holder", "Lease_holder"}),
	)
}

func TestEscape(t *testing.T) {
	t.Parallel()
	own := []string{"lease_holder", ".token", ".lease_holder.new", ".token.new", ".folder.new"}
	rapid.Check(t, func(t *rapid.T) {
		a, b := component().Draw(t, "a"), component().Draw(t, "b")
		name := localdir.Escape(a)
		if back, ok := localdir.Unescape(name); !ok || back != a {
			t.Fatalf("unescape(%q): got %q, %t, want %q", name, back, ok, a)
		}
		// What folds case, like macOS, must tell them apart too.
		if (a == b) != strings.EqualFold(name, localdir.Escape(b)) {
			t.Fatalf("escape(%q) is %q, escape(%q) is %q: want the same name for the same component only", a, name, b, localdir.Escape(b))
		}
		for _, o := range own {
			if strings.EqualFold(name, o) {
				t.Fatalf("escape(%q): got %q, which is a file of the store's own", a, name)
			}
		}
		if strings.ContainsAny(name, "/\\\x00") || strings.HasPrefix(name, ".") || !filepath.IsLocal(name) {
			t.Fatalf("escape(%q): got %q, want a plain name", a, name)
		}
		for _, c := range []byte(name) {
			if c >= 0x80 || c >= 'A' && c <= 'Z' {
				t.Fatalf("escape(%q): got %q, want lower case ASCII", a, name)
			}
		}
	})
}

func TestFolderStaysBelow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		path := "/" + strings.Join(rapid.SliceOfN(component(), 1, 4).Draw(t, "components"), "/")
		folder, err := localdir.FolderName(path)
		if err != nil {
			return
		}
		if !filepath.IsLocal(folder) || filepath.Clean(folder) != folder || folder == "." {
			t.Fatalf("folder of %q: got %q, want one below the directory", path, folder)
		}
		if back, ok := localdir.LeasePath(folder); !ok || back != path {
			t.Fatalf("lease path of %q: got %q, %t, want %q", folder, back, ok, path)
		}
	})
}
