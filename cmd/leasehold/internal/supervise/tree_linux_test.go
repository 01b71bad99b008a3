package supervise

import (
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestTermOnItsWay: what goes by until the watchdog reads how long the lease
// lasts is no part of that any more.
func TestTermOnItsWay(t *testing.T) {
	t.Parallel()
	old := readTerm(func() time.Duration { return 10 * time.Second })
	old.Read -= 9 * time.Second
	if got := old.countdown()(); got <= 0 || got > time.Second {
		t.Errorf("read 9s after it was 10s: got %v remaining, want 0 to 1s", got)
	}
	old.Read -= 2 * time.Second
	if got := old.countdown()(); got != 0 {
		t.Errorf("read 11s after it was 10s: got %v remaining, want 0", got)
	}
	running := readTerm(func() time.Duration { return time.Hour }).countdown()
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
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	p := identify(cmd.Process.Pid)
	before := p
	before.start += "0"
	before.signal(unix.SIGKILL)
	select {
	case <-ended:
		t.Error("a process was killed in the place of an earlier one with its pid")
	case <-time.After(50 * time.Millisecond):
	}
	p.signal(unix.SIGKILL)
	select {
	case <-ended:
	case <-time.After(patience):
		t.Error("the right process was not killed")
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
	group := newTree(cmd.Process.Pid, func() []int { return nil })
	if lives, _ := group.look(); !lives {
		t.Error("got no life in a group that runs")
	}
	group.leader.start += "0"
	if lives, _ := group.look(); lives {
		t.Error("another process, of the same pid, was taken for the group's")
	}
}
