package soak_test

import (
	"testing"

	"leasehold.example/leasehold/internal/faultlab"
)

func TestMain(m *testing.M) { faultlab.Main(m) }
