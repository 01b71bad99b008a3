package main

import (
	"os"
	"strings"
	"unsafe"
)

// concealArgs returns a copy of leasehold's arguments, and overwrites the value of
// --auth in the original, where other users would see it in the process list.
// What follows "--" is COMMAND's.
func concealArgs(args []string) []string {
	copied := make([]string, len(args))
	for i, arg := range args {
		copied[i] = strings.Clone(arg)
	}
	for i := 0; i < len(args) && copied[i] != "--"; i++ {
		if value, ok := strings.CutPrefix(args[i], "--auth="); ok {
			overwrite(value)
		} else if copied[i] == "--auth" && i+1 < len(args) {
			i++
			overwrite(args[i])
		}
	}
	return copied
}

// takeAuth returns the value of LEASEHOLD_AUTH and removes it from the
// environment, so that neither COMMAND nor the watchdog gets it.
func takeAuth() string {
	value := os.Getenv(authVariable)
	os.Unsetenv(authVariable)
	return value
}

// overwrite overwrites s in place. s must be one of os.Args: these strings are the
// memory that ps and /proc show. A string constant can't be overwritten.
func overwrite(s string) {
	shown := unsafe.Slice(unsafe.StringData(s), len(s))
	for i := range shown {
		shown[i] = 'x'
	}
}
