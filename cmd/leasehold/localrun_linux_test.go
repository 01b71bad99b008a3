package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"leasehold.example/leasehold/cmd/leasehold/internal/text"
)

// Any user can make what a run makes to be seen.
func TestHostileRuns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	hostile := "\x1b]0;owned\a\u202e\n<b>"
	file, err := localRun{Path: "/" + hostile, Holder: strings.Repeat(hostile, 1000), Program: hostile, Release: hostile, Since: time.Unix(1, 0), StateDirs: []string{dir}}.publish()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, content := range []string{"", "[", "{}x", `{"path":1}`, `{"path":"/other-host","state_dirs":["/x"]}`, `{"path":"` + strings.Repeat("x", 2<<20) + `"}`} {
		fd, err := unix.MemfdCreate(runFile, unix.MFD_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		other := os.NewFile(uintptr(fd), runFile)
		defer other.Close()
		if _, err := other.WriteString(content); err != nil {
			t.Fatal(err)
		}
	}
	show := func(args ...string) string {
		cmd := exec.Command("leasehold", append([]string{"drain", "--show"}, args...)...)
		cmd.Env = append(os.Environ(), stateVariable+"="+dir)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		if text.Printable(strings.ReplaceAll(string(out), "\n", "")) != strings.ReplaceAll(string(out), "\n", "") {
			t.Errorf("got %q, want what can be shown", out)
		}
		return string(out)
	}
	lines := strings.Split(strings.TrimSpace(show()), "\n")
	if len(lines) != 3 || !strings.HasPrefix(lines[2], `/\x1b]0;owned\a\u202e\n<b>  \x1b]0;`) || len(lines[2]) > 300 {
		t.Errorf("got %q, want a table of one short row", lines)
	}
	var report drainReport
	if err := json.Unmarshal([]byte(show("--json")), &report); err != nil {
		t.Fatal(err)
	}
	if len(report.Running) != 1 || report.Running[0].Path != "/"+hostile {
		t.Errorf("got %+v, want the one that this process has published", report.Running)
	}
}

// A drain is one file, however its directory is named.
func TestRunsOfOneStateDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	link := dir + "-link"
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(link) })
	file, err := localRun{Path: "/linked", Holder: "host-a", Since: time.Unix(1, 0), StateDirs: []string{link}}.publish()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cmd := exec.Command("leasehold", "drain", "--show")
	cmd.Env = append(os.Environ(), stateVariable+"="+dir)
	if out, err := cmd.Output(); err != nil || !strings.Contains(string(out), "\n/linked ") {
		t.Errorf("got %q, error %v, want the run", out, err)
	}
}
