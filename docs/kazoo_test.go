package docs_test

import (
	"os/exec"
	"strings"
	"testing"

	"leasehold.example/leasehold/internal/testpair"
	"leasehold.example/leasehold/internal/zktest"
)

func TestMain(m *testing.M) { zktest.Main(m) }

// TestKazooPage runs kazoo.md on a real server and beside real kazoo.
func TestKazooPage(t *testing.T) {
	t.Parallel()
	python, err := testpair.Python()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath("jq"); err != nil {
		t.Fatalf("%v; apt-get install jq", err)
	}
	server := zktest.Start(t).Addr()
	setup := "export LEASEHOLD_HOLDER=host-c\npython3() { " + python + " \"$@\"; }\n"
	runPage(t, "kazoo.md", setup, 5, func(script string) *exec.Cmd {
		return exec.Command("sh", "-c", strings.ReplaceAll(script, "localhost:2181", server))
	})
}
