package kazoo_test

import (
	"testing"

	"leasehold.example/leasehold/internal/purity"
)

func TestPure(t *testing.T) {
	t.Parallel()
	purity.Check(t)
}
