package main

import (
	"context"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/supervise"
)

// A signal must not hide that a lease may have been left behind.
func TestSignalHidesNoUnknownOutcome(t *testing.T) {
	t.Parallel()
	ctx, end := context.WithCancelCause(t.Context())
	end(&supervise.Interruption{Signal: unix.SIGTERM})
	for err, want := range map[error]int{
		fmt.Errorf("grant: %w", leasehold.ErrOutcomeUnknown): exitUnavailable,
		leasehold.ErrUnreachable:                             exitSignal + int(unix.SIGTERM),
	} {
		if got := explain(finish(ctx, err, exitConflict), exitConflict).code; got != want {
			t.Errorf("%v: got exit code %d, want %d", err, got, want)
		}
	}
}
