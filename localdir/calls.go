package localdir

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// A caller makes one system call. A Store makes all those of a grant, a renewal
// and a release through its caller, so that a test can make each of them fail.
type caller func(op, name string, call func() error) error

func callDirectly(_, _ string, call func() error) error { return call() }

// A folder is an open folder. Names are relative to it.
type folder struct {
	root *os.Root
	call caller
}

// path returns the full path of what is called name in d.
func (d *folder) path(name string) string { return filepath.Join(d.root.Name(), name) }

// do makes a system call on what is called name in d. Its error has the full
// path, which that of an os.Root has not.
func (d *folder) do(op, name string, call func() error) error {
	err := d.call(op, d.path(name), call)
	if e := (*fs.PathError)(nil); errors.As(err, &e) {
		return &fs.PathError{Op: op, Path: d.path(name), Err: e.Err}
	}
	if e := (*os.LinkError)(nil); errors.As(err, &e) {
		return &fs.PathError{Op: op, Path: d.path(name), Err: e.Err}
	}
	return err
}

func (d *folder) openFolder(name string) (*folder, error) {
	var root *os.Root
	err := d.do("open", name, func() (err error) { root, err = d.root.OpenRoot(name); return err })
	return &folder{root, d.call}, err
}

func (d *folder) openFile(name string, flags int, mode fs.FileMode) (*file, error) {
	op := "open"
	if flags&os.O_CREATE != 0 {
		op = "create"
	}
	var f *os.File
	err := d.do(op, name, func() (err error) { f, err = d.root.OpenFile(name, flags|openSafely, mode); return err })
	return &file{f, d.path(name), d.call}, err
}

func (d *folder) lstat(name string) (info fs.FileInfo, err error) {
	err = d.do("lstat", name, func() (err error) { info, err = d.root.Lstat(name); return err })
	return info, err
}

// names returns the names of all that is in d.
func (d *folder) names() (names []string, err error) {
	f, err := d.openFile(".", os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.close()
	err = d.do("read", ".", func() (err error) { names, err = f.Readdirnames(-1); return err })
	return names, err
}

func (d *folder) mkdir(name string, mode fs.FileMode) error {
	return d.do("mkdir", name, func() error { return d.root.Mkdir(name, mode) })
}

func (d *folder) chmod(name string, mode fs.FileMode) error {
	return d.do("chmod", name, func() error { return d.root.Chmod(name, mode) })
}

func (d *folder) rename(from, to string) error {
	return d.do("rename", to, func() error { return d.root.Rename(from, to) })
}

func (d *folder) link(from, to string) error {
	return d.do("link", to, func() error { return d.root.Link(from, to) })
}

// remove removes a file, or an empty folder, if it is there.
func (d *folder) remove(name string) error {
	err := d.do("remove", name, func() error { return d.root.Remove(name) })
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// sync makes what was made and renamed in d survive a power failure.
func (d *folder) sync() error {
	f, err := d.openFile(".", os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer f.close()
	if err := f.sync(); err != nil && !cannotSync(err) {
		return err
	}
	return nil
}

func (d *folder) close() error { return d.do("close", ".", d.root.Close) }

// A file is an open file, or a folder that was opened like one.
type file struct {
	*os.File
	path string
	call caller
}

func (f *file) stat() (info fs.FileInfo, err error) {
	err = f.call("stat", f.path, func() (err error) { info, err = f.Stat(); return err })
	return info, err
}

func (f *file) chmod(mode fs.FileMode) error {
	return f.call("chmod", f.path, func() error { return f.Chmod(mode) })
}

func (f *file) write(data []byte) error {
	return f.call("write", f.path, func() error { _, err := f.Write(data); return err })
}

// read returns the first limit bytes.
func (f *file) read(limit int64) (data []byte, err error) {
	err = f.call("read", f.path, func() (err error) { data, err = io.ReadAll(io.LimitReader(f, limit)); return err })
	return data, err
}

func (f *file) sync() error { return f.call("fsync", f.path, f.Sync) }

func (f *file) close() error { return f.call("close", f.path, f.Close) }

// tryLock reports whether f could be locked.
func (f *file) tryLock() (locked bool, err error) {
	err = f.call("flock", f.path, func() (err error) { locked, err = tryFlock(f.File); return err })
	return locked, err
}

func (f *file) unlock() {
	_ = f.call("unlock", f.path, func() error { return unflock(f.File) })
	_ = f.close()
}
