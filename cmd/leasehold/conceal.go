package main

import (
	"os"
	"strings"
	"unsafe"
)

// concealArgs returns a copy of leasehold's arguments, and blots the value of
// --auth out of the original, where other users would see it in the process
// list. What follows "--" is COMMAND's.
func concealArgs(args []string) []string {
	copied := make([]string, len(args))
	for i, arg := range args {
		copied[i] = strings.Clone(arg)
	}
	for i := 0; i < len(args) && copied[i] != "--"; i++ {
		if value, ok := strings.CutPrefix(args[i], "--auth="); ok {
			blot(value)
		} else if copied[i] == "--auth" && i+1 < len(args) {
			i++
			blot(args[i])
		}
	}
	return copied
}

// takeAuth returns the value of LEASEHOLD_AUTH and removes it from the
// environment, since neither COMMAND nor the watchdog is to have it.
func takeAuth() string {
	value := os.Getenv(authVariable)
	os.Unsetenv(authVariable)
	return value
}

// blot overwrites s where it is. The strings of os.Args are the kernel's own
// memory of them, which ps and /proc show. One from the text of a program can't
// be overwritten, and nobody may rely on any.
func blot(s string) {
	shown := unsafe.Slice(unsafe.StringData(s), len(s))
	for i := range shown {
		shown[i] = 'x'
	}
}
