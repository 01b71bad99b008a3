//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package localdir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
)

const openSafely = 0

func platform() error {
	return fmt.Errorf("leases in a local directory on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

func tryFlock(*os.File) (bool, error) { return false, platform() }
func unflock(*os.File) error          { return platform() }
func cannotSync(error) bool           { return false }
func links(fs.FileInfo) int           { return 1 }
func trusted(fs.FileInfo) bool        { return false }
