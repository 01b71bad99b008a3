// Command leasehold runs a job on exactly one of many hosts, or on at most N,
// by leases on ZooKeeper or in a local directory.
//
// "leasehold --help" tells how to use it.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"leasehold.example/leasehold/cmd/leasehold/internal/supervise"
)

func main() {
	if os.Args[0] == supervise.WatchdogName {
		os.Exit(supervise.Watch(os.Args[1:]))
	}
	os.Exit(run(context.Background(), concealArgs(os.Args[1:]), os.Stdin, os.Stdout, os.Stderr))
}

// run is the program: it returns the exit code.
func run(ctx context.Context, args []string, stdin, stdout, stderr *os.File) (code int) {
	p := &program{stdin: stdin, stdout: stdout, stderr: stderr, auth: takeAuth(), execCondition: asksForCondition(args)}
	defer func() {
		if r := recover(); r != nil {
			code = p.report(&failure{code: exitInternal, message: fmt.Sprintf("internal error: %v", r)})
		}
	}()
	root := p.rootCommand()
	if cmd, _, err := root.Find(args); err == nil {
		p.isCheck = cmd.Name() == checkName
	}
	if len(args) > 0 && strings.HasPrefix(args[0], cobra.ShellCompRequestCmd) {
		p.prepareCompletion(root)
	}
	for _, err := range []error{p.format.setFromVariable(), checkLimits()} {
		if err != nil {
			return p.report(err)
		}
	}
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	return p.report(root.ExecuteContext(ctx))
}

// asksForCondition reports whether --exec-condition is given. It is looked for before the
// flags are read, since what goes wrong there must end with its exit code, too.
func asksForCondition(args []string) bool {
	for _, arg := range args {
		switch name, value, hasValue := strings.Cut(arg, "="); {
		case name == "--": // then COMMAND follows
			return false
		case name == "--"+execConditionFlag:
			yes, err := strconv.ParseBool(value)
			return !hasValue || err != nil || yes
		}
	}
	return false
}
