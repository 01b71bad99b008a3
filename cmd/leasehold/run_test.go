package main

import (
	"strings"
	"testing"
)

func TestLessOn(t *testing.T) {
	t.Parallel()
	if got := lessOn("linux"); got != "" {
		t.Errorf("on Linux: got %q, want nothing", got)
	}
	if got := lessOn("freebsd"); !strings.HasPrefix(got, "on freebsd only COMMAND's process group") {
		t.Errorf("on FreeBSD: got %q, want what it can't do", got)
	}
}
