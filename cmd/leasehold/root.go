package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"leasehold.example/leasehold/cmd/leasehold/internal/supervise"
)

// A program is one run of leasehold: what it was given, and the flags that
// subcommands share.
type program struct {
	stdin, stdout, stderr *os.File
	auth                  string             // what LEASEHOLD_AUTH was
	signals               *supervise.Signals // nil until a subcommand catches them

	quiet, verbose bool
	execCondition  bool // any exit code but 0 and that of a denial makes a systemd unit fail
	isCheck        bool // a monitoring system knows no exit codes but those of jobs.Level
	format         logFormat
	progress       progress
	security       securityFlags
}

const rootHelp = `Leasehold runs a job on exactly one of many hosts, or on at most N, by leases
that are kept on ZooKeeper (and shared with Python's kazoo) or, for one machine,
in a local directory.

Exit codes: that of COMMAND, or 128+signal, once it ran; else
  64        usage
  65        unreadable or newer record, or run log
  69        store unreachable or full, or unknown whether it did what it was asked
  70        internal error, or a ulimit is too low
  71        a clock is off: this host's, or the servers'
  73        an earlier run still runs on this host
  75        not obtained: another has it, the tick needs no run, or the host is drained
            (-E)
  77        no permission
  78        configuration
  79        lease lost, and COMMAND stopped
  126, 127  COMMAND can't be run, or found`

const rootExamples = `  export LEASEHOLD_STORE=zk://zk1,zk2,zk3/apps

  # on ten hosts, every five minutes: one of them runs it, once for each night
  leasehold run --schedule '0 2 * * *' --timezone UTC --attempts 3 /db/nightly -- nightly-report

  # who has run it, and what runs now?
  leasehold history /db/nightly
  leasehold list /db

  # a service with a standby, which takes over within 30 s
  leasehold run -d 30s --wait forever --release always /scheduler -- scheduler --port 80`

func (p *program) rootCommand() *cobra.Command {
	versionToo := false
	root := &cobra.Command{
		Use:           "leasehold",
		Short:         "Run a job on exactly one of many hosts, or on at most N",
		Long:          rootHelp,
		Example:       rootExamples,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(root *cobra.Command, args []string) error {
			switch {
			case len(args) > 0:
				return unknownCommand(root, args[0])
			case !versionToo:
				return usage("no command; want %s", commandNames(root))
			}
			return nil
		},
		RunE: p.printVersion, // --version: Args has refused all else
	}
	root.Flags().BoolVar(&versionToo, "version", false, "print the version")
	root.PersistentFlags().BoolVarP(&p.quiet, "quiet", "q", false, "no word about a denial; errors still print")
	root.PersistentFlags().BoolVarP(&p.verbose, "verbose", "v", false, "log to stderr what happens")
	root.PersistentFlags().Var(&p.format, "log-format", "of leasehold's own lines on stderr: text, or json, one object a line; default $"+logFormatVariable+", else text")
	root.PersistentFlags().SortFlags = false
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if before := cmd.Flags().Args(); !cmd.HasParent() && len(before) > 0 { // then it is a flag of what comes before it
			err = unknownCommand(cmd, before[0])
		}
		return withHelp(cmd, usage("%s", flagMessage(cmd, err)))
	})
	root.SetUsageFunc(printUsage)
	cobra.EnableCommandSorting = false
	root.AddCommand(p.runCommand(), p.acquireCommand(), p.releaseCommand(), p.statusCommand(), p.listCommand(), p.historyCommand(), p.checkCommand(), p.serveCommand(), p.planCommand(), p.againCommand(), p.pauseCommand(), p.resumeCommand(), p.drainCommand(), p.undrainCommand(), p.completionCommand(), p.versionCommand(), p.securityCommand(), environmentCommand())
	root.CompletionOptions.DisableDefaultCmd = true
	root.InitDefaultHelpCmd()
	addHelp(root)
	for _, cmd := range root.Commands() {
		addHelp(cmd)
	}
	return root
}

// commandNames lists the subcommands, for those who gave none that there is.
func commandNames(root *cobra.Command) string {
	var names []string
	for _, cmd := range root.Commands() {
		if cmd.Runnable() && cmd.Name() != "help" {
			names = append(names, cmd.Name())
		}
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

func unknownCommand(root *cobra.Command, name string) error {
	root.SuggestionsMinimumDistance = 2
	if near := root.SuggestionsFor(name); len(near) > 0 {
		return usage("unknown command %q; did you mean %s?", name, strings.Join(quoteAll(near), " or "))
	}
	return usage("unknown command %q; want %s", name, commandNames(root))
}

// addHelp makes every usage error of cmd say where there is help, and the
// command help refuse what is no command.
func addHelp(cmd *cobra.Command) {
	args, run := cmd.Args, cmd.RunE
	if cmd.Name() == "help" {
		help := cmd.Run
		cmd.Run = nil
		run = func(cmd *cobra.Command, topic []string) error {
			if found, rest, err := cmd.Root().Find(topic); err == nil && found.HasParent() && len(rest) > 0 {
				return unexpected(rest)
			} else if err != nil || len(rest) > 0 {
				return unknownCommand(cmd.Root(), topic[0])
			}
			help(cmd, topic)
			return nil
		}
	}
	if args != nil {
		cmd.Args = func(cmd *cobra.Command, given []string) error { return withHelp(cmd, args(cmd, given)) }
	}
	if run != nil {
		cmd.RunE = func(cmd *cobra.Command, given []string) error { return withHelp(cmd, run(cmd, given)) }
	}
}

// withHelp adds where there is help to a usage error that has no hint.
func withHelp(cmd *cobra.Command, err error) error {
	var f *failure
	if !errors.As(err, &f) || f.code != exitUsage || f.denial {
		return err
	}
	if f.hint == "" {
		f.hint = cmd.CommandPath() + " --help"
	}
	return err
}

// flagMessage says what is wrong with a flag, without what Go calls it.
func flagMessage(cmd *cobra.Command, err error) string {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() == "" {
		if near := nearFlags(cmd, unknown.GetSpecifiedName()); len(near) > 0 {
			return fmt.Sprintf("%v; did you mean %s?", err, strings.Join(near, " or "))
		}
	}
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) {
		return err.Error()
	}
	flag := invalid.GetFlag()
	name := "--" + flag.Name
	if flag.Shorthand != "" {
		name = "-" + flag.Shorthand + ", " + name
	}
	var want string
	switch flag.Value.(type) {
	case *waitTime, *releaseMode, *leftBehindMode, *holderSuffix, *tokenNumber, *logFormat, *stateFilter, *cronExpression:
		want = invalid.Unwrap().Error()
	default:
		want = map[string]string{
			"bool":     "want true or false",
			"duration": "want a duration with a unit, like 70s, 70m or 1d",
			"int":      "want a number, like 3",
		}[flag.Value.Type()]
	}
	return fmt.Sprintf("%s is %q, %s", name, invalid.GetValue(), want)
}

// nearFlags returns the flags of cmd that are spelt much like name. cobra finds those of
// commands alone, so each flag is one here.
func nearFlags(cmd *cobra.Command, name string) []string {
	flags := cobra.Command{SuggestionsMinimumDistance: 2}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		flags.AddCommand(&cobra.Command{Use: "--" + f.Name, Run: func(*cobra.Command, []string) {}})
	})
	return flags.SuggestionsFor("--" + name)
}

// wantPaths refuses arguments other than least to most of the paths that what
// names; most < 0 means any number.
func wantPaths(least, most int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usage("missing %s", what)
		case most >= 0 && len(args) > most:
			return unexpected(args[most:])
		}
		return nil
	}
}

func unexpected(args []string) error {
	s := ""
	if len(args) > 1 {
		s = "s"
	}
	return usage("unexpected argument%s: %s", s, strings.Join(quoteAll(args), " "))
}

func quoteAll(args []string) []string {
	quoted := slices.Clone(args)
	for i, a := range quoted {
		quoted[i] = fmt.Sprintf("%q", a)
	}
	return quoted
}
