package main

import (
	"slices"
	"strings"
	"testing"
)

// TestConcealArgs: only leasehold's own --auth is overwritten, and its value is
// still there for leasehold.
func TestConcealArgs(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"":                                "",
		"--auth":                          "--auth",
		"list --auth=a:b":                 "list --auth=xxx",
		"list --auth a:b /x":              "list --auth xxx /x",
		"list --auth -- --auth c":         "list --auth xx --auth x",
		"list --auth-file f --authx=y":    "list --auth-file f --authx=y",
		"run /x -- tool --auth a --auth=": "run /x -- tool --auth a --auth=",
		"run --auth a /x -- t --auth=b":   "run --auth x /x -- t --auth=b",
	} {
		args := strings.Split(strings.Clone(given), " ")
		copied := concealArgs(args)
		if got := strings.Join(args, " "); got != want {
			t.Errorf("%q: got %q to be seen, want %q", given, got, want)
		}
		if want := strings.Split(given, " "); !slices.Equal(copied, want) {
			t.Errorf("%q: got the arguments %q, want %q", given, copied, want)
		}
	}
}
