package supervise

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"leasehold.example/leasehold/internal/clock"
)

// TestMain makes the test binary a watchdog where it is called by that name.
func TestMain(m *testing.M) {
	if os.Args[0] == WatchdogName {
		os.Exit(Watch(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// patience is how long anything may take that is waited for.
const patience = 30 * time.Second

// TestKnowsNoLeases: the package is for any command with a deadline.
func TestKnowsNoLeases(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Fields(string(out))
	got = slices.DeleteFunc(got, func(p string) bool { return !strings.Contains(strings.SplitN(p, "/", 2)[0], ".") })
	want := []string{"golang.org/x/sys/unix", "leasehold.example/leasehold/cmd/leasehold/internal/supervise", "leasehold.example/leasehold/internal/clock"}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got the dependencies %q beside the standard library, want %q", got, want)
	}
}

// TestStoppedAtTheDeadline: a command that was stopped at the deadline is not
// continued, not even for the moment until it is killed.
func TestStoppedAtTheDeadline(t *testing.T) {
	t.Parallel()
	c := startTestChild(t, "sleep", "60")
	c.terminal = &terminal{} // not that of whoever runs the tests
	c.tree.signalGroup(unix.SIGSTOP)
	select {
	case sig := <-c.stopped:
		if sig != unix.SIGSTOP {
			t.Fatalf("stopped by %v, want SIGSTOP", sig)
		}
	case <-time.After(patience):
		t.Fatal("no report that the command was stopped")
	}
	c.command.Remaining = func() time.Duration { return 0 }
	c.resume()
	if got := state(t, c); got != "T" {
		t.Errorf("at the deadline: got the state %s, want T", got)
	}
	c.command.Remaining = func() time.Duration { return time.Second }
	c.resume()
	for start := time.Now(); state(t, c) == "T"; time.Sleep(time.Millisecond) {
		if time.Since(start) > patience {
			t.Fatal("not continued before the deadline")
		}
	}
	if gone := c.tree.stop(time.Minute, func() time.Duration { return 0 }); !gone {
		t.Error("not gone after stop")
	}
	<-c.ended
	if got := c.ExitCode(); got != 137 {
		t.Errorf("got exit code %d with no time left, want that of SIGKILL, 137", got)
	}
}

// testCommand has no stdin. One with a number above those of the watchdog's
// pipes could take their place in the watchdog: os.StartProcess may use any
// number above those of its Files.
func testCommand(t *testing.T, args ...string) Command {
	t.Helper()
	path, err := exec.LookPath(args[0])
	if err != nil {
		t.Fatal(err)
	}
	return Command{
		Path:      path,
		Args:      args,
		Env:       os.Environ(),
		Stdout:    os.Stdout,
		Stderr:    os.Stderr,
		Remaining: func() time.Duration { return time.Minute },
		KillAfter: time.Second,
		Warn:      func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) },
	}
}

func startTestChild(t *testing.T, args ...string) *Child {
	t.Helper()
	c, err := Start(testCommand(t, args...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.tree.signalGroup(unix.SIGKILL)
		<-c.ended
		c.stopDeadlines()
		c.watchdogs.dismiss(true)
	})
	return c
}

// TestTooLateToBegin: the command is not started, not even for a moment, when
// the deadline has come by then.
func TestTooLateToBegin(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "ran")
	command := testCommand(t, "touch", file)
	command.KillAfter = 0
	command.Remaining = func() time.Duration { return KillMargin / 2 }
	if _, err := Start(command); !errors.Is(err, ErrLate) {
		t.Errorf("got error %v, want ErrLate", err)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("the command ran")
	}
}

// TestNoDeadlineAfterTheEnd: the watchdog gets no new deadline when no time
// remains. It would conclude that the supervisor was held up.
func TestNoDeadlineAfterTheEnd(t *testing.T) {
	t.Parallel()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	calls := make(chan struct{})
	ws := &watchdogs{
		all: []*watchdogProcess{{instructions: write, sent: deadline{Remaining: time.Minute, Read: clock.Shared()}}},
		command: Command{Remaining: func() time.Duration {
			calls <- struct{}{}
			return 0
		}},
	}
	stop := ws.sendDeadlines(pollInterval)
	<-calls
	<-calls // what came of the first call is settled
	go func() {
		for range calls {
		}
	}()
	stop()
	close(calls)
	write.Close()
	if got, err := io.ReadAll(read); err != nil || len(got) > 0 {
		t.Errorf("got the instruction %s (%v), want none", got, err)
	}
}

// TestLateTwice: a second watchdog may report what the first has reported.
func TestLateTwice(t *testing.T) {
	t.Parallel()
	c := startTestChild(t, "sleep", "60")
	c.handleReport(report{Late: true})
	c.handleReport(report{Late: true})
	if !c.IsLate() {
		t.Error("got IsLate false, want true")
	}
}

func state(t *testing.T, c *Child) string {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return rest[:1]
}
