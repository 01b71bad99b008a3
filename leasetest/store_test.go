package leasetest_test

import (
	"testing"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/leasetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	s := leasetest.NewStore()
	leasetest.RunStore(t, func(*testing.T) leasehold.Store { return s })
}
