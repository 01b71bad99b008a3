//go:build !linux

package history

import "time"

// Now returns the wall clock; the laboratory needs Linux anyway.
func Now() int64 { return time.Now().UnixNano() }
