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
// answers one line of JSON on standard output to each on standard input.
func TestMain(m *testing.M) {
	if os.Getenv(childEnv) == "" {
		os.Exit(m.Run())
	}
	serve()
}

// An order is what a child is told to do.
type order struct {
	Op     string
	Dir    string
	Mode   fs.FileMode
	Path   string
	Holder string
	Data   string
	Others bool   // grant: refuse where the record is not the holder's own
	DieAt  string // open: be killed after this step of a grant
	Limit  uint64 // open: let no file become bigger
}

// An answer says what came of it.
type answer struct {
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
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var o order
		if err := in.Decode(&o); err != nil {
			os.Exit(0) // standard input was closed
		}
		var e leasehold.Entry
		var err error
		ctx := context.Background()
		switch o.Op {
		case "open":
			if o.Limit > 0 {
				err = limitFileSize(o.Limit)
			}
			if err == nil {
				s, err = localdir.OpenHooked(o.Dir, o.Mode, func(at localdir.Step) { dieAt(o.DieAt, at) })
			}
		case "grant":
			if e, _, err = s.Grant(ctx, leasehold.Entry{Path: o.Path}, o.decide); err == nil {
				held = e
			}
		case "grants": // until killed
			for {
				e, _, err := s.Grant(ctx, leasehold.Entry{Path: o.Path}, o.decide)
				if err != nil {
					_ = out.Encode(answer{Err: err.Error()})
					os.Exit(1)
				}
				_ = out.Encode(answer{Token: e.Token})
			}
		case "hold the lock": // until killed
			_, _, err = s.Grant(ctx, leasehold.Entry{Path: o.Path}, func(old leasehold.Entry) (leasehold.Proposal, error) {
				// The first call is without the lock.
				if o.Others = !o.Others; !o.Others {
					_ = out.Encode(answer{})
					waitToBeKilled()
				}
				return leasehold.Proposal{}, nil
			})
		case "renew":
			e, err = s.Renew(ctx, held, []byte(o.Data))
		case "release":
			err = s.Release(ctx, held, []byte(o.Data))
		case "read":
			e, err = s.Read(ctx, o.Path)
		default:
			err = fmt.Errorf("no such order: %q", o.Op)
		}
		a := answer{Token: e.Token, Data: string(e.Data)}
		if err != nil {
			a.Err, a.Lost, a.Permission = err.Error(), errors.Is(err, leasehold.ErrLost), errors.Is(err, leasehold.ErrPermission)
		}
		if err := out.Encode(a); err != nil {
			os.Exit(1)
		}
	}
}

func (o order) decide(old leasehold.Entry) (leasehold.Proposal, error) {
	if o.Others && old.Data != nil && string(old.Data) != o.Data {
		return leasehold.Proposal{}, errOthers
	}
	return leasehold.Proposal{Data: []byte(o.Data), Undo: []byte("undone")}, nil
}

func dieAt(where, at localdir.Step) {
	if where == at {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		waitToBeKilled()
	}
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

// kill is kill -9. Answers that the child has written may still be read before.
func (c *child) kill() {
	if c.cmd.ProcessState == nil {
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
	}
}

func (c *child) send(o order) {
	c.t.Helper()
	if err := c.in.Encode(o); err != nil {
		c.t.Fatalf("send %q to another process: %v", o.Op, err)
	}
}

// receive returns false when the child is dead.
func (c *child) receive() (a answer, alive bool) {
	c.t.Helper()
	if !c.out.Scan() {
		return answer{}, false
	}
	if err := json.Unmarshal(c.out.Bytes(), &a); err != nil {
		return answer{}, false // killed while writing
	}
	return a, true
}

// ask sends an order and returns the answer to it.
func (c *child) ask(o order) answer {
	c.t.Helper()
	c.send(o)
	a, alive := c.receive()
	if !alive {
		c.t.Fatalf("%q: another process is dead, want its answer", o.Op)
	}
	return a
}

// must is ask where no error will do.
func (c *child) must(o order) answer {
	c.t.Helper()
	a := c.ask(o)
	if a.Err != "" {
		c.t.Fatalf("%q at %q by another process: got error %s, want none", o.Op, o.Path, a.Err)
	}
	return a
}
