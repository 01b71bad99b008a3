//go:build !linux && !darwin

package localdir

import "os"

// fileSystem can't tell here.
func fileSystem(*os.File) (string, error) { return "", nil }
