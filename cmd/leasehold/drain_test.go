package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/internal/zktest/child"
	"leasehold.example/leasehold/leasetest"
)

// A drain that comes after the first look at it, and before the grant, has the grant
// taken back.
func TestDrainedWhileGranted(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(stateVariable, dir)
	c := leasehold.Client{Store: leasetest.NewStore(), Holder: "host-a"}
	ctx, stop, err := untilDrained(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	l, err := c.TryAcquire(ctx, "/x", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if err := (drain{By: "root@host-a", Since: time.Now()}).write(dir); err != nil {
		t.Fatal(err)
	}
	var drained *drainedError
	if err := (&leaseFlags{}).refuseIfDrained(ctx, l); !errors.As(err, &drained) {
		t.Errorf("got %v, want that the host is drained", err)
	}
	if s, err := c.Status(t.Context(), "/x"); err != nil || s.State != leasehold.Free {
		t.Errorf("got the lease %v, error %v, want it free", s.State, err)
	}
}

// A wait that a drain ends in the midst of a request may have left a lease behind.
func TestDrainHidesNoUnknownOutcome(t *testing.T) {
	t.Parallel()
	ctx, end := context.WithCancelCause(t.Context())
	end(&drainedError{})
	if got := interrupted(ctx); got == nil {
		t.Fatal("got no cause, want the drain")
	}
	f := &leaseFlags{store: storeFlags{program: &program{}}, duration: time.Minute}
	for err, want := range map[error]int{leasehold.ErrOutcomeUnknown: exitUnavailable, leasehold.ErrUnreachable: 33} {
		c := leasehold.Client{Store: failing{leasetest.NewStore(), err}, Holder: "host-a"}
		_, got := f.obtain(ctx, &c, "/x", time.Now())
		if code := explain(got, 33).code; code != want {
			t.Errorf("%v: got %v, exit code %d, want %d", err, got, code, want)
		}
	}
}

// A failing store grants nothing.
type failing struct {
	*leasetest.Store
	err error
}

func (s failing) Grant(context.Context, leasehold.Entry, func(leasehold.Entry) (leasehold.Proposal, error)) (granted, replaced leasehold.Entry, err error) {
	return granted, replaced, s.err
}

// When a drained host hands a lease over, nothing waits for a time to go by: another
// host is granted it less than 200 ms after COMMAND's end, by the server's clock. On
// a busy processor each process may be held up: there that goes for the fastest of
// some, and it may take as long as a whole run of nothing does at that time.
func TestHandOverIsAtOnce(t *testing.T) {
	t.Parallel()
	addr := zktest.Shared(t).Addr()
	conn := zktest.Conn(t, addr)
	const limit, rounds = 200 * time.Millisecond, 4
	for range rounds {
		path := fmt.Sprintf("/hand-over-%08x", rand.Uint32())
		ended, granted := handOver(t, conn, addr, path)
		took := granted.Sub(ended)
		if took < 0 {
			t.Fatalf("got a grant %v before COMMAND's end, want it later", -took)
		}
		cmd := exec.Command("leasehold", "run", "--store", "zk://"+addr, "-d", "1m", path+"-nothing", "--", "true")
		cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=10", holderVariable+"=host-c", stateVariable+"=/nonexistent")
		begun := time.Now()
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		nothing := time.Since(begun)
		t.Logf("granted %v after COMMAND's end; a run of nothing took %v", took, nothing)
		if took < max(limit, nothing) {
			return
		}
	}
	t.Errorf("got %d grants that were later, want one within %v of COMMAND's end", rounds, limit)
}

// handOver hands the lease at path from one host to another. It returns when COMMAND
// ended there, and when it was granted here.
func handOver(t *testing.T, conn *zk.Conn, addr, path string) (ended, granted time.Time) {
	dir := t.TempDir()
	start := func(host string, args ...string) {
		t.Helper()
		cmd := exec.Command("leasehold", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=10", storeVariable+"=zk://"+addr, holderVariable+"="+host, stateVariable+"="+filepath.Join(dir, host))
		stderr, err := os.Create(filepath.Join(dir, host+"-"+args[0]))
		if err != nil {
			t.Fatal(err)
		}
		defer stderr.Close()
		cmd.Stderr = stderr
		p, err := child.Start(cmd)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Kill)
	}
	await := func(file, text string) string {
		t.Helper()
		for begun := time.Now(); ; time.Sleep(time.Millisecond) {
			got, _ := os.ReadFile(filepath.Join(dir, file))
			if strings.Contains(string(got), text) {
				return strings.TrimSpace(string(got))
			}
			if time.Since(begun) > patience {
				said, _ := os.ReadFile(filepath.Join(dir, "host-a-run"))
				t.Fatalf("no %q in %s after %v, got %q; host-a said: %s", text, file, patience, got, said)
			}
		}
	}
	run := []string{"run", "-v", "-d", "1m", "--wait", "forever", "--release", "always", path, "--", "sh", "-c"}
	start("host-a", append(run, `trap 'date +%s%N >ended; exit' TERM; echo >running; while :; do sleep 0.02; done`)...)
	await("running", "\n")
	start("host-b", append(run, `echo >taken; sleep 60`)...)
	await("host-b-run", "lease denied")
	start("host-a", "drain", "--hand-over")
	await("taken", "\n")
	_, stat, err := conn.Get(path + "/lease_holder")
	if err != nil {
		t.Fatal(err)
	}
	nanoseconds, err := strconv.ParseInt(await("ended", "\n"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	// The server has whole milliseconds.
	return time.Unix(0, nanoseconds).Truncate(time.Millisecond), time.UnixMilli(stat.Mtime)
}
