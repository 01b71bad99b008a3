package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/text"
	"leasehold.example/leasehold/kazoo"
	"leasehold.example/leasehold/localdir"
	"leasehold.example/leasehold/zookeeper"
)

const (
	storeVariable = "LEASEHOLD_STORE"
	storeForms    = "zk://host:2181,host:2181/chroot or dir:/absolute/path"
	dirScheme     = "dir:"
)

// A storeURL names a store: a directory, or an ensemble.
type storeURL struct {
	raw    string
	source string // the flag or the variable that it is from

	dir  string      // "" if it is an ensemble
	mode fs.FileMode // of the directory's files; 0 is the default

	ensemble zookeeper.URL
	options  zookeeper.Options
}

// findStore returns the store that --store names, else LEASEHOLD_STORE.
func findStore(flag string, given bool) (storeURL, error) {
	u := storeURL{raw: flag, source: "--store"}
	if !given {
		u = storeURL{raw: os.Getenv(storeVariable), source: storeVariable}
	}
	if u.raw == "" {
		return u, config("give --store URL or set "+storeVariable+"; URL is "+storeForms, "no store")
	}
	if path, ok := strings.CutPrefix(u.raw, dirScheme); ok {
		return u, u.parseDir(path)
	}
	var err error
	if u.ensemble, err = zookeeper.ParseURL(u.raw); err != nil {
		hint := "want " + storeForms
		if strings.Contains(u.raw, "@") {
			hint = "a user and password go into a file: see leasehold help security"
		}
		return u, config(hint, "%s: %v", u.source, err)
	}
	return u, nil
}

// parseDir reads /absolute/path?mode=0660.
func (u *storeURL) parseDir(rest string) error {
	dir, option, hasOption := strings.Cut(rest, "?")
	if !filepath.IsAbs(dir) {
		return config("want dir:/absolute/path", "%s is %q, and its directory is not absolute", u.source, u.raw)
	}
	for name := range strings.SplitSeq(dir, "/") {
		if strings.TrimSpace(name) != name { // another directory, and nobody sees it
			return config("want dir:/absolute/path", "%s is %q, and a name in it begins or ends with white space", u.source, u.raw)
		}
	}
	if filepath.Clean(dir) == rootStateDir {
		return config("name another directory, as dir:/var/lib/leases", "%s is %q, which is where leasehold drain keeps its state, for all users to read", u.source, u.raw)
	}
	u.dir = dir
	if !hasOption {
		return nil
	}
	digits, ok := strings.CutPrefix(option, "mode=")
	mode, err := strconv.ParseUint(digits, 8, 16)
	if !ok || err != nil {
		return config("want dir:/absolute/path or dir:/absolute/path?mode=0660; the directory's name can't have a \"?\"",
			"%s is %q, with the option %q", u.source, u.raw, option)
	}
	u.mode = fs.FileMode(mode)
	return nil
}

func (u *storeURL) isDir() bool { return u.dir != "" }

// checkExists refuses a directory that does not exist yet.
func (u *storeURL) checkExists() error {
	if !u.isDir() {
		return nil
	}
	if _, err := os.Stat(u.dir); errors.Is(err, fs.ErrNotExist) {
		return config("is that the directory you mean? The first \"leasehold run\" or \"leasehold acquire\" makes it", "no lease directory %s", text.Escape(u.dir))
	}
	return nil
}

const chrootHint = "is that the chroot you mean? The first \"leasehold run\" or \"leasehold acquire\" makes it"

// checkChroot returns an error if the chroot does not exist. It is for those who
// have found no lease.
func (f *storeFlags) checkChroot(ctx context.Context, s leasehold.Store) error {
	z, ok := s.(*zookeeper.Store)
	if !ok {
		return nil
	}
	there, err := z.HasChroot(ctx)
	if err != nil || there {
		return err
	}
	return config(chrootHint, "no ZooKeeper node %s, the chroot of %s", text.Escape(f.store.ensemble.Chroot), f.store.source)
}

// sayIfMade says that the chroot was made: if it is misspelt, other hosts, with
// another one, are granted the same leases.
func (f *storeFlags) sayIfMade(s leasehold.Store) {
	if z, ok := s.(*zookeeper.Store); ok && z.MadeChroot() {
		f.say("made the chroot %s, which did not exist", text.Escape(f.store.ensemble.Chroot))
	}
}

// recordPlace says where the record of the lease at path is.
func (u *storeURL) recordPlace(path string) string {
	if !u.isDir() {
		return "ZooKeeper node " + u.ensemble.Chroot + path + "/" + kazoo.RecordName
	}
	file := filepath.Join(u.dir, path, kazoo.RecordName)
	if _, err := os.Lstat(file); err != nil { // file names spell some characters differently
		return "its file " + kazoo.RecordName + " below " + u.dir
	}
	return "the file " + file
}

// open opens the store. ctx bounds how long it tries to reach it.
func (u *storeURL) open(ctx context.Context, logger *slog.Logger) (leasehold.Store, error) {
	s, err := u.connect(ctx, logger)
	var argument *leasehold.ArgumentError
	switch {
	case errors.As(err, &argument):
		return nil, config("want "+storeForms, "%s: %v", u.source, argument)
	case err == nil, errors.Is(err, leasehold.ErrPermission), errors.Is(err, leasehold.ErrUnreachable), errors.Is(err, leasehold.ErrFull), ctx.Err() != nil:
		return s, err
	}
	return nil, config("", "%s: %v", u.source, err)
}

func (u *storeURL) connect(ctx context.Context, logger *slog.Logger) (leasehold.Store, error) {
	if u.isDir() {
		s, err := localdir.Open(u.dir, &localdir.Options{Mode: u.mode})
		if err != nil {
			return nil, err // not s: a nil *Store is no nil Store
		}
		return s, nil
	}
	options := u.options
	options.Logger = logger
	s, err := zookeeper.Open(ctx, u.raw, &options)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// lockedNames are what the lease at path is locked by on this host. Two URLs of
// one lease share one of them, however they spell it.
//
// On ZooKeeper that is the whole path alone: nothing tells whether two lists of
// hosts are of one ensemble, and to take one for two would run COMMAND twice. A
// directory must exist. It is known by where it is, so that dir:/a/b and /c are
// dir:/a and /b/c, and by its number, so that it may be mounted in two places.
func (u *storeURL) lockedNames(path string) ([]string, error) {
	if !u.isDir() {
		return []string{"zk:" + u.ensemble.Chroot + path}, nil
	}
	real, err := filepath.EvalSymlinks(u.dir)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Stat(real, &st); err != nil {
		return nil, fmt.Errorf("%s: %w", real, err)
	}
	return []string{dirScheme + filepath.Join(real, path), fmt.Sprintf("%s%d:%d:%s", dirScheme, st.Dev, st.Ino, path)}, nil
}

// permissionHint says why the store may have refused this user.
func (u *storeURL) permissionHint(err error) string {
	var refused *fs.PathError
	switch {
	case u.isDir() && u.mode&0o060 != 0 && errors.As(err, &refused):
		return u.mendHint(refused.Path)
	case u.isDir():
		return fmt.Sprintf("for users of one group to share it: chgrp GROUP %[1]s; chmod 2770 %[1]s; and all use dir:%[1]s?mode=0660, from its first lease on", u.dir)
	case u.options.Auth.Scheme == zookeeper.Digest:
		return "ZooKeeper accepts any password of a digest user: a wrong password makes another user, who has no permission"
	}
	return "leasehold help security"
}

// mendHint says how users of one group come to share what is there, where path was
// refused: it is older than the store's mode.
func (u *storeURL) mendHint(path string) string {
	var st unix.Stat_t
	for unix.Lstat(path, &st) != nil { // what is above it was refused
		if path == filepath.Dir(path) {
			return ""
		}
		path = filepath.Dir(path)
	}
	group := "GROUP"
	var dir unix.Stat_t
	if unix.Stat(u.dir, &dir) == nil && dir.Mode&unix.S_ISGID != 0 {
		group = strconv.FormatUint(uint64(dir.Gid), 10)
	}
	return fmt.Sprintf("%[1]s belongs to user %[2]d and group %[3]d, with mode %04[4]o; the user or root can mend what is there: chgrp -R %[5]s %[6]s; chmod -R g+rwX %[6]s; find %[6]s -type d -exec chmod g+s {} +",
		path, st.Uid, st.Gid, st.Mode&0o7777, group, u.dir)
}
