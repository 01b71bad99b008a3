package main

import (
	"time"

	"golang.org/x/sys/unix"
)

// sharedClock is a clock that all processes of this machine have in common. It
// neither jumps nor stops in suspend.
func sharedClock() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return time.Duration(time.Now().UnixNano())
	}
	return time.Duration(ts.Nano())
}
