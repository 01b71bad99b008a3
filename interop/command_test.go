package interop_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"leasehold.example/leasehold/internal/zktest"
)

// yearly is a schedule whose tick does not change while a test runs, and flags
// that let it be caught up on.
var yearly = []string{"--schedule", "0 0 1 1 *", "--timezone", "UTC", "--since", "2000-01-01T00:00:00Z"}

// buildCommand returns a function that makes a leasehold command of a host.
func buildCommand(t *testing.T) func(holder string, args ...string) *exec.Cmd {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "leasehold")
	if out, err := exec.Command("go", "build", "-o", bin, "../cmd/leasehold").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	runtime := t.TempDir()
	return func(holder string, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), bin, args...)
		cmd.Env = append(os.Environ(), "LEASEHOLD_STORE=zk://"+zktest.Shared(t).Addr(), "LEASEHOLD_HOLDER="+holder, "LEASEHOLD_RUNTIME_DIR="+runtime)
		return cmd
	}
}

// wantExit runs cmd, and fails the test unless it ends with that code and its
// output matches.
func wantExit(t *testing.T, cmd *exec.Cmd, code int, output string) {
	t.Helper()
	got, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	if cmd.ProcessState.ExitCode() != code || !regexp.MustCompile(output).Match(got) {
		t.Fatalf("%q: got exit code %d and output\n%s\nwant %d and a match of %s", cmd.Args, cmd.ProcessState.ExitCode(), got, code, output)
	}
}

func TestCommandBesideKazoo(t *testing.T) {
	t.Parallel()
	f, command := newFleet(t), buildCommand(t)
	run := func(args ...string) *exec.Cmd {
		return command("host-a", append(append([]string{"run"}, yearly...), args...)...)
	}
	f.kazooRuns(t, "kazoo-a")
	wantExit(t, run(f.path, "--", "echo", "ran"), 75, `^leasehold: .*: the tick of \d+-01-01T00:00:00Z has had its one attempt, which did not report its end on "kazoo-a"\n$`)
	wantExit(t, run("--attempts", "2", f.path, "--", "sh", "-c", "echo $LEASEHOLD_ATTEMPT"), 0, `^2\n$`)
	wantExit(t, command("host-a", "history", f.path), 0, `(?s)-01-01T00:00:00Z +2 +host-a .* success\n.*-01-01T00:00:00Z +1 +kazoo-a .* unknown\n$`)

	const skew = 6 * time.Second // a tenth of the lease
	until := time.Date(time.Now().UTC().Year()+1, 1, 1, 0, 0, 0, 0, time.UTC).Add(-skew)
	f.wantKazoo(t, false, "kazoo-a", time.Minute, until.Add(-time.Microsecond))
	f.wantKazoo(t, true, "kazoo-a", time.Minute, until)
}

// TestCommandBesideKazooOfItsName: COMMAND may use kazoo itself, by the name that
// it was given, so that it goes on where kazoo takes its lease.
func TestCommandBesideKazooOfItsName(t *testing.T) {
	t.Parallel()
	f, command := newFleet(t), buildCommand(t)
	dir := t.TempDir()
	cmd := command("host-a", append(append([]string{"run", "-d", "3s"}, yearly...), f.path, "--",
		"sh", "-c", "touch began && until test -e over; do sleep 0.1; done")...)
	var output bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	await := func(what string, done func() bool) {
		t.Helper()
		for start := time.Now(); !done(); time.Sleep(10 * time.Millisecond) {
			select {
			case err := <-ended:
				t.Fatalf("got the end of COMMAND, %v, before %s:\n%s", err, what, &output)
			default:
			}
			if time.Since(start) > within {
				t.Fatalf("got no %s in %s", what, within)
			}
		}
	}
	await("start of COMMAND", func() bool {
		_, err := os.Stat(filepath.Join(dir, "began"))
		return err == nil
	})
	f.wantKazoo(t, true, "host-a", 5*time.Second, now())
	taken := f.created(t)
	await("lease of our own again", func() bool { return f.created(t).After(taken) })
	if err := os.WriteFile(filepath.Join(dir, "over"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Fatalf("got %v from COMMAND, want its success:\n%s", err, &output)
	}
	wantExit(t, command("host-a", "history", f.path), 0, `^TICK .*\n.*-01-01T00:00:00Z +1 +host-a .* success\n$`)
}
