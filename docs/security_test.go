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

// TestSecurityPage runs every command of security.md, in an empty directory and
// one shell, and wants the output that is shown there. It does so in a network of
// its own, so that the port of the page is free.
func TestSecurityPage(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"openssl", "unshare", "ip", "java"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%v; apt-get install openssl util-linux iproute2 zookeeper default-jre-headless python3-kazoo python3-pure-sasl", err)
		}
	}
	bin := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", bin, "../cmd/leasehold").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	blocks := codeBlocks(t, "security.md")
	results := t.TempDir()
	var script strings.Builder
	// The server ends with the shell, and the shell with this process.
	script.WriteString("set -eu\nip link set lo up\njava() { exec setpriv --pdeathsig KILL java \"$@\"; }\n")
	for i, b := range blocks {
		if b.kind == "sh" {
			fmt.Fprintf(&script, "exec >%s/%d 2>&1\n%s", results, i, b.text)
		}
	}
	cmd := exec.Command("unshare", "--map-root-user", "--net", "sh", "-c", script.String())
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	p, err := child.Start(cmd)
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
	if ended != nil || compared < 4 {
		log, _ := os.ReadFile(filepath.Join(cmd.Dir, "zookeeper.log"))
		t.Errorf("got %v after %d outputs, want success and at least 4; the server's log:\n%s", ended, compared, log)
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
