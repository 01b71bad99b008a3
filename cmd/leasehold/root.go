package main

import (
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// A program is one run of leasehold: what it was given, and the flags that all
// subcommands have.
type program struct {
	stdin, stdout, stderr *os.File
	signals               *signals

	quiet, verbose bool
}

const rootHelp = `Leasehold runs a job on exactly one of many hosts, or on at most N, by leases
that are kept on ZooKeeper (and shared with Python's kazoo) or, for one machine,
in a local directory.

Exit codes: that of COMMAND, or 128+signal, once it ran; else
  64  usage                             75  not obtained: another has it (-E)
  65  unreadable or newer record        77  no permission
  69  store unreachable, or unknown     78  configuration
      whether it did what it was asked  79  lease lost, and COMMAND stopped
  70  internal error                    126, 127  COMMAND can't be run, or found`

const rootExamples = `  # on ten hosts at once: one of them runs it, the others exit with 75
  leasehold run --store zk://zk1,zk2,zk3/apps -d 70m /db/hourly_cleanup -- cleanup --all

  # who has it?
  export LEASEHOLD_STORE=zk://zk1,zk2,zk3/apps
  leasehold status /db/hourly_cleanup
  leasehold list /db`

func (p *program) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "leasehold",
		Short:         "Run a job on exactly one of many hosts, or on at most N",
		Long:          rootHelp,
		Example:       rootExamples,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage("unknown command %q; want run, acquire, release, status, list or version", args[0])
			}
			return usage("no command; want run, acquire, release, status, list or version")
		},
		RunE: func(*cobra.Command, []string) error { return nil }, // Args has refused already
	}
	root.PersistentFlags().BoolVarP(&p.quiet, "quiet", "q", false, "no word about a denial; errors still print")
	root.PersistentFlags().BoolVarP(&p.verbose, "verbose", "v", false, "log to stderr what happens")
	root.PersistentFlags().SortFlags = false
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &failure{code: exitUsage, message: err.Error(), hint: cmd.CommandPath() + " --help"}
	})
	cobra.EnableCommandSorting = false
	root.AddCommand(p.runCommand(), p.acquireCommand(), p.releaseCommand(), p.statusCommand(), p.listCommand(), p.versionCommand())
	return root
}

// logger returns where the library logs to, nil without -v.
func (p *program) logger() *slog.Logger {
	if !p.verbose {
		return nil
	}
	return slog.New(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// wantPaths refuses arguments other than least to most of the paths that what
// names; most < 0 means any number.
func wantPaths(least, most int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usage("missing %s", what)
		case most >= 0 && len(args) > most:
			return usage("%d arguments too many: %s", len(args)-most, strings.Join(quoteAll(args[most:]), " "))
		}
		return nil
	}
}

func quoteAll(args []string) []string {
	quoted := slices.Clone(args)
	for i, a := range quoted {
		quoted[i] = fmt.Sprintf("%q", a)
	}
	return quoted
}
