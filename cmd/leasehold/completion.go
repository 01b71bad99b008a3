package main

import (
	"bytes"
	"io"

	"github.com/spf13/cobra"
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
