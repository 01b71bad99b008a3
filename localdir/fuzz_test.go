package localdir_test

import (
	"path/filepath"
	"testing"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/localdir"
)

// No path leads out of the directory, and no two to one folder.
func FuzzFolderName(f *testing.F) {
	for _, path := range []string{"/a", "/A/b", "/.token/x", "/lease_holder_", "/%2f", "/a b/ü", "/../x"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		name, err := localdir.FolderName(path)
		if err != nil {
			return
		}
		if leasehold.CheckPath(path) != nil || !filepath.IsLocal(name) || filepath.Clean(name) != name {
			t.Fatalf("%q: got the folder %q", path, name)
		}
		if back, ok := localdir.LeasePath(name); !ok || back != path {
			t.Fatalf("%q: got %q, %v by way of %q", path, back, ok, name)
		}
	})
}

// Of what may lie about in the directory only what FolderName makes is taken
// for a lease's.
func FuzzLeasePath(f *testing.F) {
	for _, name := range []string{"a", "a/b", "%41", "%61", "%", "%4", "%zz", ".token", "lease_holder", "%6cease_holder", "a//b", ""} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		path, ok := localdir.LeasePath(name)
		if !ok {
			return
		}
		if back, err := localdir.FolderName(path); len(name) <= 255 && (err != nil || back != name) {
			t.Fatalf("%q: got %q, and %q, %v from that", name, path, back, err)
		}
	})
}

func FuzzTokenFile(f *testing.F) {
	for _, data := range []string{
		`{"token":7,"since":"2026-01-02T15:04:05Z"}` + "\n", `{"token":7,"since":"2026-01-02T15:04:05.123456Z","released":true}`,
		`{"token":0,"since":"2026-01-02T15:04:05Z"}`, `{"TOKEN":7}`, `{}`, ``, `null`, `{"token":7,"since":"2026-01-02T15:04:05Z"} x`,
		`{"token":9223372036854775807,"since":"2026-01-02T15:04:05+25:00"}`,
	} {
		f.Add([]byte(data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		again, token, err := localdir.RewriteToken(data)
		if err != nil {
			return
		}
		if token < 1 {
			t.Fatalf("%q: got the token %d, want it refused", data, token)
		}
		if _, same, err := localdir.RewriteToken(again); err != nil || same != token {
			t.Fatalf("%q: got the token %d and error %v by way of %q, want %d", data, same, err, again, token)
		}
	})
}
