package main

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The man pages are made of the command tree and its help texts. They are no part of the
// program, so what makes them is no part of it either.

// writeManPages writes a page for leasehold, for each subcommand and for each help
// topic into man1 and man7 in dir.
func writeManPages(dir string, date time.Time) error {
	p := &program{}
	root := p.rootCommand()
	pages := []*cobra.Command{root}
	for _, cmd := range root.Commands() {
		if !cmd.Hidden && cmd.Name() != "help" {
			pages = append(pages, cmd)
		}
	}
	for _, cmd := range pages {
		if cmd.IsAdditionalHelpTopicCommand() { // its text may be made when it is asked for
			root.SetOut(io.Discard)
			if err := cmd.Help(); err != nil {
				return err
			}
		}
		page := manPage{cmd: cmd, all: pages}
		page.write(date)
		folder := filepath.Join(dir, "man"+section(cmd))
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, pageName(cmd)+"."+section(cmd)), []byte(page.String()), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func pageName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

func section(cmd *cobra.Command) string {
	if cmd.IsAdditionalHelpTopicCommand() {
		return "7"
	}
	return "1"
}

// A manPage is the page of one command.
type manPage struct {
	mdoc
	cmd *cobra.Command
	all []*cobra.Command // those that have pages
}

func (m *manPage) write(date time.Time) {
	m.macro("Dd", date.UTC().Format("January 2, 2006"))
	m.macro("Dt", strings.ToUpper(pageName(m.cmd)), section(m.cmd))
	m.macro("Os")
	m.macro("Sh", "NAME")
	m.macro("Nm", pageName(m.cmd))
	m.macro("Nd", escapeMdoc(m.cmd.Short))
	if section(m.cmd) == "1" {
		m.synopsis()
	}
	m.macro("Sh", "DESCRIPTION")
	help, exits := cutExits(m.cmd.Long)
	m.prose(help)
	if !m.cmd.HasParent() {
		m.commands()
	}
	if section(m.cmd) == "1" {
		m.options()
		m.environment()
		m.files()
		m.exits(exits)
	}
	if m.cmd.Example != "" {
		m.macro("Sh", "EXAMPLES")
		m.literal(strings.Split(m.cmd.Example, "\n"))
	}
	m.seeAlso()
}

func (m *manPage) synopsis() {
	m.macro("Sh", "SYNOPSIS")
	m.macro("Nm", m.cmd.CommandPath())
	use := m.cmd.Use
	if !m.cmd.HasParent() {
		use = "leasehold [flags] COMMAND"
	}
	for _, word := range strings.Fields(use)[1:] {
		bare := strings.Trim(word, "[]")
		macro := "Ar " + strings.ReplaceAll(bare, "...", " ...")
		if flag, ok := strings.CutPrefix(bare, "--"); ok {
			macro = "Fl Fl " + flag
		}
		if bare != word {
			macro = "Op " + macro
		}
		m.macro(strings.TrimSpace(macro))
	}
}

func (m *manPage) commands() {
	m.macro("Sh", "COMMANDS")
	m.macro("Bl", "-tag", "-width", "Ds")
	for _, cmd := range m.all[1:] {
		m.macro("It", "Xr", pageName(cmd), section(cmd))
		m.filled(cmd.Short + ".")
	}
	m.macro("El")
}

var flagLine = regexp.MustCompile(`(?s)^ +(?:-(\w), )?--(\S+)(?: (\S+))?   +(.*)$`)

// options has every flag, in the words of --help, also those that it only names.
func (m *manPage) options() {
	m.macro("Sh", "OPTIONS")
	m.macro("Bl", "-tag", "-width", "Ds")
	list := func(flags *pflag.FlagSet) {
		flags.VisitAll(func(f *pflag.Flag) {
			shown := *f
			shown.Hidden = false
			alone := pflag.NewFlagSet("", pflag.ContinueOnError)
			alone.AddFlag(&shown)
			found := flagLine.FindStringSubmatch(alone.FlagUsages())
			short, long, value, usage := found[1], found[2], found[3], strings.TrimSpace(found[4])
			item := "Fl Fl " + long
			if value != "" {
				item += " Ar " + value
			}
			if short != "" {
				item = "Fl " + short + " , " + item
			}
			m.macro("It", item)
			m.filled(usage + ".")
		})
	}
	m.cmd.InitDefaultHelpFlag()
	list(m.cmd.LocalFlags())
	list(m.cmd.InheritedFlags())
	m.macro("El")
}

// environment has what the topic of that name says of the variables that this command's
// help names, or that stand for its flags.
func (m *manPage) environment() {
	title, above := "ENVIRONMENT", ""
	for _, b := range blocks(environmentHelp) {
		if !b.indented {
			above = strings.Join(b.lines, " ")
			continue
		}
		rows, _ := parseTagged(b.lines)
		rows = slices.DeleteFunc(rows, func(row tagged) bool { return m.cmd.HasParent() && !m.concerns(row.term) })
		if len(rows) == 0 {
			continue
		}
		if title != "" {
			m.macro("Sh", title)
		} else {
			m.macro("Pp")
		}
		title = ""
		m.filled(above)
		m.list(rows, func(name string) string { return "Ev " + name })
	}
}

func (m *manPage) concerns(variable string) bool {
	flag := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(variable, "LEASEHOLD_"), "_", "-"))
	if m.cmd.Flags().Lookup(flag) != nil {
		return true
	}
	return regexp.MustCompile(variable + `\b`).MatchString(m.cmd.Long)
}

const environmentFile = "/etc/leasehold/environment"

func (m *manPage) files() {
	if m.cmd.HasParent() {
		return
	}
	m.macro("Sh", "FILES")
	m.list([]tagged{{environmentFile, "What the systemd units have in their environment; leasehold itself does not read it."}},
		func(path string) string { return "Pa " + path })
}

// exits has the codes that the help of this command lists, and the common ones, unless
// those are all.
func (m *manPage) exits(own []tagged) {
	runs := strings.Contains(m.cmd.Use, "COMMAND")
	m.macro("Sh", "EXIT STATUS")
	all := slices.ContainsFunc(own, func(row tagged) bool { return row.term == "0" })
	switch {
	case !m.cmd.HasParent():
		m.filled("That of COMMAND, or 128 and the number of its signal, once it ran; else one of those below.")
	case all:
	case runs:
		m.filled("That of COMMAND, or 128 and the number of its signal, once it ran; else one of those below, which are those of all subcommands.")
	default:
		m.filled("Zero if all went well, 128 and the number of a signal that ended it, or one of those below, which are those of all subcommands.")
	}
	if _, common := cutExits(rootHelp); m.cmd.HasParent() && !all {
		for _, row := range common {
			if runs || !strings.Contains(row.meaning, "COMMAND") {
				own = append(own, row)
			}
		}
	}
	m.list(own, escapeMdoc)
}

// cutExits cuts the paragraph about exit codes out of a help text, and reads its table.
func cutExits(help string) (rest string, exits []tagged) {
	before, after, found := strings.Cut(help, "Exit codes:")
	if !found {
		return help, nil
	}
	_, after, _ = strings.Cut(after, "\n")
	table, after, _ := strings.Cut(after, "\n\n")
	exits, ok := parseTagged(strings.Split(table, "\n"))
	if !ok {
		panic("no table of exit codes in " + help)
	}
	return before + after, exits
}

func (m *manPage) seeAlso() {
	m.macro("Sh", "SEE ALSO")
	var others []string
	for _, cmd := range m.all {
		if cmd != m.cmd {
			others = append(others, pageName(cmd)+" "+section(cmd))
		}
	}
	slices.SortFunc(others, func(a, b string) int { // by section, then by name
		return strings.Compare(a[len(a)-1:]+a, b[len(b)-1:]+b)
	})
	for i, other := range others {
		if i < len(others)-1 {
			other += " ,"
		}
		m.macro("Xr", other)
	}
}
