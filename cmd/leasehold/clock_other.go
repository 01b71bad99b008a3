//go:build !linux

package main

import "time"

// sharedClock is a clock that all processes of this machine have in common: the
// wall clock. Only the moments between sending and receiving are measured by it.
func sharedClock() time.Duration { return time.Duration(time.Now().UnixNano()) }
