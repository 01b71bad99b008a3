package child_test

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"leasehold.example/leasehold/internal/zktest/child"
)

func TestKillEndsAPausedProcess(t *testing.T) {
	t.Parallel()
	p, err := child.Start(exec.Command("sleep", "300"))
	if err != nil {
		t.Fatal(err)
	}
	p.Pause()
	p.Kill()
	if err := p.Err(); err == nil || err.Error() != "signal: killed" {
		t.Errorf("got error %v, want signal: killed", err)
	}
	p.Kill() // again does no harm
}

func TestPausedProcessStandsStill(t *testing.T) {
	t.Parallel()
	read, write := io.Pipe()
	cmd := exec.Command("cat")
	cmd.Stdout = write
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p, err := child.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	echoed := make(chan struct{})
	go func() {
		defer close(echoed)
		bufio.NewReader(read).ReadString('\n')
	}()

	p.Pause()
	if _, err := stdin.Write([]byte("hello\n")); err != nil {
		t.Fatal(err)
	}
	select {
	case <-echoed:
		t.Fatal("got an answer from a paused process")
	case <-time.After(50 * time.Millisecond):
	}
	p.Resume()
	<-echoed
}

// middle, set in the environment, makes this test binary the parent that gets
// killed.
const middle = "LEASEHOLD_TEST_CHILD_MIDDLE"

func TestMain(m *testing.M) {
	if os.Getenv(middle) == "" {
		m.Run()
		return
	}
	p, err := child.Start(exec.Command("sleep", "300"))
	if err != nil {
		panic(err)
	}
	os.Stdout.WriteString(strconv.Itoa(p.Pid()) + "\n")
	<-p.Done()
}

func TestChildDiesWithAKilledParent(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), middle+"=1")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	stat := "/proc/" + strings.TrimSpace(line) + "/stat"
	if _, err := os.Stat(stat); err != nil {
		t.Fatalf("the grandchild never ran: %v", err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		// A zombie that nobody reaps, in a container without init, is dead too.
		text, err := os.ReadFile(stat)
		if err != nil || strings.Contains(string(text), ") Z ") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %s 10 s after its parent was killed, want it gone", text)
		}
	}
}
