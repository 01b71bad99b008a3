//go:build packages

// Package packaging_test builds the packages and tries them: make test-packages. It needs
// root, for a Debian system of its own in a folder.
package packaging_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"leasehold.example/leasehold/internal/zktest"
)

func TestMain(m *testing.M) { zktest.Main(m) }

// dist is where scripts/packages puts what it builds.
const dist = "../dist"

// TestPackages builds the packages twice and compares them, and then tries them.
func TestPackages(t *testing.T) {
	sums := run(t, "../scripts/packages")
	if again := run(t, "../scripts/packages"); again != sums {
		t.Errorf("got another time:\n%s, want the same bytes as at first:\n%s", again, sums)
	}
	run(t, "sh", "-c", "cd "+dist+" && sha256sum --check --strict SHA256SUMS")
	t.Run("complaints", testComplaints)
	t.Run("files", testFiles)
	t.Run("sbom", testSBOM)
	t.Run("debian", testDebian)
}

// built returns the one package whose name ends so.
func built(t *testing.T, suffix string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dist, "*"+suffix))
	if err != nil || len(found) != 1 {
		t.Fatalf("got %q in dist (%v), want one *%s", found, err, suffix)
	}
	return found[0]
}

// testComplaints: lintian and rpmlint have nothing to say that lintian-overrides and
// rpmlint.toml have no reason for. In a Go program words lie one behind the other,
// without an end, so that in some builds lintian sees spellings that nobody wrote.
func testComplaints(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64"} {
		out, err := exec.Command("lintian", "--allow-root", "--display-info", "--pedantic", "--fail-on", "none",
			"--suppress-tags", "spelling-error-in-binary", built(t, arch+".deb")).CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("got from lintian for %s: %v\n%s, want nothing", arch, err, out)
		}
	}
	// rpmlint unpacks with cpio, and as root into the root directory, since nfpm's names
	// are absolute.
	bin := t.TempDir()
	if err := os.WriteFile(bin+"/cpio", []byte("#!/bin/sh\nexec /usr/bin/cpio --no-absolute-filenames \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, arch := range []string{"x86_64", "aarch64"} {
		out := run(t, "env", "HOME="+bin, "PATH="+bin+":"+os.Getenv("PATH"), "rpmlint", "-c", "rpmlint.toml", built(t, arch+".rpm"))
		if said := regexp.MustCompile(`(?m)^leasehold.*: [EW]: .*$`).FindAllString(out, -1); said != nil {
			t.Errorf("got from rpmlint: %q, want nothing", said)
		}
	}
}

// testFiles: the three kinds have the same files, but for what only a deb needs.
func testFiles(t *testing.T) {
	for deb, other := range map[string]string{"amd64": "x86_64", "arm64": "aarch64"} {
		want := files(run(t, "dpkg-deb", "-c", built(t, deb+".deb")))
		if !slices.Contains(want, "/usr/bin/leasehold") {
			t.Errorf("got %q in the deb, want /usr/bin/leasehold among them", want)
		}
		if got := files(run(t, "rpm", "-qp", "--queryformat", "[%{FILEMODES:perms} %{FILENAMES}\\n]", built(t, other+".rpm"))); !slices.Equal(got, want) {
			t.Errorf("got\n%q in the rpm, want\n%q as in the deb", got, want)
		}
		if got := files(run(t, "tar", "-tzvf", built(t, other+".apk"))); !slices.Equal(got, want) {
			t.Errorf("got\n%q in the apk, want\n%q as in the deb", got, want)
		}
	}
}

// files returns the files of a listing as of ls -l. zsh looks in other places on Debian.
func files(listing string) (names []string) {
	for _, found := range regexp.MustCompile(`(?m)^-.* \.?/?((?:usr|etc)/\S+)$`).FindAllStringSubmatch(listing, -1) {
		name := "/" + strings.Replace(found[1], "/vendor-completions/", "/site-functions/", 1)
		if !strings.HasPrefix(name, "/usr/share/lintian/") && !strings.HasSuffix(name, "/changelog.Debian.gz") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// testSBOM: what each program was built from is listed.
func testSBOM(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64"} {
		text, err := os.ReadFile(built(t, arch+".cdx.json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{`"bomFormat": "CycloneDX"`, `"value": "` + arch + `"`, `"name": "github.com/spf13/cobra"`, `"name": "std"`, `"alg": "SHA-256"`} {
			if !bytes.Contains(text, []byte(want)) {
				t.Errorf("got %s for %s, want %s in it", text, arch, want)
			}
		}
	}
}

// run returns what a command prints on stdout.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s(scripts/deps test-packages installs what is missing)", name, strings.Join(args, " "), err, out, &errs)
	}
	return string(out)
}

func wantText(t *testing.T, what, got, want string) {
	t.Helper()
	if !regexp.MustCompile(want).MatchString(got) {
		t.Errorf("%s: got %q, want %s", what, got, want)
	}
}
