package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"leasehold.example/leasehold/internal/zktest/child"
)

// TestSecurityDocs runs every command of docs/security.md, in an empty directory
// and one shell, and wants the output that is shown there. It uses another port,
// since that one may be taken.
func TestSecurityDocs(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"openssl", "setpriv", "java"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%v; apt-get install openssl util-linux zookeeper default-jre-headless python3-kazoo python3-pure-sasl", err)
		}
	}
	blocks := codeBlocks(t, "../../docs/security.md")
	results, port := t.TempDir(), freePort(t)
	var script strings.Builder
	// The server ends with the shell, and the shell with this process.
	script.WriteString("set -eu\njava() { exec setpriv --pdeathsig KILL java \"$@\"; }\n")
	for i, b := range blocks {
		if b.kind == "sh" {
			fmt.Fprintf(&script, "exec >%s/%d 2>&1\n%s", results, i, strings.ReplaceAll(b.text, "2281", port))
		}
	}
	cmd := exec.Command("sh", "-c", script.String())
	cmd.Dir = t.TempDir()
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
		said, err := os.ReadFile(filepath.Join(results, strconv.Itoa(i)))
		if err != nil {
			t.Fatalf("%q was not reached: %v", firstLine(b.text), ended)
		}
		want := ""
		if i+1 < len(blocks) && blocks[i+1].kind == "text" {
			want = blocks[i+1].text
			compared++
		}
		got := strings.ReplaceAll(string(said), port, "2281")
		if varying.ReplaceAllString(got, "…") != varying.ReplaceAllString(want, "…") {
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

// freePort finds a port below those that the kernel gives to outgoing
// connections, and package zktest to its servers.
func freePort(t *testing.T) string {
	t.Helper()
	for range 1000 {
		port := strconv.Itoa(10_000 + rand.IntN(10_000))
		if l, err := net.Listen("tcp", ":"+port); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no free port from 10000 to 19999")
	return ""
}
