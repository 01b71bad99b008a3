package gocronlease_test

import (
	"testing"

	"leasehold.example/leasehold/internal/cleanfolder"
)

func TestReadme(t *testing.T) {
	t.Parallel()
	cleanfolder.TestReadme(t)
}
