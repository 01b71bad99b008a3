package supervise

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/clock"
)

// TestStoppedJobAfterTheEnd: what was stopped when the lease ran out must not
// be continued, not even for the moment until it is killed.
func TestStoppedJobAfterTheEnd(t *testing.T) {
	t.Parallel()
	j := startTestJob(t, "sleep", "60")
	j.terminal = &terminal{} // not that of whoever runs the tests
	j.signal(unix.SIGSTOP)
	select {
	case sig := <-j.stopped:
		if sig != unix.SIGSTOP {
			t.Fatalf("stopped by %v, want SIGSTOP", sig)
		}
	case <-time.After(patience):
		t.Fatal("not told that COMMAND was stopped")
	}
	j.proceed(func() time.Duration { return 0 })
	if got := state(t, j); got != "T" {
		t.Errorf("after the lease's end: got the state %s, want T", got)
	}
	j.proceed(func() time.Duration { return time.Second })
	for start := time.Now(); state(t, j) == "T"; time.Sleep(time.Millisecond) {
		if time.Since(start) > patience {
			t.Fatal("not continued before the lease's end")
		}
	}
	if gone := j.stop(time.Minute, func() time.Duration { return 0 }); !gone {
		t.Error("not gone after stop")
	}
	<-j.ended
	if got := j.exitCode(); got != 137 {
		t.Errorf("got exit code %d with no time left, want that of SIGKILL, 137", got)
	}
}

// testProgram has no stdin. One with a number above those of the watchdog's
// pipes could take their place in the watchdog: os.StartProcess may use any
// number above those of its Files.
var testProgram = &program{stdout: os.Stdout, stderr: os.Stderr}

func startTestJob(t *testing.T, command ...string) *job {
	t.Helper()
	executable, err := resolve(command[0])
	if err != nil {
		t.Fatal(err)
	}
	j, err := startJob(testProgram, starting{
		executable: executable,
		command:    command,
		killAfter:  time.Second,
		remaining:  func() time.Duration { return time.Minute },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		j.signal(unix.SIGKILL)
		<-j.ended
		j.guards.dismiss(true)
	})
	return j
}

// TestTooLateToBegin: COMMAND is not started, not even for a moment, when the
// lease is over by then.
func TestTooLateToBegin(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "ran")
	touch, err := resolve("touch")
	if err != nil {
		t.Fatal(err)
	}
	_, err = startJob(testProgram, starting{
		executable: touch,
		command:    []string{"touch", file},
		remaining:  func() time.Duration { return killMargin / 2 },
	})
	if !errors.Is(err, leasehold.ErrLost) {
		t.Errorf("got error %v, want ErrLost", err)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("COMMAND ran")
	}
}

// TestLostLeaseIsNotTold: the watchdog hears of no end when the lease is lost,
// which it would take for that of a leasehold that was held up.
func TestLostLeaseIsNotTold(t *testing.T) {
	t.Parallel()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	asked := make(chan struct{})
	g := &guards{
		all: []*guard{{orders: write, told: term{Remaining: time.Minute, Read: clock.Shared()}}},
		remaining: func() time.Duration {
			asked <- struct{}{}
			return 0
		},
	}
	stop := g.keepPosted(time.Second)
	<-asked
	<-asked // what came of the first is settled
	go func() {
		for range asked {
		}
	}()
	stop()
	close(asked)
	write.Close()
	if got, err := io.ReadAll(read); err != nil || len(got) > 0 {
		t.Errorf("got the order %s (%v), want none", got, err)
	}
}

// TestLateTwice: a second watchdog may find what the first has found.
func TestLateTwice(t *testing.T) {
	t.Parallel()
	j := startTestJob(t, "sleep", "60")
	j.hear(notice{Late: true})
	j.hear(notice{Late: true})
	if !j.wasLate() {
		t.Error("not told that COMMAND was late")
	}
}

func state(t *testing.T, j *job) string {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", j.pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return rest[:1]
}
