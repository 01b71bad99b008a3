package history

import "golang.org/x/sys/unix"

// Now returns the clock of all Events: one for all processes of the machine,
// that nobody can set and that no suspend stops.
func Now() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic(err) // every Linux since 2.6.39 has it
	}
	return ts.Nano()
}
