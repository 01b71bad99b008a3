package leasehold_test

import (
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/leasetest"
	"leasehold.example/leasehold/runlog"
)

// A run that goes on tells whether its host is drained; one that has ended stays as it
// was. The note harms neither the end nor the lease.
func TestNoteDrain(t *testing.T) {
	t.Parallel()
	c := client(leasetest.NewStore(), "host-a")
	c.RunLog = true
	l := acquire(t, c, time.Minute)
	drained := func() bool {
		t.Helper()
		log, err := c.Runs(t.Context(), l.Path())
		if err != nil || len(log.Runs) != 1 {
			t.Fatalf("got %d runs, error %v, want one", len(log.Runs), err)
		}
		return log.Runs[0].Drained
	}
	for _, want := range []bool{true, false, true} {
		wantNil(t, "NoteDrain", l.NoteDrain(t.Context(), want))
		if got := drained(); got != want {
			t.Errorf("got drained %t, want %t", got, want)
		}
	}
	wantNil(t, "Renew", l.Renew(t.Context()))
	wantNil(t, "Finish", l.Finish(t.Context(), leasehold.Outcome{Result: runlog.Success}))
	wantNil(t, "NoteDrain after the end", l.NoteDrain(t.Context(), false))
	if !drained() {
		t.Error("got a run that has ended changed, want it as it was")
	}
}
