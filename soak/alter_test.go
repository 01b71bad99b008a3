package soak_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// An edit alters one function in a copy of the module. It names the function
// and a text in it, so that it still applies when the function moves to another
// file of its package, or when what is around the text changes.
type edit struct {
	dir      string // of the package, from the root of the module
	function string // name, or Type.name of a method; "" adds new as a file to the package
	old, new string // old occurs once in the function's body; "" is the beginning of the body
}

// alter applies the edits, each to the result of those before it, to the module
// at root. It returns the new contents of the files that are altered or added.
// The error names every edit that does not apply.
func alter(root string, edits []edit) (map[string]string, error) {
	altered := map[string]string{}
	var errs []error
	for _, e := range edits {
		if err := e.apply(root, altered); err != nil {
			errs = append(errs, fmt.Errorf("%s, %s: %w", e.dir, e.function, err))
		}
	}
	return altered, errors.Join(errs...)
}

func (e edit) apply(root string, altered map[string]string) error {
	if e.function == "" {
		altered[filepath.Join(root, e.dir, "soak_added.go")] = e.new
		return nil
	}
	names, err := filepath.Glob(filepath.Join(root, e.dir, "*.go"))
	if err != nil {
		return err
	}
	var found []string
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, ok := altered[name]
		if !ok {
			raw, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			text = string(raw)
		}
		text, ok, err := e.replace(text)
		if err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(name), err)
		}
		if ok {
			found = append(found, name)
			altered[name] = text
		}
	}
	if len(found) != 1 {
		return fmt.Errorf("got the function in the files %v, want one file", found)
	}
	return nil
}

// replace returns the text of a file with the edit applied, and whether the
// function is in that file.
func (e edit) replace(text string) (string, bool, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "", text, parser.SkipObjectResolution)
	if err != nil {
		return "", false, err
	}
	offset := func(p token.Pos) int { return files.Position(p).Offset }
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || functionName(f) != e.function {
			continue
		}
		from, to := offset(f.Body.Lbrace)+1, offset(f.Body.Rbrace)
		body := text[from:to]
		if e.old == "" {
			body = "\n" + e.new + body
		} else if n := strings.Count(body, e.old); n != 1 {
			return "", false, fmt.Errorf("got %d times %q in the function, want it once", n, e.old)
		} else {
			body = strings.Replace(body, e.old, e.new, 1)
		}
		text = text[:from] + body + text[to:]
		const path = `"leasehold.example/leasehold/soak/points"`
		if strings.Contains(e.new, "points.") && !strings.Contains(text, path) {
			name := offset(file.Name.End())
			text = text[:name] + "; import " + path + text[name:]
		}
		return text, true, nil
	}
	return "", false, nil
}

func functionName(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	receiver := f.Recv.List[0].Type
	if pointer, ok := receiver.(*ast.StarExpr); ok {
		receiver = pointer.X
	}
	if name, ok := receiver.(*ast.Ident); ok {
		return name.Name + "." + f.Name.Name
	}
	return ""
}

// goBuild builds a program of the module, in the folder program, with the edits applied.
func goBuild(t *testing.T, program string, edits []edit) string {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	altered, err := alter(root, edits)
	if err != nil {
		t.Fatalf("edits that do not fit the code (doc.go says what to do):\n%v", err)
	}
	dir := t.TempDir()
	replace := map[string]string{}
	for name, text := range altered {
		replace[name] = filepath.Join(dir, fmt.Sprintf("%d.go", len(replace)))
		if err := os.WriteFile(replace[name], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, filepath.Base(program))
	cmd := exec.Command("go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", binary, "./"+program)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", program, err, out)
	}
	return binary
}

// An edit that does not apply exactly once must not pass unnoticed: the code
// would be tested as it is.
func TestAlter(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	const code = "package p\n\nfunc (t *T) f() {\n\ta()\n\tb()\n\tb()\n}\n\nfunc f() {\n\tc()\n}\n"
	if err := os.WriteFile(filepath.Join(root, "p.go"), []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := alter(root, []edit{
		{".", "T.f", "a()", "z()"},
		{".", "f", "", "points.Stop(\"x\")"},
		{".", "T.f", "z()", "y()"},
	})
	want := "package p; import \"leasehold.example/leasehold/soak/points\"\n\nfunc (t *T) f() {\n\ty()\n\tb()\n\tb()\n}\n\nfunc f() {\npoints.Stop(\"x\")\n\tc()\n}\n"
	if text := got[filepath.Join(root, "p.go")]; err != nil || text != want {
		t.Errorf("got %q and error %v, want %q", text, err, want)
	}
	_, err = alter(root, []edit{
		{".", "T.f", "b()", "z()"},
		{".", "T.f", "c()", "z()"},
		{".", "g", "c()", "z()"},
	})
	for _, want := range []string{`2 times "b()"`, `0 times "c()"`, "files [], want one"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q in it", err, want)
		}
	}
}
