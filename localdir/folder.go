package localdir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/kazoo"
)

// Names in a lease's folder; no escaped component begins with a dot. Those that
// end in ".new" are what a writer works on before it renames them. It holds the
// lock, so there is one of each at most, and the next writer clears them away
// if it was killed.
const (
	recordName = kazoo.RecordName
	tokenName  = ".token"
	newRecord  = ".lease_holder.new"
	newToken   = ".token.new"
	newFolder  = ".folder.new"
)

const (
	maxRecord = 1 << 20 // bytes; ZooKeeper takes no more either
	maxToken  = 1 << 12
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
	folder, err := s.openFolder(path, name)
	if errors.Is(err, fs.ErrNotExist) {
		return state{}, nil
	}
	if err != nil {
		return state{}, err
	}
	defer folder.Close()
	return s.readFolder(ctx, path, folder)
}

func (s *Store) readFolder(ctx context.Context, path string, folder *os.Root) (state, error) {
	for ctx.Err() == nil {
		before, err := readFile(folder, tokenName, maxToken)
		if unfit := (*unfitError)(nil); errors.As(err, &unfit) {
			return state{}, &leasehold.RecordError{Path: path, Err: err}
		}
		if err != nil {
			return state{}, withPermission(err)
		}
		data, err := readFile(folder, recordName, maxRecord)
		if unfit := (*unfitError)(nil); errors.As(err, &unfit) {
			return state{}, &leasehold.RecordError{Path: path, Err: err}
		}
		if err != nil {
			return state{}, withPermission(err)
		}
		after, err := readFile(folder, tokenName, maxToken)
		if err != nil {
			return state{}, withPermission(err)
		}
		if !bytes.Equal(before, after) {
			continue // a grant came in between
		}
		st := state{data: data}
		if before != nil {
			if st.tokenFile, err = parseTokenFile(before); err != nil {
				return state{}, &leasehold.RecordError{Path: path, Err: fmt.Errorf("token file %q is damaged: %w; write {\"token\":N,\"since\":\"2026-01-02T15:04:05Z\"} into it, N greater than any fencing token given out here",
					filepath.Join(folder.Name(), tokenName), err)}
			}
		} else if data != nil {
			return state{}, &leasehold.RecordError{Path: path, Err: fmt.Errorf("token file %q is missing, beside a record; write {\"token\":N,\"since\":\"2026-01-02T15:04:05Z\"} into it, N greater than any fencing token given out here, or remove the record if there was none",
				filepath.Join(folder.Name(), tokenName))}
		}
		return st, nil
	}
	return state{}, s.interrupted(ctx, leasehold.ErrUnreachable)
}

// An unfitError is about something that can't be a file of ours.
type unfitError struct{ file, why string }

func (e *unfitError) Error() string { return fmt.Sprintf("%q %s", e.file, e.why) }

// readFile returns what is in a file, nil if there is none, and an
// [*unfitError] if that isn't a regular file of at most limit bytes.
func readFile(folder *os.Root, name string, limit int64) ([]byte, error) {
	if fi, err := folder.Lstat(name); err == nil && fi.Mode()&fs.ModeSymlink != 0 {
		return nil, &unfitError{filepath.Join(folder.Name(), name), isLink} // os.Root would follow it
	}
	f, err := folder.OpenFile(name, os.O_RDONLY|openSafely, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, &unfitError{f.Name(), "is not a regular file"}
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, &unfitError{f.Name(), fmt.Sprintf("has more than %d bytes", limit)}
	}
	return data, nil
}

// ensureFolder opens the folder called name, which is that of path, and makes
// what is missing of it.
func (s *Store) ensureFolder(ctx context.Context, path, name string) (*os.Root, error) {
	return s.descend(path, name, func(parent *os.Root, component string) error {
		return s.makeFolder(ctx, parent, component)
	})
}

// makeFolder makes a folder with the right mode from the first moment on, so
// that no other user meets one that they can't use.
func (s *Store) makeFolder(ctx context.Context, parent *os.Root, name string) error {
	lock, err := s.flock(ctx, parent)
	if err != nil {
		return err
	}
	defer lock.unlock()
	if _, err := parent.Lstat(name); err == nil {
		return nil // another was faster
	}
	if err := remove(parent, newFolder); err != nil {
		return err
	}
	if err := parent.Mkdir(newFolder, 0o700); err != nil {
		return err
	}
	if err := parent.Chmod(newFolder, s.folderMode); err != nil {
		return errors.Join(err, remove(parent, newFolder))
	}
	if err := parent.Rename(newFolder, name); err != nil {
		return errors.Join(err, remove(parent, newFolder))
	}
	return syncFolder(parent)
}

// prepare writes a new file called name, to be renamed later, down to the disk.
func (s *Store) prepare(folder *os.Root, name string, data []byte) (err error) {
	if err := remove(folder, name); err != nil {
		return err
	}
	f, err := folder.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL|openSafely, s.fileMode)
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			err = errors.Join(err, remove(folder, name))
		}
	}()
	if err := f.Chmod(s.fileMode); err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Sync()
}

// clearDebris removes what a killed writer may have left.
func clearDebris(folder *os.Root) error {
	return errors.Join(remove(folder, newRecord), remove(folder, newToken), remove(folder, newFolder))
}

// remove removes a file, or an empty folder, if it is there.
func remove(folder *os.Root, name string) error {
	if err := folder.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// syncFolder makes renames in folder survive a power failure.
func syncFolder(folder *os.Root) error {
	f, err := folder.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil && !cannotSync(err) {
		return err
	}
	return nil
}
