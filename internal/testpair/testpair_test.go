package testpair_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"leasehold.example/leasehold/internal/testpair"
)

func TestUnknownPairIsAnError(t *testing.T) {
	t.Setenv("LEASEHOLD_TEST_PAIR", "oldest")
	_, classPathErr := testpair.ClassPath()
	_, pythonErr := testpair.Python()
	for _, err := range []error{classPathErr, pythonErr} {
		if err == nil || !strings.Contains(err.Error(), `"oldest"`) {
			t.Errorf("got error %v, want one that names the pair", err)
		}
	}
}

func TestMissingPairIsAnErrorThatSaysHowToInstallIt(t *testing.T) {
	t.Setenv("LEASEHOLD_TEST_PAIR", testpair.Newest)
	clone := t.TempDir()
	if err := os.CopyFS(clone+"/internal/testpair", os.DirFS(".")); err != nil {
		t.Fatal(err)
	}
	t.Chdir(clone + "/internal")
	_, classPathErr := testpair.ClassPath()
	_, pythonErr := testpair.Python()
	for _, err := range []error{classPathErr, pythonErr} {
		if err == nil || !strings.Contains(err.Error(), "make deps-newest") {
			t.Errorf("got error %v, want one with the command that installs it", err)
		}
	}
}

// zktest's tests ask the server for its version.
func TestKazooIsThePairs(t *testing.T) {
	python, err := testpair.Python()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(python, "-c", "import kazoo.version; print(kazoo.version.__version__)").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	got := strings.TrimSpace(string(out))
	if newest := testpair.Name() == testpair.Newest; newest != (got == "2.11.0") {
		t.Errorf("got kazoo %s with the pair %s", got, testpair.Name())
	}
}
