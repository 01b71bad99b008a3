package docs_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"leasehold.example/leasehold/internal/zktest/child"
)

// runPage runs every command of a page, in an empty directory and one shell, and wants
// the output that is shown there, at least outputs of them. The shell is what cmd makes
// of a script, and has leasehold on its PATH; setup comes before the page's commands.
func runPage(t *testing.T, page, setup string, outputs int, cmd func(script string) *exec.Cmd) {
	t.Helper()
	bin := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", bin, "../cmd/leasehold").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	blocks := codeBlocks(t, page)
	results := t.TempDir()
	var script strings.Builder
	script.WriteString("set -eu\n" + setup)
	for i, b := range blocks {
		if b.kind == "sh" {
			fmt.Fprintf(&script, "exec >%s/%d 2>&1\n%s", results, i, b.text)
		}
	}
	shell := cmd(script.String())
	shell.Dir = t.TempDir()
	shell.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "LEASEHOLD_RUNTIME_DIR="+t.TempDir())
	p, err := child.Start(shell)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	ended := p.Err()
	compared := 0
	for i, b := range blocks {
		if b.kind != "sh" {
			continue
		}
		got, err := os.ReadFile(filepath.Join(results, strconv.Itoa(i)))
		if err != nil {
			t.Fatalf("%q was not reached: %v", firstLine(b.text), ended)
		}
		want := ""
		if i+1 < len(blocks) && blocks[i+1].kind == "text" {
			want = blocks[i+1].text
			compared++
		}
		if varying.ReplaceAllString(string(got), "…") != varying.ReplaceAllString(want, "…") {
			t.Errorf("%q: got:\n%s\nwant, but for times and tokens:\n%s", firstLine(b.text), got, want)
		}
	}
	if ended != nil || compared < outputs {
		log, _ := os.ReadFile(filepath.Join(shell.Dir, "zookeeper.log"))
		t.Errorf("got %v after %d outputs, want success and at least %d; the server's log, if there is one:\n%s", ended, compared, outputs, log)
	}
}

// varying is what is not the same in every run.
var varying = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ|token \d+|another [0-9hms]+`)

type codeBlock struct{ kind, text string }

// codeBlocks returns the fenced blocks of a page.
func codeBlocks(t *testing.T, file string) (blocks []codeBlock) {
	t.Helper()
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i, part := range strings.Split("\n"+string(page), "\n```") {
		if i%2 == 1 {
			kind, text, _ := strings.Cut(part, "\n")
			blocks = append(blocks, codeBlock{kind, text + "\n"})
		}
	}
	return blocks
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
