package localdir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/background"
)

// Options are what Open takes beside the directory. The zero value is for one
// user.
type Options struct {
	// Mode is that of the files, whatever the umask; 0 means 0600. Folders
	// get the same and, wherever it lets read, the right to search.
	//
	// For users of one group to share a store, make the directory first,
	// with that group and the setgid bit (chgrp jobs DIR; chmod 2770 DIR), and
	// let all of them open it with the Mode 0660.
	Mode fs.FileMode
}

// A Store keeps leases in a directory.
type Store struct {
	dir        string
	root       *folder
	fileMode   fs.FileMode
	folderMode fs.FileMode
	hooks      hooks

	closing chan struct{}   // closed by Close: watches end
	undoing context.Context // ends when Close has waited long enough
	giveUp  context.CancelFunc

	mu     sync.Mutex // guards what is below
	closed bool
	stamp  leasehold.Stamp // of the newest commit

	busy background.Group // what Close waits for
}

var _ leasehold.Store = (*Store)(nil)

// hooks are for tests.
type hooks struct {
	fileSystem func(*os.File) (string, error)
	call       caller
}

// Open opens the store in dir, an absolute path to a directory on a local
// disk; it is made if it is missing, but not what is above it. nil for options
// means the zero value. The way to dir may have symbolic links, but nothing in
// it may: what is behind one is a [*leasehold.RecordError].
//
// It returns a [*leasehold.ArgumentError] if dir is not absolute, not a
// directory, on a network file system, or where every user could replace it (in
// a folder that all may write to, without the sticky bit), or if the Mode won't
// do, and
// [leasehold.ErrPermission] if this user may not read it. Whoever may read it but
// not write to it learns who has a lease, and gets ErrPermission for the rest.
func Open(dir string, options *Options) (*Store, error) {
	if options == nil {
		options = &Options{}
	}
	return open(dir, *options, hooks{fileSystem, callDirectly})
}

func open(dir string, options Options, h hooks) (*Store, error) {
	if err := platform(); err != nil {
		return nil, err
	}
	fileMode, folderMode, err := modes(options.Mode)
	if err != nil {
		return nil, err
	}
	if !filepath.IsAbs(dir) {
		return nil, badDirectory(dir, `must be an absolute path, like "/var/lib/leases"`)
	}
	dir = filepath.Clean(dir)
	if dir == "/" {
		return nil, badDirectory(dir, "must be a directory of its own, not the whole file system")
	}
	if err := checkWay(dir); err != nil {
		return nil, err
	}
	root, err := openDirectory(dir, folderMode)
	if err != nil {
		return nil, err
	}
	s := &Store{dir: dir, root: &folder{root, h.call}, fileMode: fileMode, folderMode: folderMode, hooks: h}
	if err := s.checkFileSystem(s.root); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	s.closing = make(chan struct{})
	s.undoing, s.giveUp = context.WithCancel(context.Background())
	return s, nil
}

// openDirectory opens dir, and makes it with that mode if it is missing.
func openDirectory(dir string, mode fs.FileMode) (*os.Root, error) {
	err := os.Mkdir(dir, mode.Perm())
	switch {
	case err == nil:
		if err := os.Chmod(dir, mode); err != nil {
			return nil, fmt.Errorf("set the mode of the lease directory: %w", withCause(err))
		}
	case errors.Is(err, fs.ErrNotExist):
		if _, statErr := os.Stat(filepath.Dir(dir)); statErr == nil { // /proc says so of all that can't be made
			return nil, fmt.Errorf("make the lease directory: %w", err)
		}
		return nil, badDirectory(dir, fmt.Sprintf("make its parent first: mkdir -p %q", filepath.Dir(dir)))
	case !errors.Is(err, fs.ErrExist):
		// On a read-only disk, or below a folder that is not ours, Mkdir
		// fails for a directory that is there as well.
		if _, statErr := os.Stat(dir); statErr != nil {
			return nil, fmt.Errorf("make the lease directory: %w", withCause(err))
		}
	}
	fi, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("open the lease directory: %w", withCause(err))
	}
	if !fi.IsDir() {
		return nil, badDirectory(dir, "is a file, want a directory")
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open the lease directory: %w", withCause(err))
	}
	return root, nil
}

// checkFileSystem refuses file systems that several machines can share: flock
// would hold only one of them, or none.
func (s *Store) checkFileSystem(d *folder) error {
	f, err := d.openFile(".", os.O_RDONLY, 0)
	if err != nil {
		return fmt.Errorf("open folder %q: %w", d.path("."), withCause(err))
	}
	defer f.close()
	name, err := s.hooks.fileSystem(f.File)
	if err != nil {
		return fmt.Errorf("find out the file system of %q: %w", f.path, err)
	}
	if name != "" {
		return badDirectory(f.path, fmt.Sprintf("is on a network file system (%s), want a local disk; for several machines use ZooKeeper", name))
	}
	return nil
}

// modes returns the modes of files and of folders.
func modes(mode fs.FileMode) (file, folder fs.FileMode, err error) {
	if mode == 0 {
		mode = 0o600
	}
	if mode&^0o664 != 0 || mode&0o600 != 0o600 {
		return 0, 0, &leasehold.ArgumentError{
			Name: "mode", Value: fmt.Sprintf("%#o", uint32(mode)),
			Want: "want read and write bits only, those of the owner among them, and none for everybody to write, like 0600 or 0660",
		}
	}
	folder = mode | mode&0o444>>2
	if mode&0o070 != 0 {
		folder |= fs.ModeSetgid
	}
	return mode, folder, nil
}

func badDirectory(dir, want string) error {
	return &leasehold.ArgumentError{Name: "lease directory", Value: dir, Want: want}
}

// withCause makes err match ErrPermission or ErrFull if it is one.
func withCause(err error) error {
	switch {
	case errors.Is(err, leasehold.ErrPermission), errors.Is(err, leasehold.ErrFull):
		return err
	case errors.Is(err, fs.ErrPermission):
		return permissionError{err}
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w: %w", leasehold.ErrPermission, err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w: %w", leasehold.ErrFull, err)
	}
	return err
}

// A permissionError keeps the system's own words, which name the file.
type permissionError struct{ error }

func (e permissionError) Error() string {
	return e.error.Error() + fmt.Sprintf(" (as user %d; users who share leases need one group, and the same Mode)", os.Geteuid())
}
func (e permissionError) Unwrap() error      { return e.error }
func (permissionError) Is(target error) bool { return target == leasehold.ErrPermission }
