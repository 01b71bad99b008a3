//go:build unix

package localdir_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/localdir"
)

// wantUnfit wants every call on the lease at path to fail with a *RecordError
// that says why, and names the file.
func wantUnfit(t *testing.T, s *localdir.Store, path, file, why string) {
	t.Helper()
	_, readErr := s.Read(t.Context(), path)
	_, _, grantErr := s.Grant(t.Context(), leasehold.Entry{Path: path}, func(leasehold.Entry) (leasehold.Proposal, error) {
		return leasehold.Proposal{Data: []byte("wrong"), Undo: []byte("wrong")}, nil
	})
	_, _, watchErr := s.Watch(t.Context(), path)
	releaseErr := s.Release(t.Context(), leasehold.Entry{Path: path, Data: []byte("data"), Token: 1}, []byte("wrong"), nil)
	for call, err := range map[string]error{"Read": readErr, "Grant": grantErr, "Watch": watchErr, "Release": releaseErr} {
		var record *leasehold.RecordError
		if !errors.As(err, &record) || record.Path != path || !strings.Contains(err.Error(), why) || !strings.Contains(err.Error(), file) {
			t.Errorf("%s of %s: got error %v, want a *RecordError that names %q and says %q", call, path, err, file, why)
		}
	}
}

func TestSymbolicLinksInTheTree(t *testing.T) {
	t.Parallel()
	dir, outside := filepath.Join(t.TempDir(), "leases"), t.TempDir()
	s := openIn(t, dir)
	for _, path := range []string{"/jobs/a", "/jobs/b", "/jobs/c"} {
		grant(t, s, path, "data")
	}
	other := openIn(t, outside)
	grant(t, other, "/a", "outside")
	move := func(from, to string) {
		t.Helper()
		if err := os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)); err != nil {
			t.Fatal(err)
		}
	}
	move("jobs/b/lease_holder", "jobs/b/kept")
	move("jobs/c/.token", "jobs/c/kept")
	for name, target := range map[string]string{
		"folder": "jobs", "jobs/within": "a", "jobs/absolute": filepath.Join(dir, "jobs/a"), "jobs/out": filepath.Join(outside, "a"),
		"jobs/dangling": "nothing", "jobs/b/lease_holder": "kept", "jobs/c/.token": "kept",
	} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	const why = "is a symbolic link"
	wantUnfit(t, s, "/folder/a", "/leases/folder\"", why)
	wantUnfit(t, s, "/folder/new", "/leases/folder\"", why)
	wantUnfit(t, s, "/jobs/within", "/leases/jobs/within\"", why)
	wantUnfit(t, s, "/jobs/within/new", "/leases/jobs/within\"", why)
	wantUnfit(t, s, "/jobs/absolute", "/leases/jobs/absolute\"", why)
	wantUnfit(t, s, "/jobs/out", "/leases/jobs/out\"", why)
	wantUnfit(t, s, "/jobs/dangling", "/leases/jobs/dangling\"", why)
	wantUnfit(t, s, "/jobs/b", "/leases/jobs/b/lease_holder\"", why)
	wantUnfit(t, s, "/jobs/c", "/leases/jobs/c/.token\"", why)

	if e, err := s.Read(t.Context(), "/jobs/a"); err != nil || string(e.Data) != "data" || e.Token != 1 {
		t.Errorf("the lease that links led to: got %q, token %d, error %v, want %q, 1", e.Data, e.Token, err, "data")
	}
	if e, err := other.Read(t.Context(), "/a"); err != nil || string(e.Data) != "outside" || e.Token != 1 {
		t.Errorf("the lease outside: got %q, token %d, error %v, want %q, 1", e.Data, e.Token, err, "outside")
	}
	// List names them, so that status tells of each.
	paths, err := s.List(t.Context(), "/")
	want := []string{"/folder", "/jobs/a", "/jobs/absolute", "/jobs/b", "/jobs/c", "/jobs/dangling", "/jobs/out", "/jobs/within"}
	if err != nil || !slices.Equal(paths, want) {
		t.Errorf("List: got %q and error %v, want %q", paths, err, want)
	}
	var record *leasehold.RecordError
	if paths, err := s.List(t.Context(), "/folder"); !errors.As(err, &record) || len(paths) != 0 {
		t.Errorf("List below a link: got %q and error %v, want a *RecordError", paths, err)
	}
}

// A writer must not write through what stands in its way.
func TestSymbolicLinksInPlaceOfNewFiles(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "leases")
	s := openIn(t, dir)
	grant(t, s, "/a", "data")
	victim := filepath.Join(dir, "victim")
	if err := os.WriteFile(victim, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a/.lease_holder.new", "a/.token.new", ".folder.new"} {
		if err := os.Symlink(victim, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if e := grant(t, s, "/a", "more"); e.Token != 2 {
		t.Errorf("got the token %d, want 2", e.Token)
	}
	grant(t, s, "/b", "data")
	if got, err := os.ReadFile(victim); err != nil || string(got) != "mine" {
		t.Errorf("what the links led to: got %q and error %v, want it as it was", got, err)
	}
}

func TestFileInPlaceOfAFolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "leases")
	s := openIn(t, dir)
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wantUnfit(t, s, "/file", "/leases/file\"", "is not a folder")
	wantUnfit(t, s, "/file/below", "/leases/file\"", "is not a folder")
}

func chmod(t *testing.T, name string, mode fs.FileMode) {
	t.Helper()
	if err := os.Chmod(name, mode); err != nil {
		t.Fatal(err)
	}
}

func TestFoldersThatEverybodyCanWriteTo(t *testing.T) {
	t.Parallel()
	refused := func(dir, culprit, why string) {
		t.Helper()
		s, err := localdir.Open(dir, nil)
		var argument *leasehold.ArgumentError
		if !errors.As(err, &argument) || argument.Value != dir || !strings.Contains(err.Error(), `"`+culprit+`" `+why) {
			t.Errorf("Open(%q): got error %v, want an *ArgumentError that says of %q that it %s", dir, err, culprit, why)
		}
		if err == nil {
			s.Close()
		}
	}
	opened := func(dir string) {
		t.Helper()
		s, err := localdir.Open(dir, nil)
		if err != nil {
			t.Errorf("Open(%q): got error %v, want a store", dir, err)
			return
		}
		s.Close()
	}
	top := t.TempDir()
	parent := filepath.Join(top, "parent")
	dir, link, chain := filepath.Join(parent, "leases"), filepath.Join(top, "link"), filepath.Join(top, "chain")
	if err := errors.Join(os.Mkdir(parent, 0o755), os.Mkdir(dir, 0o755), os.Symlink("parent/../parent/leases", link), os.Symlink(link, chain)); err != nil {
		t.Fatal(err)
	}
	opened(dir)
	opened(link)
	opened(chain)
	const why = "is a folder in which everybody can replace"
	for mode, public := range map[fs.FileMode]bool{0o777: true, 0o703: true, 0o757 | fs.ModeSetgid: true, 0o777 | fs.ModeSticky: false, 0o775: false} {
		for _, folder := range []string{dir, parent} {
			chmod(t, folder, mode)
			for _, way := range []string{dir, link, chain} {
				if public {
					refused(way, folder, why)
				} else {
					opened(way)
				}
			}
			if folder == parent && public {
				refused(filepath.Join(parent, "new"), folder, why)
				if _, err := os.Lstat(filepath.Join(parent, "new")); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("a new directory in %v: got %v, want it not made", mode, err)
				}
			}
			chmod(t, folder, 0o755)
		}
	}
	// The folder that a link is in counts as well.
	chmod(t, top, 0o777)
	refused(link, top, why)

	// Another user's link where everybody can make one.
	chmod(t, top, 0o777|fs.ModeSticky)
	opened(link)
	if os.Geteuid() == 0 {
		if err := os.Lchown(link, nobody, nogroup); err != nil {
			t.Fatal(err)
		}
		refused(link, link, "is another user's symbolic link")
		refused(chain, link, "is another user's symbolic link")
		chmod(t, top, 0o755)
		opened(link)
	} else {
		t.Logf("not root: no other user's link could be made")
	}

	// No end.
	loop := filepath.Join(top, "loop")
	if err := os.Symlink("loop", loop); err != nil {
		t.Fatal(err)
	}
	if s, err := localdir.Open(loop, nil); err == nil {
		t.Error("Open of a link to itself: got a store, want an error")
		s.Close()
	}
}

func TestFoldersInTheTreeThatEverybodyCanWriteTo(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "leases")
	s := openIn(t, dir)
	grant(t, s, "/jobs/a", "data")
	const why = "is a folder in which everybody can replace"
	chmod(t, filepath.Join(dir, "jobs/a"), 0o777)
	wantUnfit(t, s, "/jobs/a", "/leases/jobs/a\"", why)
	chmod(t, filepath.Join(dir, "jobs/a"), 0o700)
	chmod(t, filepath.Join(dir, "jobs"), 0o702)
	wantUnfit(t, s, "/jobs/a", "/leases/jobs\"", why)
	chmod(t, filepath.Join(dir, "jobs"), 0o700)
	if e, err := s.Read(t.Context(), "/jobs/a"); err != nil || string(e.Data) != "data" {
		t.Errorf("afterwards: got %q and error %v, want %q", e.Data, err, "data")
	}
}
