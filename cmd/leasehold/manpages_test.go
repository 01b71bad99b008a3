package main

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"leasehold.example/leasehold/cmd/leasehold/internal/jobs"
)

var manPagesDir = flag.String("manpages", "", "write the man pages into this folder (scripts/packages)")

// manPageDate is the day that the pages show: that of what is packaged.
func manPageDate(t *testing.T) time.Time {
	epoch, ok := os.LookupEnv("SOURCE_DATE_EPOCH")
	if !ok {
		return time.Now()
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		t.Fatalf("SOURCE_DATE_EPOCH: %v", err)
	}
	return time.Unix(seconds, 0)
}

// TestManPages: the pages, as mandoc shows them, have the flags, exit codes and variables
// of the program, and no others.
func TestManPages(t *testing.T) {
	t.Parallel()
	dir := *manPagesDir
	if dir == "" {
		dir = t.TempDir()
	}
	if err := writeManPages(dir, manPageDate(t)); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "man?", "*"))
	if err != nil {
		t.Fatal(err)
	}
	// mandoc looks for the pages that these refer to among those that are installed.
	notInstalled := regexp.MustCompile(`(?m)^mandoc: (outdated mandoc.db lacks|.* referenced manual not found: Xr) leasehold.*\n`)
	lint, _ := exec.Command("mandoc", append([]string{"-Tlint"}, files...)...).CombinedOutput()
	if complaints := notInstalled.ReplaceAllString(string(lint), ""); complaints != "" {
		t.Errorf("got from mandoc -Tlint:\n%s, want nothing", complaints)
	}
	shown := map[string]string{} // what a reader sees, by the page's name
	for _, file := range files {
		shown[filepath.Base(file)] = unformatted(output(t, "mandoc", "-Tascii", "-Owidth=200", file))
	}
	checkPages(t, shown)

	exits, variables := map[string]bool{}, map[string]bool{}
	for _, page := range shown {
		for _, row := range tags(page, "EXIT STATUS", `\d+(?:, \d+)*`) {
			for code := range strings.SplitSeq(row, ", ") {
				exits[code] = true
			}
		}
		for _, row := range tags(page, "ENVIRONMENT", `[A-Z]+_[A-Z_]+`) {
			variables[row] = true
		}
	}
	compareSets(t, "exit codes in the pages", exits, exitCodesOfSources(t))
	compareSets(t, "variables in the pages", variables, variablesOfSources(t))
}

// checkPages: there is a page for each command and topic of help, and each has the
// flags that its help has.
func checkPages(t *testing.T, shown map[string]string) {
	_, help, _ := strings.Cut(output(t, "leasehold", "--help"), "\nAvailable Commands:\n")
	want := map[string]bool{"leasehold.1": true}
	for _, found := range regexp.MustCompile(`(?m)^  (?:leasehold )?(\w+) +[A-Z]`).FindAllStringSubmatch(help, -1) {
		switch name := found[1]; {
		case strings.HasPrefix(found[0], "  leasehold "):
			want["leasehold-"+name+".7"] = true
		case name != "help":
			want["leasehold-"+name+".1"] = true
		}
	}
	got := map[string]bool{}
	for name, page := range shown {
		got[name] = true
		command, section, _ := strings.Cut(name, ".")
		if section == "7" {
			continue
		}
		args := append(strings.Split(command, "-")[1:], "--help")
		compareSets(t, "flags in "+name, set(tags(page, "OPTIONS", `(?:-\w, )?--[\w-]+`)), flagsOfHelp(output(t, "leasehold", args...)))
	}
	compareSets(t, "pages", got, want)
}

// flagsOfHelp returns what is listed as a flag, and what is only named as one.
func flagsOfHelp(help string) map[string]bool {
	flags := map[string]bool{}
	for _, found := range regexp.MustCompile(`(?m)^ +((?:-\w, )?--[\w-]+)`).FindAllStringSubmatch(help, -1) {
		flags[found[1]] = true
	}
	_, named, _ := strings.Cut(help, "\nSecurity flags")
	named, _, _ = strings.Cut(named, "\n\n")
	for _, name := range regexp.MustCompile(`--[\w-]+`).FindAllString(named, -1) {
		flags[name] = true
	}
	return flags
}

// tags returns the terms of the lists in a section of a page.
func tags(page, section, term string) []string {
	_, rest, _ := strings.Cut(page, "\n"+section+"\n")
	text := regexp.MustCompile(`(?m)^[A-Z]`).Split(rest, 2)[0]
	var found []string
	for _, match := range regexp.MustCompile(`(?m)^     (`+term+`)(?: .*)?$`).FindAllStringSubmatch(text, -1) {
		found = append(found, strings.TrimSpace(match[1]))
	}
	return found
}

// exitCodesOfSources returns the values of the constants that are called exit…, and of
// what check may find.
func exitCodesOfSources(t *testing.T) map[string]bool {
	codes := map[string]bool{}
	for level := jobs.OK; level <= jobs.NotKnown; level++ {
		codes[strconv.Itoa(int(level))] = true
	}
	forSources(t, func(file *ast.File) {
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if ok && strings.HasPrefix(spec.Names[0].Name, "exit") && spec.Names[0].Name != "exitSignal" && len(spec.Values) == 1 {
				if value, ok := spec.Values[0].(*ast.BasicLit); ok {
					codes[value.Value] = true
				}
			}
			return true
		})
	})
	return codes
}

// variablesOfSources returns what begins with LEASEHOLD_ in the program, and the names that
// securityFlags.setting makes of flags.
func variablesOfSources(t *testing.T) map[string]bool {
	names := map[string]bool{}
	word := regexp.MustCompile(`LEASEHOLD_[A-Z_]*[A-Z]`)
	forSources(t, func(file *ast.File) {
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec: // the list that is to be compared
				return n.Names[0].Name != "environmentHelp"
			case *ast.BasicLit:
				for _, name := range word.FindAllString(n.Value, -1) {
					names[name] = true
				}
			case *ast.CallExpr:
				if f, ok := n.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "setting" {
					flag, _ := strconv.Unquote(n.Args[0].(*ast.BasicLit).Value)
					names["LEASEHOLD_"+strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))] = true
				}
			}
			return true
		})
	})
	return names
}

func forSources(t *testing.T, look func(*ast.File)) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		look(file)
	}
}

func set(of []string) map[string]bool {
	all := map[string]bool{}
	for _, s := range of {
		all[s] = true
	}
	return all
}

func compareSets(t *testing.T, what string, got, want map[string]bool) {
	t.Helper()
	if len(want) == 0 {
		t.Errorf("%s: got nothing to compare with, want some", what)
	}
	for s := range want {
		if !got[s] {
			t.Errorf("%s: got no %s, want one as in the program", what, s)
		}
	}
	for s := range got {
		if !want[s] {
			t.Errorf("%s: got %s, want none: the program has no such", what, s)
		}
	}
}

// output returns what a command says, on stdout and stderr.
func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v: %s (scripts/deps debian installs what is missing)", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// unformatted removes what makes text bold or underlined on a printer.
func unformatted(s string) string { return regexp.MustCompile(`.\x08`).ReplaceAllString(s, "") }
