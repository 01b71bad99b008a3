package leasehold

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"leasehold.example/leasehold/internal/nodename"
	"leasehold.example/leasehold/kazoo"
)

const (
	minDuration = time.Second // shorter, and it could be over before it begins
	maxHolder   = 1024        // bytes
	maxPath     = 16 << 10    // bytes; ZooKeeper breaks a connection at a request of 1 MiB, and a grant names its path many times
)

// CheckPath returns an [*ArgumentError] unless path can name a lease on every
// store. It is absolute, its components are separated by single slashes, and
// none is empty, ".", "..", "lease_holder" or like a lock node or a grant node;
// it has at most 16,384 bytes and none of the characters that ZooKeeper refuses
// (PathUtils.validatePath), and is neither "/" nor at or below "/zookeeper".
func CheckPath(path string) error {
	bad := func(format string, args ...any) error {
		return &ArgumentError{Name: "path", Value: path, Want: fmt.Sprintf(format, args...)}
	}
	switch {
	case path == "":
		return bad(`want an absolute path like "/db_leases/hourly_cleanup"`)
	case !strings.HasPrefix(path, "/"):
		return bad(`must begin with "/"`)
	case path == "/":
		return bad("the root can't be a lease")
	case strings.HasSuffix(path, "/"):
		return bad(`must not end with "/"`)
	case len(path) > maxPath:
		return bad("has %d bytes, must have at most %d", len(path), maxPath)
	case !utf8.ValidString(path):
		return bad("must be valid UTF-8")
	}
	for i, name := range strings.Split(path[1:], "/") {
		_, isLock := kazoo.LockSequence(name)
		_, isGrant := nodename.ParseGrant(name)
		switch {
		case name == "":
			return bad(`must not have an empty component ("//")`)
		case name == "." || name == "..":
			return bad("must not have the component %q", name)
		case i == 0 && name == "zookeeper":
			return bad(`"/zookeeper" belongs to the server`)
		case name == kazoo.RecordName:
			return bad("%q is the name of the record below a lease path", name)
		case isLock || isGrant:
			return bad("the component %q looks like a node that leases are made of", name)
		}
		for _, c := range name {
			if refusedByZooKeeper(c) {
				return bad("must not have the character %U", c)
			}
		}
	}
	return nil
}

// refusedByZooKeeper tells the characters that a znode's name can't have
// (PathUtils.validatePath in ZooKeeper 3.8). Those beyond U+FFFF it sees as
// surrogates, which it refuses as well.
func refusedByZooKeeper(c rune) bool {
	return c < 0x20 || c >= 0x7f && c <= 0x9f || c >= 0xd800 && c <= 0xf8ff || c >= 0xfff0
}

// checkDuration returns an *ArgumentError if d is too short for a lease, or so
// long that its end can't be written.
func checkDuration(d time.Duration, now time.Time) error {
	if d < minDuration {
		return &ArgumentError{Name: "duration", Value: d.String(), Want: "must be at least " + minDuration.String()}
	}
	if y := now.Add(d).UTC().Year(); y < 1000 || y > 9999 {
		return &ArgumentError{Name: "duration", Value: d.String(), Want: fmt.Sprintf("must end in a year from 1000 to 9999, not in %d", y)}
	}
	return nil
}

const maxSlots = 10_000 // each attempt reads them all

func checkSlots(n int) error {
	if n < 1 || n > maxSlots {
		return &ArgumentError{Name: "slots", Value: strconv.Itoa(n), Want: fmt.Sprintf("must be from 1 to %d", maxSlots)}
	}
	return nil
}

// CheckHolder returns an [*ArgumentError] unless holder can name a holder: it
// has 1 to 1,024 bytes of valid UTF-8.
func CheckHolder(holder string) error {
	bad := func(want string) error { return &ArgumentError{Name: "holder", Value: holder, Want: want} }
	switch {
	case holder == "":
		return bad("must not be empty")
	case len(holder) > maxHolder:
		return bad(fmt.Sprintf("has %d bytes, must have at most %d", len(holder), maxHolder))
	case !utf8.ValidString(holder):
		return bad("must be valid UTF-8")
	}
	return nil
}

// DefaultHolder returns this machine's host name. It returns an
// [*ArgumentError] if that is not a name of this machine alone, like
// "localhost": hosts cloned from one image would all be the same holder, and
// all be granted the same lease.
func DefaultHolder() (string, error) {
	name, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("read the host name: %w", err)
	}
	switch first, _, _ := strings.Cut(strings.ToLower(name), "."); first {
	case "", "localhost", "(none)":
		return "", &ArgumentError{Name: "host name", Value: name, Want: "set one that no other host has, or name the holder"}
	}
	return name, CheckHolder(name)
}
