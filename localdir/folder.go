package localdir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/kazoo"
)

// Names in a lease's folder; no escaped component begins with a dot. A writer
// makes those that end in ".new", and then renames them. It holds the lock, so
// there is one of each at most, and the next writer removes them if it was
// killed.
const (
	recordName = kazoo.RecordName
	tokenName  = ".token"
	logName    = ".run_log"
	lockName   = ".lock"
	newRecord  = ".lease_holder.new"
	newToken   = ".token.new"
	newLog     = ".run_log.new"
	newFolder  = ".folder.new"

	newLockPrefix, newSuffix = ".lock.", ".new" // and random digits between them
)

const (
	maxRecord = 1 << 20 // bytes; ZooKeeper takes no more either
	maxToken  = 1 << 12
	maxLog    = 1 << 20
)

// A state is what a lease's folder holds.
type state struct {
	tokenFile
	data []byte // nil without a record
}

// read returns the state of the lease at path. It needs no lock.
func (s *Store) read(ctx context.Context, path, name string) (state, error) {
	if err := s.usable(); err != nil {
		return state{}, err
	}
	d, err := s.openFolder(path, name)
	if errors.Is(err, fs.ErrNotExist) {
		return state{}, nil
	}
	if err != nil {
		return state{}, err
	}
	defer d.close()
	return s.readFolder(ctx, path, d)
}

func (s *Store) readFolder(ctx context.Context, path string, d *folder) (state, error) {
	for ctx.Err() == nil {
		before, _, err := readFile(d, tokenName, maxToken)
		if err != nil {
			return state{}, recordError(path, err)
		}
		data, _, err := readFile(d, recordName, maxRecord)
		if err != nil {
			return state{}, recordError(path, err)
		}
		after, _, err := readFile(d, tokenName, maxToken)
		if err != nil {
			return state{}, recordError(path, err)
		}
		if !bytes.Equal(before, after) {
			continue // a grant came in between
		}
		st := state{data: data}
		if before != nil {
			if st.tokenFile, err = parseTokenFile(before); err != nil {
				return state{}, &leasehold.RecordError{Path: path, Err: fmt.Errorf("token file %q is damaged: %w; write {\"token\":N,\"since\":\"2026-01-02T15:04:05Z\"} into it, N greater than any fencing token given out here",
					d.path(tokenName), err)}
			}
		} else if data != nil {
			return state{}, &leasehold.RecordError{Path: path, Err: fmt.Errorf("token file %q is missing, beside a record; write {\"token\":N,\"since\":\"2026-01-02T15:04:05Z\"} into it, N greater than any fencing token given out here, or remove the record if there was none",
				d.path(tokenName))}
		}
		return st, nil
	}
	return state{}, s.interrupted(ctx, leasehold.ErrUnreachable)
}

// An unfitError is about something that can't be a file of ours.
type unfitError struct{ file, why string }

func (e *unfitError) Error() string { return fmt.Sprintf("%q %s", e.file, e.why) }

// recordError makes a [*leasehold.RecordError] of an [*unfitError], and does to
// others what withCause does.
func recordError(path string, err error) error {
	if record := (*leasehold.RecordError)(nil); errors.As(err, &record) {
		return err
	}
	if unfit := (*unfitError)(nil); errors.As(err, &unfit) {
		return &leasehold.RecordError{Path: path, Err: err}
	}
	return withCause(err)
}

// readFile returns what is in a file and when it was written, nil if there is
// none, and an [*unfitError] if that isn't a regular file of at most limit bytes.
func readFile(d *folder, name string, limit int64) (data []byte, written time.Time, err error) {
	f, info, err := openRegular(d, name, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, written, nil
	}
	if err != nil {
		return nil, written, err
	}
	defer f.close()
	data, err = f.read(limit + 1)
	if err != nil {
		return nil, written, err
	}
	if int64(len(data)) > limit {
		return nil, written, &unfitError{f.path, fmt.Sprintf("has more than %d bytes", limit)}
	}
	return data, info.ModTime().UTC(), nil
}

// openRegular opens a file that is there. It returns an [*unfitError] if that
// isn't a regular file.
func openRegular(d *folder, name string, flags int) (*file, fs.FileInfo, error) {
	if there, err := d.lstat(name); err != nil {
		return nil, nil, err
	} else if there.Mode()&fs.ModeSymlink != 0 {
		return nil, nil, &unfitError{d.path(name), isLink} // os.Root would follow it
	} else if !there.Mode().IsRegular() {
		return nil, nil, &unfitError{d.path(name), "is not a regular file"}
	}
	f, err := d.openFile(name, flags, 0)
	if err != nil {
		return nil, nil, err
	}
	opened, err := f.stat()
	if err == nil && !opened.Mode().IsRegular() { // it was replaced in between
		err = &unfitError{f.path, "is not a regular file"}
	}
	if err != nil {
		f.close()
		return nil, nil, err
	}
	return f, opened, nil
}

// ensureFolder opens the folder called name, which is that of path, and makes
// what is missing of it.
func (s *Store) ensureFolder(ctx context.Context, path, name string) (*folder, error) {
	return s.descend(path, name, func(parent *folder, component string) error {
		return s.makeFolder(ctx, parent, component)
	})
}

// makeFolder makes a folder with the right mode from the first moment on, so
// that no other user meets one that they can't use. It does not sync parent:
// the first grant does that, also for a folder whose maker was killed.
func (s *Store) makeFolder(ctx context.Context, parent *folder, name string) error {
	lock, err := s.flock(ctx, parent)
	if err != nil {
		return err
	}
	defer lock.unlock()
	if _, err := parent.lstat(name); err == nil {
		return nil // another was faster
	}
	if err := parent.remove(newFolder); err != nil {
		return err
	}
	if err := parent.mkdir(newFolder, 0o700); err != nil {
		return errors.Join(err, parent.remove(newFolder))
	}
	if err := parent.chmod(newFolder, s.folderMode); err != nil {
		return errors.Join(err, parent.remove(newFolder))
	}
	if err := parent.rename(newFolder, name); err != nil {
		return errors.Join(err, parent.remove(newFolder))
	}
	return nil
}

// syncAbove makes the folder called name, and all that it is in, survive a
// power failure.
func (s *Store) syncAbove(name string) error {
	for name != "." {
		name = filepath.Dir(name)
		d, err := s.root.openFolder(name)
		if err != nil {
			return err
		}
		err = d.sync()
		d.close()
		if err != nil {
			return err
		}
	}
	return s.syncParent()
}

// syncParent makes the store's directory survive a power failure.
func (s *Store) syncParent() error {
	dir, err := filepath.EvalSymlinks(s.dir)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(filepath.Dir(dir))
	if errors.Is(err, fs.ErrPermission) {
		return nil // then this user has not made the directory
	}
	if err != nil {
		return err
	}
	parent := &folder{root, s.hooks.call}
	defer parent.close()
	return parent.sync()
}

// prepare writes a new file called name, to be renamed later, and syncs it.
func (s *Store) prepare(d *folder, name string, data []byte) (err error) {
	if err := d.remove(name); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.remove(name))
		}
	}()
	f, err := d.openFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, s.fileMode)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	if err := f.chmod(s.fileMode); err != nil {
		return err
	}
	if err := f.write(data); err != nil {
		return err
	}
	return f.sync()
}

// clearDebris removes what a killed writer may have left.
func clearDebris(d *folder) error {
	return errors.Join(d.remove(newRecord), d.remove(newToken), d.remove(newLog), d.remove(newFolder))
}
