package supervise

import (
	"os/exec"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestDeadlineOnItsWay: time that passes until the watchdog reads a deadline is
// taken off what remains.
func TestDeadlineOnItsWay(t *testing.T) {
	t.Parallel()
	old := readDeadline(func() time.Duration { return 10 * time.Second })
	old.Read -= 9 * time.Second
	if got := old.countdown()(); got <= 0 || got > time.Second {
		t.Errorf("read 9s after it was 10s: got %v remaining, want 0 to 1s", got)
	}
	old.Read -= 2 * time.Second
	if got := old.countdown()(); got != 0 {
		t.Errorf("read 11s after it was 10s: got %v remaining, want 0", got)
	}
	running := readDeadline(func() time.Duration { return time.Hour }).countdown()
	before := running()
	time.Sleep(5 * time.Millisecond)
	if passed := before - running(); passed < 5*time.Millisecond {
		t.Errorf("got %v passed in 5ms", passed)
	}
}

// TestSignalIsNotForAnother: a process that has the pid of one that was to be
// killed is left alone.
func TestSignalIsNotForAnother(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("sleep", "30")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := identify(cmd.Process.Pid)
	before := p
	before.start += "0"
	before.signal(unix.SIGKILL)
	p.signal(unix.SIGTERM) // SIGKILL would have come first
	_ = cmd.Wait()
	if got := cmd.ProcessState.Sys().(syscall.WaitStatus).Signal(); got != unix.SIGTERM {
		t.Errorf("ended by %v, want SIGTERM: SIGKILL was for an earlier process with its pid", got)
	}
}

// TestGroupIsNotAnothers: nor is a group whose leader is another process by
// now.
func TestGroupIsNotAnothers(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("sleep", "30")
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	group := newProcessTree(cmd.Process.Pid, func() []int { return nil })
	if lives, _ := group.scan(); !lives {
		t.Error("got no life in a group that runs")
	}
	group.leader.start += "0"
	if lives, _ := group.scan(); lives {
		t.Error("another process, of the same pid, was taken for the group's")
	}
}
