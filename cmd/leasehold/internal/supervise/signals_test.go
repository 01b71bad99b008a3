package supervise

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestSignalsAreCaughtAtOnce: a signal that comes as soon as CatchSignals has
// returned ends the context, and not the process.
func TestSignalsAreCaughtAtOnce(t *testing.T) {
	ctx, signals := CatchSignals(t.Context())
	if err := unix.Kill(os.Getpid(), unix.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ctx.Done():
	case <-time.After(patience):
		t.Fatal("the context has not ended")
	}
	var got *Interruption
	if !errors.As(context.Cause(ctx), &got) || got.Signal != unix.SIGUSR1 {
		t.Errorf("got the cause %v, want an interruption by SIGUSR1", context.Cause(ctx))
	}
	if _, err := signals.Start(testCommand(t, "true")); !errors.As(err, &got) {
		t.Errorf("got error %v from Start after an interruption, want that", err)
	}
}
