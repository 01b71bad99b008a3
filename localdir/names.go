package localdir

import (
	"encoding/hex"
	"fmt"
	"strings"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/kazoo"
)

const maxName = 255 // bytes in a file name, on every file system we know

// folderName returns the folder of the lease at path, relative to the
// directory. It returns an [*leasehold.ArgumentError] if path is not a lease
// path, or has a component that is too long as a file name.
func folderName(path string) (string, error) {
	if err := leasehold.CheckPath(path); err != nil {
		return "", err
	}
	components := strings.Split(path[1:], "/")
	for i, c := range components {
		name := escape(c)
		if len(name) > maxName {
			return "", &leasehold.ArgumentError{Name: "path", Value: path, Want: fmt.Sprintf(
				"its component %.20q… takes %d bytes as a file name, and may take %d: capitals and all but plain ASCII take three each", c, len(name), maxName)}
		}
		components[i] = name
	}
	return strings.Join(components, "/"), nil
}

// leasePath is the inverse of folderName; ok is false for what is not the
// folder of a lease.
func leasePath(folder string) (path string, ok bool) {
	var b strings.Builder
	for name := range strings.SplitSeq(folder, "/") {
		c, ok := unescape(name)
		if !ok {
			return "", false
		}
		b.WriteString("/" + c)
	}
	return b.String(), leasehold.CheckPath(b.String()) == nil
}

// escape returns the file name for a path component. Different components
// have different names, also where case does not count.
func escape(component string) string {
	var b strings.Builder
	for i, c := range []byte(component) {
		switch {
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c == '.' && i > 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	if name := b.String(); name != kazoo.RecordName {
		return name
	}
	return fmt.Sprintf("%%%02x%s", component[0], component[1:])
}

func unescape(name string) (component string, ok bool) {
	head, rest, more := strings.Cut(name, "%")
	var b strings.Builder
	b.WriteString(head)
	for more {
		if len(rest) < 2 {
			return "", false
		}
		c, err := hex.DecodeString(rest[:2])
		if err != nil {
			return "", false
		}
		b.Write(c)
		head, rest, more = strings.Cut(rest[2:], "%")
		b.WriteString(head)
	}
	// Of all spellings only the one that escape chooses is ours.
	component = b.String()
	return component, component != "" && escape(component) == name
}
