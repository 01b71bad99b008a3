package localdir_test

import (
	"testing"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/leasetest"
	"leasehold.example/leasehold/localdir"
)

func openIn(t *testing.T, dir string) *localdir.Store {
	t.Helper()
	s, err := localdir.Open(dir, nil)
	if err != nil {
		t.Fatalf("Open(%q): got error %v, want a store", dir, err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: got %v, want nil", err)
		}
	})
	return s
}

func TestStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	leasetest.RunStore(t, func(t *testing.T) leasehold.Store { return openIn(t, dir) })
}
