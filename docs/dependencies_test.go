package docs_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDependenciesPage: dependencies.md gives a reason for each module
// that go.mod requires directly, and for no other.
func TestDependenciesPage(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "mod", "edit", "-json", "../go.mod").Output()
	if err != nil {
		t.Fatal(err)
	}
	var mod struct {
		Require []struct {
			Path     string
			Indirect bool
		}
	}
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, r := range mod.Require {
		if !r.Indirect {
			want = append(want, r.Path)
		}
	}
	page, err := os.ReadFile("dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| .+ \\| .+ \\|$").FindAllSubmatch(page, -1) {
		got = append(got, string(row[1]))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) || len(want) == 0 {
		t.Errorf("got rows for %q in dependencies.md, want one for each of go.mod's %q", got, want)
	}
}

// TestComparedWith: go-zookeeper and go-cron are what tests and benchmarks compare
// with. The library and the command have a client and a parser of their own; and
// Prometheus' library would make every start of the command slower.
func TestComparedWith(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("go", "list", "-deps", ".", "./kazoo", "./leasetest", "./localdir", "./schedule", "./zookeeper", "./cmd/leasehold")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range strings.FieldsSeq(string(out)) {
		if strings.Contains(pkg, "go-zookeeper") || strings.Contains(pkg, "go-cron") || strings.Contains(pkg, "prometheus") {
			t.Errorf("got the dependency %s, want none of it", pkg)
		}
	}
}

// TestLibraryDependencies: who uses the library loads the standard library and
// golang.org/x/sys with it, and Prometheus' only with package leaseholdprom.
func TestLibraryDependencies(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}",
		".", "./kazoo", "./leasetest", "./localdir", "./runlog", "./schedule", "./zookeeper")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	got := slices.Compact(slices.Sorted(strings.FieldsSeq(string(out))))
	if want := []string{"golang.org/x/sys", "leasehold.example/leasehold"}; !slices.Equal(got, want) {
		t.Errorf("got packages of the modules %q, want %q", got, want)
	}
}
