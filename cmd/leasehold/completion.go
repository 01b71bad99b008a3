package main

import (
	"bytes"
	"context"
	"io"
	"path"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"leasehold.example/leasehold"
)

const completionExamples = `  # in ~/.bashrc; needs bash-completion
  source <(leasehold completion bash)

  # in ~/.zshrc, after compinit
  source <(leasehold completion zsh)

  # in ~/.config/fish/config.fish
  leasehold completion fish | source`

func (p *program) completionCommand() *cobra.Command {
	shells := map[string]func(*cobra.Command, io.Writer) error{
		"bash": func(root *cobra.Command, w io.Writer) error { return root.GenBashCompletionV2(w, true) },
		"zsh":  (*cobra.Command).GenZshCompletion,
		"fish": func(root *cobra.Command, w io.Writer) error { return root.GenFishCompletion(w, true) },
	}
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print what makes a shell complete leasehold's command lines",
		Long: `Print a script for SHELL, which is bash, zsh or fish. With it the tab key completes
subcommands, flags, the values of some flags, and the paths of leases, for which it
asks the store for 300 ms at most. The packages install it for all three.`,
		Example:   completionExamples,
		ValidArgs: []string{"bash", "zsh", "fish"},
		Args:      wantPaths(1, 1, "SHELL: bash, zsh or fish"),
		RunE: func(cmd *cobra.Command, args []string) error {
			write := shells[args[0]]
			if write == nil {
				return usage("no completion for %q, want bash, zsh or fish", args[0])
			}
			var script bytes.Buffer
			if err := write(cmd.Root(), &script); err != nil {
				return err
			}
			return finish(cmd.Context(), writeAll(p.stdout, script.Bytes()), exitConflict)
		},
	}
}

// prepareCompletion makes the commands know what goes where in a command line. That is
// only called where a shell asks: no other start has to wait for it.
func (p *program) prepareCompletion(root *cobra.Command) {
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	for _, cmd := range append(root.Commands(), root) {
		cmd.Flags().VisitAll(func(f *pflag.Flag) { completeFlag(cmd, f) })
		cmd.PersistentFlags().VisitAll(func(f *pflag.Flag) { completeFlag(cmd, f) })
		if cmd.Flags().Lookup("store") != nil {
			cmd.ValidArgsFunction = p.completePath
		}
	}
}

func completeFlag(cmd *cobra.Command, f *pflag.Flag) {
	f.Hidden = false // the security flags, which help only names
	var words []string
	files := cobra.ShellCompDirectiveNoFileComp
	value, _ := pflag.UnquoteUsage(f)
	switch v, ok := f.Value.(wordValue); {
	case ok:
		words = v.words()
	case f.Name == "acl":
		words = []string{aclOpen, aclCreator, aclReadWorld}
	case value == "FILE":
		files = cobra.ShellCompDirectiveDefault
	}
	// Subcommands share flags: that it is known already is no error.
	_ = cmd.RegisterFlagCompletionFunc(f.Name, cobra.FixedCompletions(words, files))
}

const maxCompletions = 500 // paths

var completionTime = 300 * time.Millisecond // tests on a busy machine need more

// completePath completes the path of a lease, or what is in COMMAND's place.
func (p *program) completePath(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	switch several := strings.HasSuffix(cmd.Use, "PATH..."); {
	case len(args) > 0 && strings.Contains(cmd.Use, "COMMAND"):
		return nil, cobra.ShellCompDirectiveDefault
	case len(args) > 0 && !several, typed != "" && !path.IsAbs(typed):
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	f := storeFlags{program: p, given: cmd.Flags(), url: cmd.Flag("store").Value.String(), timeout: completionTime, mustExist: true}
	found := make(chan []string, 1)
	go func() { found <- f.pathsThatBegin(cmd.Context(), typed) }()
	select {
	case paths := <-found:
		return paths, cobra.ShellCompDirectiveNoFileComp
	case <-time.After(completionTime): // whatever it is that takes so long
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
}

// pathsThatBegin returns the paths of leases that begin with what was typed: all of them,
// or none. A part of them would make the shell complete to what only that part has in common.
func (f *storeFlags) pathsThatBegin(ctx context.Context, typed string) (paths []string) {
	_ = f.withClient(ctx, func(ctx context.Context, c *leasehold.Client) error {
		all, err := c.Store.List(ctx, path.Dir("/"+typed+"x"))
		if err != nil {
			return err
		}
		for _, p := range all {
			if strings.HasPrefix(p, typed) && isPlainWord(p) {
				paths = append(paths, p)
			}
		}
		return nil
	})
	if len(paths) > maxCompletions {
		return nil
	}
	return paths
}

// isPlainWord reports whether s means itself to every shell. Other people choose the
// paths, and a shell may put what is completed on the command line as it is.
func isPlainWord(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool {
		return !unicode.IsLetter(c) && !unicode.IsDigit(c) && !strings.ContainsRune("/._-+,:@%", c)
	})
}
