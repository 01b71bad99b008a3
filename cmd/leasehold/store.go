package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"leasehold.example/leasehold"
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
}

// findStore returns the store that --store names, else LEASEHOLD_STORE.
func findStore(flag string, given bool) (storeURL, error) {
	u := storeURL{raw: flag, source: "--store"}
	if !given {
		u = storeURL{raw: os.Getenv(storeVariable), source: storeVariable}
	}
	switch dir, isDir := strings.CutPrefix(u.raw, "dir:"); {
	case u.raw == "":
		return u, config("give --store URL or set "+storeVariable+"; URL is "+storeForms, "no store")
	case isDir && !filepath.IsAbs(dir):
		return u, config("want dir:/absolute/path", "%s is %q, and its directory is not absolute", u.source, u.raw)
	case !isDir && !strings.HasPrefix(u.raw, "zk://"):
		return u, config("want "+storeForms, "%s is %q, which is no store", u.source, u.raw)
	}
	return u, nil
}

// open opens the store. ctx bounds how long it tries to reach it.
func (u storeURL) open(ctx context.Context, logger *slog.Logger) (leasehold.Store, error) {
	s, err := openStore(ctx, u.raw, logger)
	var argument *leasehold.ArgumentError
	switch {
	case errors.As(err, &argument):
		return nil, config("want "+storeForms, "%s: %v", u.source, argument)
	case err == nil, errors.Is(err, leasehold.ErrPermission), errors.Is(err, leasehold.ErrUnreachable), ctx.Err() != nil:
		return s, err
	}
	return nil, config("", "%s: %v", u.source, err)
}

func openStore(ctx context.Context, url string, logger *slog.Logger) (leasehold.Store, error) {
	if dir, ok := strings.CutPrefix(url, "dir:"); ok {
		s, err := localdir.Open(dir, nil)
		if err != nil {
			return nil, err
		}
		return s, nil
	}
	s, err := zookeeper.Open(ctx, url, &zookeeper.Options{Logger: logger})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// identity is the same for all URLs of one store, as far as they tell.
func (u storeURL) identity() string {
	if dir, ok := strings.CutPrefix(u.raw, "dir:"); ok {
		dir = filepath.Clean(dir)
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			return "dir:" + real
		}
		if parent, err := filepath.EvalSymlinks(filepath.Dir(dir)); err == nil { // it is yet to be made
			dir = filepath.Join(parent, filepath.Base(dir))
		}
		return "dir:" + dir
	}
	rest, _, _ := strings.Cut(strings.TrimPrefix(u.raw, "zk://"), "?")
	list, chroot, _ := strings.Cut(rest, "/")
	hosts := strings.Split(strings.ToLower(list), ",")
	for i, host := range hosts {
		if _, _, err := net.SplitHostPort(host); err != nil {
			hosts[i] = net.JoinHostPort(strings.Trim(host, "[]"), "2181")
		}
	}
	slices.Sort(hosts)
	return "zk://" + strings.Join(slices.Compact(hosts), ",") + "/" + strings.TrimSuffix(chroot, "/")
}
