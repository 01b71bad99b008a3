// Package cleanfolder runs the test that a README shows as its reader would: in a
// folder with nothing else, on a real ensemble. It is for tests.
package cleanfolder

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"leasehold.example/leasehold/internal/zktest"
)

var wholeFile = regexp.MustCompile("(?s)```go\n(package .*?)```")

// TestReadme runs the whole file in the README.md of this folder, which is that of a
// module. Where that module has local ones in place of published ones, it has the same.
func TestReadme(t *testing.T) {
	t.Helper()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	file := wholeFile.FindSubmatch(readme)
	if file == nil {
		t.Fatal("got no whole file of Go in README.md, want one")
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, data := range map[string][]byte{"jobs_test.go": file[1], "go.sum": read(t, "go.sum")} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	store := fmt.Sprintf("zk://%s/readme-%d", zktest.Shared(t).Addr(), time.Now().UnixNano())
	run := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "PWD="+dir, "LEASEHOLD_STORE="+store)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %s: got error %v, want none:\n%s", name, strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	module := strings.TrimSpace(string(output(t, "go", "list", "-m")))
	root := filepath.Dir(strings.TrimSpace(string(output(t, "go", "list", "-m", "-f", "{{.GoMod}}", "leasehold.example/leasehold"))))
	run("go", "mod", "init", "example.com/jobs")
	run("go", "mod", "edit", "-replace", "leasehold.example/leasehold="+root, "-replace", module+"="+here)
	run("go", "get", module+"@v0.0.0")
	run("go", "mod", "tidy")
	t.Log(run("go", "test", "-count=1", "-v", "."))
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func output(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		t.Fatalf("%s %s: %v", name, strings.Join(args, " "), err)
	}
	return out
}
