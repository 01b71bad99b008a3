package faultlab_test

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"leasehold.example/leasehold/internal/faultlab"
	"leasehold.example/leasehold/internal/zktest/child"
)

// inner, set in the environment, has TestInner do what it says.
const inner = "LEASEHOLD_FAULTLAB_INNER"

// again returns a command that runs TestInner in a new process, as go test
// would: outside of this one's laboratory.
func again(what string, with ...string) *exec.Cmd {
	args := append(with, os.Args[0], "-test.run=^TestInner$", "-test.v")
	cmd := exec.Command(args[0], args[1:]...)
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "LEASEHOLD_FAULTLAB") {
			cmd.Env = append(cmd.Env, e)
		}
	}
	cmd.Env = append(cmd.Env, inner+"="+what)
	return cmd
}

// TestInner is the test that the others here run in further processes.
func TestInner(t *testing.T) {
	switch os.Getenv(inner) {
	case "start":
		faultlab.Start(t, faultlab.Config{Servers: 1})
	case "misconfigured":
		faultlab.Start(t, faultlab.Config{Servers: 1, ServerConfig: "tickTime=soon"})
	case "stay":
		l := faultlab.Start(t, faultlab.Config{Servers: 1, Clients: 1})
		cmd := l.Command(0, "sleep", "300")
		p, err := child.Start(cmd)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("data=" + l.Data(0))
		<-p.Done()
	case "fail":
		os.Exit(7)
	}
}

// checkExitCode looks from outside whether a run that fails says so: a test
// within could not tell, since its own failure would be lost as well.
func checkExitCode() error {
	cmd := again("fail")
	out, err := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != 7 {
		return fmt.Errorf("got exit code %d (%v) through Main, want 7; output:\n%s", got, err, out)
	}
	return nil
}

func TestFaultsOff(t *testing.T) {
	t.Parallel()
	cmd := again("fail")
	cmd.Env = append(cmd.Env, "FAULTS=off")
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "faults off\n" {
		t.Errorf("got %q and error %v, want only the line faults off", out, err)
	}
}

func TestUnusableSaysWhy(t *testing.T) {
	t.Parallel()
	empty := t.TempDir()
	for name, c := range map[string]struct {
		cmd  *exec.Cmd
		want []string
	}{
		"tool missing": {
			again("start", "/usr/bin/env", "PATH="+empty),
			[]string{"apt-get install iproute2 nftables util-linux"},
		},
		"server ends": {again("misconfigured"), []string{"server 0: it has ended", `"soon"`}},
		// The limit holds below the user namespace in which it is set.
		"forbidden": {
			again("start", "unshare", "-r", "sh", "-c", `echo 0 >/proc/sys/user/max_net_namespaces; exec "$0" "$@"`),
			[]string{"unshare -rmn: ", "No space left on device", "hint: sysctl user.max_net_namespaces="},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := c.cmd.CombinedOutput()
			if c.cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), "--- FAIL: TestInner") {
				t.Errorf("got %v, want a failed test; output:\n%s", err, out)
			}
			for _, want := range c.want {
				if !strings.Contains(string(out), want) {
					t.Errorf("got no %q in\n%s", want, out)
				}
			}
		})
	}
}

// TestNothingIsLeftBehind kills a test run in the middle.
func TestNothingIsLeftBehind(t *testing.T) {
	t.Parallel()
	cmd := again("stay")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p, err := child.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	var data string
	for lines := bufio.NewScanner(stdout); data == "" && lines.Scan(); {
		_, data, _ = strings.Cut(lines.Text(), "data=")
	}
	namespace := func() []int { return processes(t, inner+"=stay") }
	if got := namespace(); len(got) < 4 { // unshare, sh, the test, java, sleep
		t.Fatalf("got processes %v of the other run, want the server's and more", got)
	}
	p.Kill()
	for began := time.Now(); len(namespace()) > 0; time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > 10*time.Second {
			t.Fatalf("got processes %v of the other run 10 s after it was killed, want none", namespace())
		}
	}
	// The mounts were its own, and are gone with it.
	if entries, err := os.ReadDir(data); err != nil || len(entries) > 0 {
		t.Errorf("got %v and error %v where its disk was, want an empty directory", entries, err)
	}
	os.RemoveAll(filepath.Dir(filepath.Dir(filepath.Dir(data))))
}

// processes returns those that run with the setting in their environment.
func processes(t *testing.T, setting string) []int {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	var found []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		environ, err := os.ReadFile("/proc/" + e.Name() + "/environ") // of a zombie it is empty
		if err == nil && bytes.Contains(environ, []byte(setting+"\x00")) {
			found = append(found, pid)
		}
	}
	return found
}

// TestCommandRunsInItsNamespace and gets its signals itself.
func TestCommandRunsInItsNamespace(t *testing.T) {
	t.Parallel()
	l := faultlab.Start(t, faultlab.Config{Servers: 1, Clients: 2})
	cmd := l.Command(1, "sh", "-c", "trap 'exit 9' TERM; ip -4 -brief addr show eth0; while :; do sleep 0.01; done")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p, err := child.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if want := strings.Replace(l.Addr(0), ".0.1:2181", ".1.2/16", 1); err != nil || !strings.Contains(line, want) {
		t.Errorf("got %q and error %v, want the address %s", line, err, want)
	}
	if err := syscall.Kill(p.Pid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := p.Err(); !errors.As(err, &exit) || exit.ExitCode() != 9 {
		t.Errorf("got %v, want exit status 9 from its own trap", err)
	}
}

// TestPurgeKeepsWhatIsNeeded has a server come back with what is left.
func TestPurgeKeepsWhatIsNeeded(t *testing.T) {
	t.Parallel()
	l := faultlab.Start(t, faultlab.Config{Servers: 1, ServerConfig: "snapCount=20"})
	conn := l.Conn(t)
	const nodes = 300
	for i := range nodes {
		if _, err := conn.Create(fmt.Sprintf("/n%d", i), nil, 0, zk.WorldACL(zk.PermAll)); err != nil {
			t.Fatal(err)
		}
	}
	l.Kill(0)
	files := func() int {
		entries, err := os.ReadDir(filepath.Join(l.Data(0), "version-2"))
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	before := files()
	l.Purge()
	// Three snapshots, each with its log, and the last log before. How many there
	// were depends on how often the server found the time to write one.
	if after := files(); before <= 8 || after > 8 {
		t.Errorf("got %d files and %d after the purge, want more than 8 and 8 or less", before, after)
	}
	// When the newer snapshots can't be read, the oldest must do, with the logs.
	snapshots, err := filepath.Glob(filepath.Join(l.Data(0), "version-2", "snapshot.*"))
	if err != nil || len(snapshots) != 3 {
		t.Fatalf("got the snapshots %v and error %v, want 3", snapshots, err)
	}
	slices.SortFunc(snapshots, func(a, b string) int { return cmp.Or(len(a)-len(b), strings.Compare(a, b)) })
	for _, newer := range snapshots[1:] {
		if err := os.Remove(newer); err != nil {
			t.Fatal(err)
		}
	}
	l.Restart(0)
	l.AwaitQuorum(t)
	children, _, err := l.Conn(t).Children("/")
	if err != nil || len(children) != nodes+1 {
		t.Errorf("got %d nodes and error %v, want %d and /zookeeper", len(children), err, nodes)
	}
}
