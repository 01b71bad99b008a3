package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// printUsage is what cobra prints by itself, but for the line "leasehold
// [flags]", which does nothing, and with a word about the security flags, which
// are hidden. It is no template: where one is set the linker has to keep every
// method of every type, and the program then takes a tenth longer to start: see the
// row "process, denied" in docs/performance.md.
func printUsage(c *cobra.Command) error {
	_, err := io.WriteString(c.OutOrStderr(), usageText(c))
	return err
}

func usageText(c *cobra.Command) string {
	var b strings.Builder
	b.WriteString("Usage:")
	if c.Runnable() && c.HasParent() {
		fmt.Fprintf(&b, "\n  %s", c.UseLine())
	}
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\n  %s [command]", c.CommandPath())
	}
	section := func(title, text string) {
		if text != "" {
			fmt.Fprintf(&b, "\n\n%s:\n%s", title, strings.TrimRight(text, " \n"))
		}
	}
	section("Examples", c.Example)
	commands, topics := "", ""
	for _, below := range c.Commands() {
		switch {
		case below.IsAvailableCommand() || below.Name() == "help":
			commands += fmt.Sprintf("  %-*s %s\n", below.NamePadding(), below.Name(), below.Short)
		case below.IsAdditionalHelpTopicCommand():
			topics += fmt.Sprintf("  %-*s %s\n", below.CommandPathPadding(), below.CommandPath(), below.Short)
		}
	}
	section("Available Commands", commands)
	section("Flags", c.LocalFlags().FlagUsages())
	if c.LocalFlags().Lookup("tls") != nil {
		section("Security flags (leasehold help security)", securityFlagNames)
	}
	section("Global Flags", c.InheritedFlags().FlagUsages())
	section("Additional help topics", topics)
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\n\nUse \"%s [command] --help\" for more information about a command.", c.CommandPath())
	}
	b.WriteString("\n")
	return b.String()
}
