package machine_test

import (
	"regexp"
	"testing"

	"leasehold.example/leasehold/internal/machine"
)

func TestID(t *testing.T) {
	if id := machine.ID(); !regexp.MustCompile(`^([0-9a-f]{8})?$`).MatchString(id) {
		t.Errorf("got %q, want 8 hex digits, or nothing", id)
	}
}
