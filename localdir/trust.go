package localdir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// openFolder opens the folder called name, which is that of path.
func (s *Store) openFolder(path, name string) (*folder, error) {
	return s.descend(path, name, func(*folder, string) error { return fs.ErrNotExist })
}

// descend opens the folder called name, which is that of path, through folders
// that missing may make. It returns a [*leasehold.RecordError] if one of them
// is not to be trusted. [os.Root] alone would follow symbolic links that stay
// within the directory, and two leases could then be one, or one be two.
func (s *Store) descend(path, name string, missing func(parent *folder, name string) error) (*folder, error) {
	at := s.root
	for component := range strings.SplitSeq(name, "/") {
		next, err := openBelow(at, component)
		if errors.Is(err, fs.ErrNotExist) {
			if err = missing(at, component); err == nil {
				next, err = openBelow(at, component)
			}
		}
		if at != s.root {
			at.close()
		}
		if err != nil {
			return nil, recordError(path, err)
		}
		at = next
	}
	return at, nil
}

// What a file or folder is that is not to be trusted.
const (
	isLink   = "is a symbolic link, and leases are not kept behind those"
	isFile   = "is not a folder"
	isPublic = "is a folder in which everybody can replace what is another's; take that right away (chmod o-w), or set its sticky bit (chmod +t)"
)

// openBelow opens a folder, and returns an [*unfitError] if it is none, or a
// symbolic link, or public.
func openBelow(parent *folder, name string) (*folder, error) {
	unfit := func(why string) error { return &unfitError{parent.path(name), why} }
	for {
		there, err := parent.lstat(name)
		switch {
		case err != nil:
			return nil, err
		case there.Mode()&fs.ModeSymlink != 0:
			return nil, unfit(isLink)
		case !there.IsDir():
			return nil, unfit(isFile)
		case public(there):
			return nil, unfit(isPublic)
		}
		d, err := parent.openFolder(name)
		if err != nil {
			return nil, err
		}
		opened, err := d.lstat(".")
		if err == nil && os.SameFile(opened, there) {
			return d, nil
		}
		d.close() // it was replaced in between
		if err != nil {
			return nil, err
		}
	}
}

// public reports whether every user can rename and remove what others have in
// a folder.
func public(folder fs.FileInfo) bool {
	return folder.Mode().Perm()&0o002 != 0 && folder.Mode()&fs.ModeSticky == 0
}

const maxLinks = 40 // symbolic links that Linux follows in one path

// checkWay returns an [*leasehold.ArgumentError] if every user could put
// another directory in the place of dir: if dir, or a folder that leads to it,
// is public, or if a symbolic link on the way is another user's and stands
// where everybody could have made it. Whom else folders belong to is up to
// those who chose dir. What is missing, or can't be looked at, is left to be
// found out by opening it.
func checkWay(dir string) error {
	at, ahead := "/", strings.Split(dir, "/")
	for links := 0; links <= maxLinks; {
		folder, err := os.Lstat(at)
		if err != nil {
			return nil
		}
		if folder.IsDir() && public(folder) {
			return badDirectory(dir, fmt.Sprintf("is not safe: %q %s", at, isPublic))
		}
		if len(ahead) == 0 {
			return nil
		}
		next := filepath.Join(at, ahead[0]) // at has no links in it, so that ".." is what it says
		ahead = ahead[1:]
		entry, err := os.Lstat(next)
		if err != nil {
			return nil
		}
		if entry.Mode()&fs.ModeSymlink == 0 {
			at = next
			continue
		}
		if folder.Mode()&0o002 != 0 && !trusted(entry) {
			return badDirectory(dir, fmt.Sprintf("is not safe: %q is another user's symbolic link", next))
		}
		target, err := os.Readlink(next)
		if err != nil {
			return nil
		}
		if filepath.IsAbs(target) {
			at = "/"
		}
		ahead = append(strings.Split(target, "/"), ahead...)
		links++
	}
	return nil
}
