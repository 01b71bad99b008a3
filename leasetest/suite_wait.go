package leasetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"leasehold.example/leasehold"
)

func testWatch(t *testing.T, f *fixture) {
	g := f.another()
	watch := func(data string) <-chan struct{} {
		t.Helper()
		e, changed, err := g.Watch(g.context(), f.path)
		if err != nil || string(e.Data) != data || (e.Data == nil) != (data == "") {
			t.Fatalf("Watch: got data %q and error %v, want %q", e.Data, err, data)
		}
		select {
		case <-changed:
			t.Fatal("Watch: got a channel that is closed before anything changed")
		default:
		}
		return changed
	}
	wantClosed := func(what string, changed <-chan struct{}) {
		t.Helper()
		select {
		case <-changed:
		case <-time.After(promptly):
			t.Fatalf("Watch: got no word of a %s within %s, want the channel closed", what, promptly)
		}
	}
	first, second := watch(""), watch("")
	e := f.grant(f.path, "first")
	wantClosed("first grant", first)
	wantClosed("first grant, by the second watch", second)

	changed := watch("first")
	e = f.renew(e, "second")
	wantClosed("renewal", changed)

	changed = watch("second")
	f.release(e, "released")
	wantClosed("release", changed)

	changed = watch("released")
	f.grant(f.path, "released") // the same bytes
	wantClosed("later grant", changed)

	changed = watch("released")
	f.grant(f.path, "released")
	wantClosed("grant of the same bytes over one that was not released", changed)
}

func testWatchEnds(t *testing.T, f *fixture) {
	f.grant(f.path, "first")
	for _, path := range []string{f.path, f.path + "/nothing/here"} {
		ctx, cancel := context.WithCancel(f.context())
		_, changed, err := f.Watch(ctx, path)
		if err != nil {
			t.Fatalf("Watch: got error %v, want nil", err)
		}
		cancel()
		select {
		case <-changed:
		case <-time.After(promptly):
			t.Fatalf("Watch: got a channel open %s after ctx ended, want it closed", promptly)
		}
	}
}

// What has not begun can't have an unknown outcome, so ctx's error and
// ErrUnreachable are what may come back.
func testEndedContext(t *testing.T, f *fixture) {
	e := f.grant(f.path, "first")
	ended, cancel := context.WithCancel(f.context())
	cancel()
	calls := map[string]func() error{
		"Grant": func() error {
			_, _, err := f.Grant(ended, leasehold.Entry{Path: f.path}, propose("wrong"))
			return err
		},
		"Grant where nothing is": func() error {
			_, _, err := f.Grant(ended, leasehold.Entry{Path: f.path + "/nothing"}, propose("wrong"))
			return err
		},
		"Renew": func() error {
			_, err := f.Renew(ended, e, []byte("wrong"))
			return err
		},
		"Release": func() error { return f.Release(ended, e, []byte("wrong"), become("wrong")) },
		"EditLog": func() error { return f.EditLog(ended, f.path, become("wrong")) },
	}
	for name, call := range calls {
		start := time.Now()
		err := call()
		if took := time.Since(start); took > promptly {
			t.Errorf("%s with an ended ctx: got an answer after %s, want it at once", name, took)
		}
		if !errors.Is(err, context.Canceled) && !errors.Is(err, leasehold.ErrUnreachable) ||
			errors.Is(err, leasehold.ErrLost) || errors.Is(err, leasehold.ErrOutcomeUnknown) {
			t.Errorf("%s with an ended ctx: got error %v, want ctx's or ErrUnreachable", name, err)
		}
	}
	start := time.Now()
	_, _ = f.Read(ended, f.path)
	_, _ = f.ReadLog(ended, leasehold.Entry{Path: f.path})
	_, _ = f.List(ended, f.path)
	if _, changed, err := f.Watch(ended, f.path); err == nil {
		select {
		case <-changed:
		case <-time.After(promptly):
			t.Errorf("Watch with an ended ctx: got a channel open after %s, want it closed", promptly)
		}
	}
	if took := time.Since(start); took > promptly {
		t.Errorf("Read, ReadLog, List and Watch with an ended ctx: got answers after %s, want them at once", took)
	}
	f.wantUnchanged(e)
	f.wantLog(f.path, "")
	f.wantNothing(f.path + "/nothing")
	f.wantUnchanged(f.renew(e, "second"))
}

func testClose(t *testing.T, f *fixture) {
	g := f.another()
	e := g.grant(f.path, "first")
	for i := range 2 {
		if err := g.Close(); err != nil {
			t.Fatalf("Close, call %d: got error %v, want nil", i+1, err)
		}
	}
	f.wantUnchanged(e)
}
