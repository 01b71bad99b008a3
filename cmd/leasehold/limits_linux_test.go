package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestLimits runs the command, as it is released, with little memory and few
// processes: Go's own words must not appear.
func TestLimits(t *testing.T) {
	t.Parallel()
	const user = 65511                                // of this test alone
	dir, err := os.MkdirTemp("", "leasehold-limits-") // not t.TempDir, which no other user may look into
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chown(dir, user, user); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "leasehold")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	const memory, processes = "leasehold: the limit on the address space is too low: ulimit -v is ", "leasehold: the limit on the processes and threads of this user is too low: ulimit -u is "
	for _, test := range []struct {
		ulimit string
		code   int
		says   string
	}{
		// With less than 820000 Go sometimes does not start: where in its first 64 MB
		// the heap begins is random since Go 1.26, and so it may need 64 MB more at once.
		{"-v 850000", 70, memory + "850000,"},
		{"-v 880000", 70, memory + "880000,"},
		{"-v 2000000", 0, ""},
		{"-u 6", 70, processes + "6,"},
		{"-u 10", 70, processes + "10,"},
		{"-u 18", 70, processes + "18,"},
		{"-u 60", 0, ""},
	} {
		line := "ulimit " + test.ulimit + " && exec " + program + " run --store dir:$(mktemp -d -p " + dir + ") --holder a -d 30s /x -- true"
		cmd := exec.Command("setpriv", "--reuid", strconv.Itoa(user), "--regid", strconv.Itoa(user), "--clear-groups", "bash", "-c", line)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		code := cmd.ProcessState.ExitCode()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if code != test.code || !strings.HasPrefix(string(out), test.says) || test.says == "" && len(out) > 0 {
			t.Errorf("ulimit %s: got %d and %q, want %d and %q", test.ulimit, code, out, test.code, test.says)
		}
	}
}
