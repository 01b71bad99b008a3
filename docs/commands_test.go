package docs_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestCommands runs every command line with leasehold in it that is in the README,
// in docs/ and in the examples of --help: of crontabs and units the command alone,
// with a local directory as its store, and programs that do nothing in the place of
// those that the documents name. None may be refused for what it says. security.md
// has a test of its own, with servers.
func TestCommands(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"jq", "timeout"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%v; apt-get install jq coreutils", err)
		}
	}
	bin := t.TempDir()
	program := filepath.Join(bin, "leasehold")
	if out, err := exec.Command("go", "build", "-o", program, "../cmd/leasehold").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	lines := map[string][]string{} // by where they are
	pages, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(pages, "../README.md") {
		if page != "security.md" {
			text, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			lines[page] = commandLines(string(text))
		}
	}
	for _, subcommand := range subcommands(t, program) {
		help, err := exec.Command(program, subcommand, "--help").Output()
		if err != nil {
			t.Fatal(err)
		}
		_, examples, ok := strings.Cut(string(help), "\nExamples:\n")
		if examples, _, _ = strings.Cut(examples, "\nFlags:\n"); !ok {
			t.Errorf("leasehold %s --help has no examples", subcommand)
		}
		lines[subcommand+" --help"] = commandLines(examples)
	}
	if len(lines["../README.md"]) == 0 || len(lines["recipes.md"]) == 0 || len(lines["run --help"]) == 0 {
		t.Fatalf("got commands of %d documents, want those of the README, recipes.md and run --help", len(lines))
	}
	for where, all := range lines {
		for _, line := range all {
			t.Run(where, func(t *testing.T) {
				t.Parallel()
				runLine(t, program, line)
			})
		}
	}
}

// subcommands returns those that have examples.
func subcommands(t *testing.T, program string) (names []string) {
	t.Helper()
	help, err := exec.Command(program, "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(help), "Commands:\n")
	for line := range strings.Lines(list) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			break
		}
		if !slices.Contains([]string{"version", "help", "completion"}, fields[0]) {
			names = append(names, fields[0])
		}
	}
	if len(names) < 5 {
		t.Fatalf("got the subcommands %v from --help, want all", names)
	}
	return names
}

var (
	// invocation is a command line in a block: perhaps after a prompt, the fields
	// of a crontab, a unit's key, or an assignment.
	invocation = regexp.MustCompile(`^(?:    |  |\$ |)(?:\$ )?((?:(?:[-*/0-9,]+ +){5}(?:app +)?|ExecStart=|ExecCondition=|\w+=\$\(|\w+=\S+ )?(?:[\w./]*/)?leasehold .*)$`)
	before     = regexp.MustCompile(`^(?:(?:[-*/0-9,]+ +){5}(?:app +)?|ExecStart=|ExecCondition=)`)
	folder     = regexp.MustCompile(`(^|[ (])(?:/usr/local/bin|/usr/bin|/opt|bin|\.)/(\w)`)
	ensemble   = regexp.MustCompile(`(?:zks?://|dir:/)[^ ']*`)
)

// commandLines returns the commands of the indented and fenced blocks of a text,
// without what stands before and after them there.
func commandLines(text string) (found []string) {
	fenced := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
		}
		if !fenced && !strings.HasPrefix(line, "  ") {
			continue
		}
		m := invocation.FindStringSubmatch(line)
		if m == nil || strings.HasPrefix(m[1], "leasehold: ") {
			continue
		}
		command, isCron := m[1], before.MatchString(m[1])
		command = before.ReplaceAllString(command, "")
		if isCron { // crontabs and units need % and $ escaped
			command = strings.ReplaceAll(command, `\%`, `%`)
		}
		found = append(found, folder.ReplaceAllString(command, "$1$2"))
	}
	return found
}

func runLine(t *testing.T, program, line string) {
	dir := t.TempDir()
	store := filepath.Join(dir, "leases")
	if err := os.Mkdir(store, 0o700); err != nil {
		t.Fatal(err)
	}
	results := filepath.Join(dir, "results")
	// A server has a port of its own, and is told to end after a moment.
	write(t, filepath.Join(dir, "leasehold"), `#!/bin/sh
case $1 in serve) set -- "$@" --listen 127.0.0.1:0; limit="timeout --preserve-status -s TERM 2" ;; esac
$limit `+program+` "$@"
code=$?
echo $code >>`+results+`
exit $code
`)
	for _, name := range programs(line) {
		write(t, filepath.Join(dir, name), "#!/bin/sh\n")
	}
	cmd := exec.Command("timeout", "60", "sh", "-c", ensemble.ReplaceAllString(line, "dir:"+store))
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "LEASEHOLD_STORE=dir:"+store, "LEASEHOLD_HOLDER=host-a", "LEASEHOLD_STATE_DIR="+dir, "HOME="+dir)
	out, err := cmd.CombinedOutput()
	file, openErr := os.Open(results)
	if openErr != nil {
		t.Fatalf("got %v, and leasehold was not run, by %q: %s", err, line, out)
	}
	defer file.Close()
	for codes := bufio.NewScanner(file); codes.Scan(); {
		if refused := []string{"64", "70", "78", "126", "127"}; slices.Contains(refused, codes.Text()) {
			t.Errorf("got exit code %s from %q, want none of %s: %s", codes.Text(), line, refused, out)
		}
	}
}

// programs returns what the command line runs that is not on this machine.
func programs(line string) (names []string) {
	_, command, ok := strings.Cut(line, " -- ")
	if !ok {
		return nil
	}
	for _, word := range strings.Fields(command) {
		if _, err := exec.LookPath(word); err != nil && word != "leasehold" && regexp.MustCompile(`^[a-z][-\w]*$`).MatchString(word) {
			names = append(names, word)
		}
	}
	return names
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
}
