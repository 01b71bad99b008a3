//go:build unix

package localdir_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/localdir"
)

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, dir, want string }{
		{"relative", "leases", "must be an absolute path"},
		{"empty", "", "must be an absolute path"},
		{"the root", "/", "a directory of its own"},
		{"the root, in other words", "/tmp/..//.", "a directory of its own"},
		{"a file", file, "is a file, want a directory"},
		{"a device", "/dev/null", "is a file, want a directory"},
		{"no parent", filepath.Join(dir, "no/leases"), "mkdir -p"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := localdir.Open(test.dir, nil)
			var argument *leasehold.ArgumentError
			if !errors.As(err, &argument) || argument.Value != filepath.Clean(test.dir) && argument.Value != test.dir || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("Open(%q): got error %v, want an *ArgumentError that names it and says %q", test.dir, err, test.want)
			}
		})
	}
	for _, mode := range []fs.FileMode{0o060, 0o400, 0o700, 0o661, 0o662, 0o666, fs.ModeSetgid | 0o660} {
		_, err := localdir.Open(dir, &localdir.Options{Mode: mode})
		var argument *leasehold.ArgumentError
		if !errors.As(err, &argument) {
			t.Errorf("Open with the mode %v: got error %v, want an *ArgumentError", mode, err)
		}
	}
	if _, err := localdir.Open("/proc/leases", nil); err == nil || strings.Contains(err.Error(), "mkdir -p") || !strings.Contains(err.Error(), "mkdir /proc/leases: ") {
		t.Errorf("Open below /proc, where nothing can be made: got error %v, want that of mkdir", err)
	}
	if _, err := localdir.Open(filepath.Join(file, "leases"), nil); err == nil {
		t.Error("Open below a file: got a store, want an error")
	}
}

func TestOpenRefusesNetworkFileSystems(t *testing.T) {
	t.Parallel()
	for magic, name := range map[uint32]string{
		0x6969: "NFS", 0x517b: "SMB", 0xff534d42: "CIFS", 0xfe534d42: "SMB 2", 0x01021997: "9p", 0x5346414f: "AFS",
		0x6b414653: "AFS", 0x73757245: "Coda", 0x564c: "NCP", 0x00c36400: "Ceph", 0x0bd00bd0: "Lustre", 0x47504653: "GPFS", 0x01161970: "GFS2", 0x7461636f: "OCFS2", 0x65735546: "FUSE, which may be one",
	} {
		if got := localdir.NetworkFileSystem(magic); got != name {
			t.Errorf("file system %#x: got %q, want %q", magic, got, name)
		}
		dir := t.TempDir()
		_, err := localdir.OpenOn(dir, magic)
		var argument *leasehold.ArgumentError
		if !errors.As(err, &argument) || !strings.Contains(err.Error(), "network file system ("+name+")") || argument.Value != dir {
			t.Errorf("Open on %s: got error %v, want an *ArgumentError that names it", name, err)
		}
	}
	for magic, name := range map[uint32]string{0xef53: "ext4", 0x58465342: "xfs", 0x9123683e: "btrfs", 0x01021994: "tmpfs", 0x794c7630: "overlay", 0x2fc12fc1: "zfs"} {
		if got := localdir.NetworkFileSystem(magic); got != "" {
			t.Errorf("file system %#x: got %q, want none, since it is %s", magic, got, name)
		}
		if s, err := localdir.OpenOn(t.TempDir(), magic); err != nil {
			t.Errorf("Open on %s: got error %v, want a store", name, err)
		} else if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	f, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if name, err := localdir.FileSystem(f); err != nil || name != "" {
		t.Errorf("file system of a temporary directory: got %q and error %v, want none", name, err)
	}
}

func TestOpenMakesDirectory(t *testing.T) {
	t.Parallel()
	for mode, want := range map[fs.FileMode]fs.FileMode{0: 0o700, 0o600: 0o700, 0o660: fs.ModeSetgid | 0o770, 0o644: fs.ModeSetgid | 0o755} {
		dir := filepath.Join(t.TempDir(), "leases")
		s, err := localdir.Open(dir, &localdir.Options{Mode: mode})
		if err != nil {
			t.Fatalf("Open: got error %v, want a store", err)
		}
		e := grant(t, s, "/jobs/a", "data")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		for _, folder := range []string{"", "jobs", "jobs/a"} {
			wantMode(t, filepath.Join(dir, folder), fs.ModeDir|want)
		}
		for _, file := range []string{"lease_holder", ".token"} {
			wantMode(t, filepath.Join(dir, "jobs/a", file), max(mode, 0o600))
		}
		again := openIn(t, dir)
		if got, err := again.Read(t.Context(), "/jobs/a"); err != nil || got.Token != e.Token {
			t.Fatalf("Read after it was opened anew: got token %d and error %v, want %d", got.Token, err, e.Token)
		}
	}
}

func wantMode(t *testing.T, name string, want fs.FileMode) {
	t.Helper()
	fi, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if fi.Mode() != want {
		t.Errorf("mode of %q: got %v, want %v", name, fi.Mode(), want)
	}
}

// A directory that is replaced must not leave two processes on two of them.
func TestDirectoryIsReplaced(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "leases")
	s := openIn(t, dir)
	grant(t, s, "/jobs/a", "data")
	for _, replace := range []func() error{
		func() error { return os.Rename(dir, dir+".old") },
		func() error { return os.Mkdir(dir, 0o700) },
	} {
		if err := replace(); err != nil {
			t.Fatal(err)
		}
		_, readErr := s.Read(t.Context(), "/jobs/a")
		_, _, grantErr := s.Grant(t.Context(), leasehold.Entry{Path: "/jobs/a"}, func(leasehold.Entry) (leasehold.Proposal, error) {
			return leasehold.Proposal{Data: []byte("wrong")}, nil
		})
		_, listErr := s.List(t.Context(), "/")
		for call, err := range map[string]error{"Read": readErr, "Grant": grantErr, "List": listErr} {
			if err == nil || !strings.Contains(err.Error(), "removed or replaced") || !strings.Contains(err.Error(), dir) {
				t.Errorf("%s: got error %v, want one that says that %q was replaced", call, err, dir)
			}
		}
	}
}

// otherUser returns what makes a child another user's process. Without the
// right to do that, it is this user's.
func otherUser(t *testing.T, uid, gid uint32) *syscall.Credential {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Logf("not root: the user %d stands in for the user %d", os.Geteuid(), uid)
		return nil
	}
	return &syscall.Credential{Uid: uid, Gid: gid}
}

// publicDir returns a directory that other users can enter, with a copy of the
// test binary that they can run.
func publicDir(t *testing.T) (dir, binary string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "leasehold")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	binary = filepath.Join(dir, "test")
	if err := os.WriteFile(binary, code, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(binary, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir, binary
}

const daemon, nobody, nogroup = 1, 65534, 65534 // users and a group of every Debian

func TestTwoUsersShare(t *testing.T) {
	t.Parallel()
	parent, binary := publicDir(t)
	dir := filepath.Join(parent, "leases")
	gid := os.Getegid()
	if os.Geteuid() == 0 {
		gid = nogroup
	}
	if err := errors.Join(os.Mkdir(dir, 0o700), os.Chown(dir, os.Geteuid(), gid), os.Chmod(dir, fs.ModeSetgid|0o770)); err != nil {
		t.Fatal(err)
	}
	// Their own group is another: the folder's must be inherited.
	users := make([]*child, 2)
	for i, uid := range []uint32{daemon, nobody} {
		credential := otherUser(t, uid, daemon)
		if credential != nil {
			credential.Groups = []uint32{nogroup}
		}
		users[i] = startChild(t, binary, credential)
		users[i].must(request{Op: "open", Dir: dir, Mode: 0o660})
	}
	a, b := users[0], users[1]
	a.must(request{Op: "grant", Path: "/jobs/a", Holder: "a", Data: "a", Others: true})
	if got := b.ask(request{Op: "grant", Path: "/jobs/a", Holder: "b", Data: "b", Others: true}); got.Err != errOthers.Error() {
		t.Fatalf("grant of what another user has: got error %q, want a denial", got.Err)
	}
	if got := b.must(request{Op: "read", Path: "/jobs/a"}); got.Data != "a" || got.Token != 1 {
		t.Fatalf("read by another user: got data %q, token %d, want %q, 1", got.Data, got.Token, "a")
	}
	a.must(request{Op: "renew", Data: "a, renewed"})
	if got := b.must(request{Op: "grant", Path: "/jobs/a", Holder: "b", Data: "b"}); got.Token != 2 {
		t.Fatalf("grant by another user: got token %d, want 2", got.Token)
	}
	if got := a.ask(request{Op: "renew", Data: "stale"}); !got.Lost {
		t.Fatalf("renew after another user's grant: got error %q, want ErrLost", got.Err)
	}
	b.must(request{Op: "renew", Data: "b, renewed"})
	b.must(request{Op: "release", Data: "released", Log: "by b"})
	a.must(request{Op: "edit", Path: "/jobs/a", Log: "by a"})
	b.must(request{Op: "edit", Path: "/jobs/a", Log: "by b again"})
	if got := a.must(request{Op: "grant", Path: "/jobs/a", Holder: "a", Data: "a again"}); got.Token != 3 {
		t.Fatalf("grant after another user's release: got token %d, want 3", got.Token)
	}
	b.must(request{Op: "grant", Path: "/jobs/a/below/another's", Holder: "b", Data: "b"})
	a.must(request{Op: "grant", Path: "/jobs/a/below", Holder: "a", Data: "a"})

	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		want := fs.FileMode(0o660)
		if d.IsDir() {
			want = fs.ModeDir | fs.ModeSetgid | 0o770
		}
		wantMode(t, name, want)
		fi, err := d.Info()
		if got := int(fi.Sys().(*syscall.Stat_t).Gid); got != gid {
			t.Errorf("group of %q: got %d, want that of the directory, %d", name, got, gid)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestPermission(t *testing.T) {
	t.Parallel()
	parent, binary := publicDir(t)
	closed, readable := filepath.Join(parent, "closed"), filepath.Join(parent, "readable")
	for dir, mode := range map[string]fs.FileMode{closed: 0o600, readable: 0o644} {
		s, err := localdir.Open(dir, &localdir.Options{Mode: mode})
		if err != nil {
			t.Fatal(err)
		}
		e := grant(t, s, "/jobs/a", "data")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if os.Geteuid() == 0 || e.Token == 0 {
			continue
		}
		// Our own user stands in for another, and must be shut out as well.
		for _, folder := range []string{"jobs/a", "jobs", ""} {
			name := filepath.Join(dir, folder)
			without := fs.FileMode(0o500)
			if mode == 0o600 {
				without = 0
			}
			if err := os.Chmod(name, without); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.Chmod(name, 0o700) })
		}
	}
	c := startChild(t, binary, otherUser(t, nobody, nogroup))
	wantPermission := func(o request, name string) {
		t.Helper()
		if a := c.ask(o); !a.Permission || !strings.Contains(a.Err, name) {
			t.Errorf("%s: got error %q, want ErrPermission and the name %q", o.Op, a.Err, name)
		}
	}
	wantPermission(request{Op: "open", Dir: closed}, closed)
	if os.Geteuid() == 0 {
		wantPermission(request{Op: "open", Dir: filepath.Join(parent, "new")}, filepath.Join(parent, "new"))
	}
	c.must(request{Op: "open", Dir: readable})
	if a := c.must(request{Op: "read", Path: "/jobs/a"}); a.Data != "data" {
		t.Errorf("read: got data %q, want %q", a.Data, "data")
	}
	if a := c.ask(request{Op: "grant", Path: "/jobs/a", Holder: "b", Data: "b", Others: true}); a.Err != errOthers.Error() {
		t.Errorf("grant of what another has, by a user who may only read: got error %q, want a denial", a.Err)
	}
	wantPermission(request{Op: "grant", Path: "/jobs/a", Holder: "b", Data: "b"}, "/jobs/a/.lock")
	wantPermission(request{Op: "edit", Path: "/jobs/a", Log: "b"}, `run log of "/jobs/a"`)
	wantPermission(request{Op: "grant", Path: fmt.Sprintf("/jobs/%d", 2), Holder: "b", Data: "b"}, "/jobs/.lock")
}
