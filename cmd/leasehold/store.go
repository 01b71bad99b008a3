package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/kazoo"
	"leasehold.example/leasehold/localdir"
	"leasehold.example/leasehold/zookeeper"
)

const (
	storeVariable = "LEASEHOLD_STORE"
	storeForms    = "zk://host:2181,host:2181/chroot or dir:/absolute/path"
)

// A storeURL names a store.
type storeURL struct {
	raw    string
	source string // the flag or the variable that it is from

	options zookeeper.Options // how it is to be asked
}

// findStore returns the store that --store names, else LEASEHOLD_STORE.
func findStore(flag string, given bool) (storeURL, error) {
	u := storeURL{raw: flag, source: "--store"}
	if !given {
		u = storeURL{raw: os.Getenv(storeVariable), source: storeVariable}
	}
	switch dir, _, isDir := u.directory(); {
	case u.raw == "":
		return u, config("give --store URL or set "+storeVariable+"; URL is "+storeForms, "no store")
	case !isDir && u.hasUser(): // and so perhaps a password, which is not to be shown
		return u, config("a user and password go into a file: see leasehold help security", "%s has a user", u.source)
	case isDir && !filepath.IsAbs(dir):
		return u, config("want dir:/absolute/path", "%s is %q, and its directory is not absolute", u.source, u.raw)
	case !isDir && !strings.HasPrefix(u.raw, "zk://") && !strings.HasPrefix(u.raw, secureScheme):
		return u, config("want "+storeForms, "%s is %q, which is no store", u.source, u.raw)
	case isDir:
		_, err := u.mode()
		return u, err
	}
	return u, nil
}

// hasUser reports whether there is a user before the hosts, as other programs
// have it.
func (u storeURL) hasUser() bool {
	_, rest, ok := strings.Cut(u.raw, "://")
	if !ok {
		rest = u.raw
	}
	hosts, _, _ := strings.Cut(rest, "/")
	return strings.Contains(hosts, "@")
}

// directory returns the directory and the options of a local store. ok is false
// for any other.
func (u storeURL) directory() (dir, options string, ok bool) {
	rest, ok := strings.CutPrefix(u.raw, "dir:")
	if i := strings.IndexByte(rest, '?'); i >= 0 {
		return rest[:i], rest[i:], ok
	}
	return rest, "", ok
}

// mode returns the mode of a local store's files, 0 for the default.
func (u storeURL) mode() (fs.FileMode, error) {
	_, options, _ := u.directory()
	if options == "" {
		return 0, nil
	}
	digits, ok := strings.CutPrefix(options, "?mode=")
	mode, err := strconv.ParseUint(digits, 8, 16)
	if !ok || err != nil {
		return 0, config("want dir:/absolute/path or dir:/absolute/path?mode=0660; the directory's name can't have a \"?\"",
			"%s is %q, with the option %q", u.source, u.raw, options[1:])
	}
	return fs.FileMode(mode), nil
}

// checkExists refuses a local store that is yet to be made.
func (u storeURL) checkExists() error {
	dir, _, ok := u.directory()
	if !ok {
		return nil
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return config("is that the directory you mean? The first \"leasehold run\" or \"leasehold acquire\" makes it", "no lease directory %s", escape(dir))
	}
	return nil
}

// recordPlace says where the record of the lease at path is.
func (u storeURL) recordPlace(path string) string {
	dir, _, ok := u.directory()
	if !ok {
		servers, _ := zookeeper.ParseURL(u.raw) // it has been opened
		return "ZooKeeper node " + servers.Chroot + path + "/" + kazoo.RecordName
	}
	file := filepath.Join(dir, path, kazoo.RecordName)
	if _, err := os.Lstat(file); err != nil { // some characters are written otherwise in file names
		return "its file " + kazoo.RecordName + " below " + dir
	}
	return "the file " + file
}

// An askedError is what became of asking a store, with what it takes to explain
// that.
type askedError struct {
	error
	store  storeURL
	since  time.Time
	took   time.Duration
	limits string // the flags that say how long it may take
}

func (e *askedError) Unwrap() error { return e.error }

// tell puts what a user can do in the place of Go's words for a time limit.
func (e *askedError) tell(message string) string {
	unit := 10 * time.Millisecond
	if e.took > time.Second {
		unit = 100 * time.Millisecond
	}
	gaveUp := fmt.Sprintf(" (gave up after %s; %s)", e.took.Round(unit), e.limits)
	lines := strings.Split(message, "\n")
	for i, line := range lines {
		if said, ok := strings.CutSuffix(line, ": "+context.DeadlineExceeded.Error()); ok {
			lines[i] = said + gaveUp
		}
	}
	return strings.Join(lines, "\n")
}

// open opens the store. ctx bounds how long it tries to reach it.
func (u storeURL) open(ctx context.Context, logger *slog.Logger) (leasehold.Store, error) {
	s, err := u.connect(ctx, logger)
	var argument *leasehold.ArgumentError
	switch {
	case errors.As(err, &argument):
		return nil, config("want "+storeForms, "%s: %v", u.source, argument)
	case err == nil, errors.Is(err, leasehold.ErrPermission), errors.Is(err, leasehold.ErrUnreachable), ctx.Err() != nil:
		return s, err
	}
	return nil, config("", "%s: %v", u.source, err)
}

func (u storeURL) connect(ctx context.Context, logger *slog.Logger) (leasehold.Store, error) {
	if dir, _, ok := u.directory(); ok {
		mode, err := u.mode()
		if err != nil {
			return nil, err
		}
		s, err := localdir.Open(dir, &localdir.Options{Mode: mode})
		if err != nil {
			return nil, err
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

// identity is the same for all URLs of one store, as far as they tell.
func (u storeURL) identity() string {
	if dir, _, ok := u.directory(); ok {
		dir = filepath.Clean(dir)
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			return "dir:" + real
		}
		if parent, err := filepath.EvalSymlinks(filepath.Dir(dir)); err == nil { // it is yet to be made
			dir = filepath.Join(parent, filepath.Base(dir))
		}
		return "dir:" + dir
	}
	servers, err := zookeeper.ParseURL(u.raw)
	if err != nil {
		return u.raw // which opens no store
	}
	hosts := servers.Hosts
	for i, host := range hosts {
		hosts[i] = strings.ToLower(host)
	}
	slices.Sort(hosts)
	return "zk://" + strings.Join(slices.Compact(hosts), ",") + servers.Chroot
}
