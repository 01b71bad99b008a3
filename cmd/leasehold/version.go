package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func (p *program) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Long:    "Print the versions of leasehold and of Go, and the platform.",
		Example: "  leasehold version",
		Args:    wantPaths(0, 0, ""),
		RunE:    p.printVersion,
	}
}

func (p *program) printVersion(cmd *cobra.Command, _ []string) error {
	err := writeAll(p.stdout, fmt.Appendf(nil, "leasehold %s (%s, %s/%s)\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH))
	return finish(cmd.Context(), err, exitConflict)
}

// version is that of the module that this was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(unknown version)"
	}
	return info.Main.Version
}
