package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"syscall"
	"time"

	"leasehold.example/leasehold/cmd/leasehold/internal/text"
)

const (
	// stateVariable names the state directory of every user's runs.
	stateVariable = "LEASEHOLD_STATE_DIR"

	rootStateDir   = "/var/lib/leasehold"
	drainFile      = "drain.json"
	mostDrainBytes = 64 << 10
)

// A drain keeps this host from taking a lease. It is a file, so that it is there
// while the store is not, and after a reboot.
type drain struct {
	File     string    `json:"file,omitempty"` // where it is; not in the file itself
	By       string    `json:"by"`
	Since    time.Time `json:"since"`
	Reason   string    `json:"reason,omitempty"`
	HandOver bool      `json:"hand_over,omitempty"` // runs that release are stopped
}

func (d drain) String() string {
	s := fmt.Sprintf("drained since %s by %s", text.Time(d.Since), d.By)
	if d.Reason != "" {
		s += ": " + d.Reason
	}
	return s
}

// A drainedError is the denial of a lease on a drained host.
type drainedError struct{ drain }

func (e *drainedError) Error() string { return "this host takes no new lease: it is " + e.String() }

// stateDirs returns the directories whose drains this user's runs obey: root's, and
// the user's own, unless that may not be looked into. Then it is in another user's
// home, or in one that a service does not see: no job may fail for that.
func stateDirs() ([]string, error) {
	own, err := ownStateDir()
	switch {
	case err != nil:
		return nil, err
	case own == "":
		return []string{rootStateDir}, nil
	case own == rootStateDir || os.Getenv(stateVariable) != "":
		return []string{own}, nil
	}
	if _, err := os.Stat(own); errors.Is(err, fs.ErrPermission) {
		return []string{rootStateDir}, nil
	}
	return []string{rootStateDir, own}, nil
}

// ownStateDir returns the directory for this user's drain, "" if the user has no
// home.
func ownStateDir() (string, error) {
	if dir := os.Getenv(stateVariable); dir != "" {
		return stateDirBelow(stateVariable, dir, "")
	}
	if os.Geteuid() == 0 {
		return rootStateDir, nil
	}
	if dir := os.Getenv("XDG_STATE_HOME"); dir != "" {
		return stateDirBelow("XDG_STATE_HOME", dir, "leasehold")
	}
	home := os.Getenv("HOME")
	if home == "" {
		u, err := user.Current()
		if err != nil || u.HomeDir == "" {
			return "", nil
		}
		home = u.HomeDir
	}
	return stateDirBelow("HOME", home, ".local/state/leasehold")
}

func stateDirBelow(variable, dir, name string) (string, error) {
	if !filepath.IsAbs(dir) {
		return "", config("", "%s is %q, want an absolute path", variable, dir)
	}
	return filepath.Join(dir, name), nil
}

// readDrain returns the drain in dir, nil if there is none. What can't be read is
// an error: it may be a drain.
func readDrain(dir string) (*drain, error) {
	path := filepath.Join(dir, drainFile)
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, nil
	}
	if err != nil {
		return nil, stateError("can't tell whether this host is drained", err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, mostDrainBytes+1))
	if err != nil {
		return nil, stateError("can't tell whether this host is drained", err)
	}
	d, err := parseDrain(content)
	if err != nil {
		return nil, config(`"leasehold drain" writes it anew, "leasehold undrain" removes it`,
			"can't tell whether this host is drained: %s is damaged, or of a newer leasehold: %v", path, err)
	}
	d.File = path
	return d, nil
}

// parseDrain is strict: what an editor or a full disk has made of the file must not
// be taken for less than it was.
func parseDrain(content []byte) (*drain, error) {
	if len(content) > mostDrainBytes {
		return nil, fmt.Errorf("it has more than %d bytes", mostDrainBytes)
	}
	d := &drain{}
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(d)
	_, restErr := decoder.Token()
	switch {
	case errors.Is(err, io.EOF):
		return nil, errors.New("it is empty")
	case err != nil:
		return nil, err
	case !errors.Is(restErr, io.EOF):
		return nil, errors.New("something follows the object")
	case d.By == "" || d.Since.IsZero():
		return nil, errors.New("it does not say by whom and since when")
	}
	return d, nil
}

func stateError(what string, err error) error {
	f := &failure{code: exitConfig, message: fmt.Sprintf("%s: %v", what, err)}
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		f.code = exitNoPermission
		f.hint = "give this user access to it, or name another directory in $" + stateVariable + ", as " + rootStateDir + " for root's drain alone"
	}
	return f
}

// readDrains returns the drains that are in force for this user. With an error it
// returns those that could be read.
func readDrains() (all []drain, err error) {
	dirs, err := stateDirs()
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, dir := range dirs {
		d, err := readDrain(dir)
		if d != nil {
			all = append(all, *d)
		}
		errs = append(errs, err)
	}
	return all, errors.Join(errs...)
}

// checkDrained returns a *drainedError if this host is drained, and a *failure if
// that can't be told.
func checkDrained() error {
	dirs, err := stateDirs()
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		if d, err := readDrain(dir); err != nil {
			return err
		} else if d != nil {
			return &drainedError{*d}
		}
	}
	return nil
}

// untilDrained returns a context that ends with checkDrained's error when there is
// one. If there is one already, it returns that.
func untilDrained(ctx context.Context) (context.Context, context.CancelFunc, error) {
	if err := checkDrained(); err != nil {
		return nil, nil, err
	}
	ctx, end := context.WithCancelCause(ctx)
	go pollDrain(ctx, func() bool {
		err := checkDrained()
		if err != nil {
			end(err)
		}
		return err != nil
	})
	return ctx, func() { end(nil) }, nil
}

// pollDrain calls look once a second until it reports true, or ctx ends.
func pollDrain(ctx context.Context, look func() bool) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if look() {
			return
		}
	}
}

// write puts d into dir, in the place of what is there.
func (d drain) write(dir string) error {
	d.File = ""
	content, err := json.Marshal(d)
	if err != nil {
		return err
	}
	if err := replaceFile(dir, drainFile, append(content, '\n')); err != nil {
		return stateError("this host is not drained", err)
	}
	return nil
}

// replaceFile writes a file that survives a crash. Whatever the umask is, all users
// can read it: root's drain is theirs too.
func replaceFile(dir, name string, content []byte) error {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := errors.Join(os.Chmod(dir, 0o755), syncDir(filepath.Dir(dir))); err != nil {
			return err
		}
	}
	file, err := os.CreateTemp(dir, name+".*")
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	err = errors.Join(err, file.Chmod(0o644), file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), filepath.Join(dir, name))
	}
	if err != nil {
		os.Remove(file.Name())
		return err
	}
	return syncDir(dir)
}

// removeDrain reports whether there was one.
func removeDrain(dir string) (bool, error) {
	err := os.Remove(filepath.Join(dir, drainFile))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return false, nil
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return false, stateError("this host is still drained", err)
	}
	return true, nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
