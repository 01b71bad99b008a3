//go:build unix

package localdir_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/localdir"
)

const childEnv = "LEASEHOLD_LOCALDIR_TEST_CHILD"

// TestMain lets the test binary be run again as another process on a store: it
// answers each line of JSON on standard input with one on standard output.
func TestMain(m *testing.M) {
	if os.Getenv(childEnv) == "" {
		os.Exit(m.Run())
	}
	serve()
}

// A request tells a child what to do.
type request struct {
	Op     string
	Dir    string
	Mode   fs.FileMode
	Path   string
	Holder string
	Data   string
	Log    string // grant, release: the new run log, if not empty; edit: whatever it is
	Others bool   // grant: refuse where the record is not the holder's own
	DieAt  int    // grant, renew, release, edit: be killed at this call that changes a file, if not 0
	NoSync bool   // open: make no fsync
	Limit  uint64 // open: let no file become bigger
}

// A response says what came of it.
type response struct {
	Token      int64
	Data       string
	Err        string
	Lost       bool
	Permission bool
}

var errOthers = errors.New("another's")

// serve never returns.
func serve() {
	syscall.Umask(0o077) // which must not matter
	var s *localdir.Store
	var held leasehold.Entry
	var k killer
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var o request
		if err := in.Decode(&o); err != nil {
			os.Exit(0) // standard input was closed
		}
		var e leasehold.Entry
		var err error
		ctx := context.Background()
		k.left = o.DieAt
		switch o.Op {
		case "open":
			if o.Limit > 0 {
				err = limitFileSize(o.Limit)
			}
			if err == nil {
				s, err = localdir.OpenHooked(o.Dir, o.Mode, k.call)
				k.noSync = o.NoSync
			}
		case "grant":
			if e, _, err = s.Grant(ctx, leasehold.Entry{Path: o.Path}, o.decide); err == nil {
				held = e
			}
		case "grants": // until killed
			for {
				e, _, err := s.Grant(ctx, leasehold.Entry{Path: o.Path}, o.decide)
				if err != nil {
					_ = out.Encode(response{Err: err.Error()})
					os.Exit(1)
				}
				_ = out.Encode(response{Token: e.Token})
			}
		case "hold the lock": // until killed
			_, _, err = s.Grant(ctx, leasehold.Entry{Path: o.Path}, func(old leasehold.Entry) (leasehold.Proposal, error) {
				// The first call is without the lock.
				if o.Others = !o.Others; !o.Others {
					_ = out.Encode(response{})
					waitToBeKilled()
				}
				return leasehold.Proposal{}, nil
			})
		case "lock all": // that can be opened, until killed
			e.Token, err = lockAll(o.Dir)
		case "renew":
			e, err = s.Renew(ctx, held, []byte(o.Data))
		case "release":
			var edit leasehold.LogEdit
			if o.Log != "" {
				edit = become(o.Log)
			}
			err = s.Release(ctx, held, []byte(o.Data), edit)
		case "edit":
			err = s.EditLog(ctx, o.Path, become(o.Log))
		case "read":
			e, err = s.Read(ctx, o.Path)
		default:
			err = fmt.Errorf("no such request: %q", o.Op)
		}
		a := response{Token: e.Token, Data: string(e.Data)}
		if err != nil {
			a.Err, a.Lost, a.Permission = err.Error(), errors.Is(err, leasehold.ErrLost), errors.Is(err, leasehold.ErrPermission)
		}
		if err := out.Encode(a); err != nil {
			os.Exit(1)
		}
	}
}

func (o request) decide(old leasehold.Entry) (leasehold.Proposal, error) {
	if o.Others && old.Data != nil && string(old.Data) != o.Data {
		return leasehold.Proposal{}, errOthers
	}
	if o.Log != "" {
		return proposeLog(o.Data, o.Log)(old)
	}
	return leasehold.Proposal{Data: []byte(o.Data), Undo: []byte("undone")}, nil
}

// proposeLog returns what proposes data and log without looking. Undone, it
// leaves the record and the log that were there.
func proposeLog(data, log string) func(leasehold.Entry) (leasehold.Proposal, error) {
	return func(old leasehold.Entry) (leasehold.Proposal, error) {
		if old.Log == nil {
			return leasehold.Proposal{}, leasehold.ErrNeedsLog
		}
		p := leasehold.Proposal{Data: []byte(data), Undo: []byte(undone), Log: []byte(log), UndoLog: become(string(old.Log.Data))}
		if old.Data != nil {
			p.Undo = old.Data
		}
		return p, nil
	}
}

// become returns what makes a run log to be data.
func become(data string) leasehold.LogEdit {
	return func([]byte) ([]byte, error) { return []byte(data), nil }
}

// lockAll locks what it can open for reading in dir, and returns how much that
// was.
func lockAll(dir string) (locks int64, err error) {
	err = filepath.WalkDir(dir, func(name string, _ fs.DirEntry, err error) error {
		fd, openErr := syscall.Open(name, syscall.O_RDONLY, 0)
		if openErr != nil {
			return err
		}
		locks++
		return errors.Join(err, syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB))
	})
	return locks, err
}

// A killer kills this process before one of the calls that change files.
type killer struct {
	left   int // calls until then; 0 for never
	noSync bool
}

func (k *killer) call(op, name string, call func() error) error {
	if changes(op) {
		if k.left--; k.left == 0 {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			waitToBeKilled()
		}
	}
	if k.noSync {
		return unsynced(op, name, call)
	}
	return call()
}

// changes reports whether a call of that name changes a file or folder.
func changes(op string) bool {
	switch op {
	case "create", "write", "chmod", "fsync", "rename", "link", "mkdir", "remove":
		return true
	}
	return false
}

// waitToBeKilled is no select {}, which the runtime would call a deadlock.
func waitToBeKilled() {
	for {
		time.Sleep(time.Hour)
	}
}

// A child is another process on a store.
type child struct {
	t   *testing.T
	cmd *exec.Cmd
	in  *json.Encoder
	out *bufio.Scanner
}

// startChild starts the binary at path, "" for this one, as another user if
// credential is not nil.
func startChild(t *testing.T, path string, credential *syscall.Credential) *child {
	t.Helper()
	if path == "" {
		var err error
		if path, err = os.Executable(); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(path)
	cmd.Env = append(os.Environ(), childEnv+"=1")
	cmd.Dir = string(filepath.Separator)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start another process: %v", err)
	}
	c := &child{t: t, cmd: cmd, in: json.NewEncoder(in), out: bufio.NewScanner(out)}
	t.Cleanup(c.kill)
	return c
}

// kill is kill -9. Responses that the child has written may still be read before.
func (c *child) kill() {
	if c.cmd.ProcessState == nil {
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
	}
}

func (c *child) send(o request) {
	c.t.Helper()
	if err := c.in.Encode(o); err != nil {
		c.t.Fatalf("send %q to another process: %v", o.Op, err)
	}
}

// receive returns false when the child is dead.
func (c *child) receive() (a response, alive bool) {
	c.t.Helper()
	if !c.out.Scan() {
		return response{}, false
	}
	if err := json.Unmarshal(c.out.Bytes(), &a); err != nil {
		return response{}, false // killed while writing
	}
	return a, true
}

// ask sends a request and returns the response.
func (c *child) ask(o request) response {
	c.t.Helper()
	c.send(o)
	a, alive := c.receive()
	if !alive {
		c.t.Fatalf("%q: another process is dead, want its response", o.Op)
	}
	return a
}

// must is ask where no error will do.
func (c *child) must(o request) response {
	c.t.Helper()
	a := c.ask(o)
	if a.Err != "" {
		c.t.Fatalf("%q at %q by another process: got error %s, want none", o.Op, o.Path, a.Err)
	}
	return a
}
