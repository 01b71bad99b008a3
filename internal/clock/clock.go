// Package clock has the clock that goes on while the machine is suspended.
package clock

import "time"

// Shared returns a clock that all processes of this machine share: that of
// SinceBoot, or the wall clock where there is none.
func Shared() time.Duration {
	if boot := SinceBoot(); boot != 0 {
		return boot
	}
	return time.Duration(time.Now().UnixNano())
}
