package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestGuaranteesPage: the tests and scripts that guarantees.md names are there.
func TestGuaranteesPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("guarantees.md")
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err = filepath.WalkDir("..", func(path string, _ fs.DirEntry, err error) error {
		there[filepath.Base(path)] = true
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, found := range function.FindAllSubmatch(source, -1) {
			there[string(found[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range regexp.MustCompile("`(Test\\w+|[\\w/-]+\\.(?:txtar|pml))`").FindAllSubmatch(page, -1) {
		if name := string(found[1]); !there[filepath.Base(name)] {
			t.Errorf("got no %s in the tree, want what guarantees.md names", name)
		}
	}
}
