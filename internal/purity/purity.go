// Package purity tests that a package is pure: no input or output, no clock.
package purity

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// pureImports are the packages that a pure one may import: none of them does I/O
// or reads a clock but through the functions in impure.
var pureImports = []string{
	"bytes", "encoding/json", "errors", "fmt", "math", "regexp", "slices", "strconv", "strings", "sync", "time", "unicode/utf8",
}

var impure = map[string][]string{
	"time": {"Now", "Since", "Until", "After", "AfterFunc", "Tick", "NewTicker", "NewTimer", "Sleep", "Local", "LoadLocation", "Parse", "ParseInLocation"},
	"fmt":  {"Print", "Printf", "Println", "Scan", "Scanf", "Scanln"},
	"json": {"NewDecoder", "NewEncoder"},
}

// Check fails t unless the package in the working directory is pure.
func Check(t *testing.T) {
	t.Run("imports", checkImports)
	t.Run("clock", checkClock)
}

func checkImports(t *testing.T) {
	t.Parallel()
	imports := goList(t, "-f", `{{join .Imports "\n"}}`, ".")
	if !slices.Contains(imports, "time") {
		t.Fatalf("got the imports %q, want time among them: they can't be the package's", imports)
	}
	for _, name := range imports {
		if !slices.Contains(pureImports, name) {
			t.Errorf("got an import of %s, want none but %q", name, pureImports)
		}
	}
	self := goList(t, ".")
	if others := goList(t, "-deps", "-f", `{{if not .Standard}}{{.ImportPath}}{{end}}`, "."); !slices.Equal(others, self) {
		t.Errorf("got dependencies %q outside the standard library, want only %q", others, self)
	}
}

func checkClock(t *testing.T) {
	t.Parallel()
	files := goList(t, "-f", `{{join .GoFiles "\n"}}`, ".")
	fset, selectors := token.NewFileSet(), 0
	for _, name := range files {
		file, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range file.Imports {
			if i.Name != nil { // it would hide from the search below
				path, _ := strconv.Unquote(i.Path.Value)
				t.Errorf("%s: got %s imported as %s, want no other name", fset.Position(i.Pos()), path, i.Name.Name)
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			selectors++
			if x, ok := s.X.(*ast.Ident); ok && slices.Contains(impure[x.Name], s.Sel.Name) {
				t.Errorf("%s: got %s.%s, want no clock and no I/O", fset.Position(s.Pos()), x.Name, s.Sel.Name)
			}
			if s.Sel.Name == "Local" { // the zone of this machine
				t.Errorf("%s: got Local, want UTC only", fset.Position(s.Pos()))
			}
			return true
		})
	}
	if selectors < 50 {
		t.Errorf("got %d selectors in %q, want the whole package", selectors, files)
	}
}

func goList(t *testing.T, args ...string) []string {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list"}, args...)...).Output()
	if err != nil {
		t.Fatalf("go list %s: %v", strings.Join(args, " "), err)
	}
	return strings.Fields(string(out))
}
