package main

import (
	"os"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"leasehold.example/leasehold"
)

// A signal that is not yet caught would end the process amid what it writes.
func TestNothingIsAskedBeforeSignalsAreCaught(t *testing.T) {
	t.Parallel()
	s := &signals{caught: make(chan struct{})}
	a := asking{program: &program{stderr: os.Stderr, signals: s}, flags: pflag.NewFlagSet("", pflag.ContinueOnError)}
	asked, done := make(chan struct{}), make(chan error)
	go func() {
		done <- a.with(t.Context(), storeURL{raw: "dir:" + t.TempDir()}, time.Time{}, func(leasehold.Store) error {
			close(asked)
			return nil
		})
	}()
	select {
	case <-asked:
		t.Error("the store was asked before signals were caught")
	case <-time.After(200 * time.Millisecond):
	}
	close(s.caught)
	if err := <-done; err != nil {
		t.Error(err)
	}
	<-asked
}
