package leasehold_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/leasetest"
	"leasehold.example/leasehold/runlog"
)

// A journal has what was logged.
type journal struct {
	t      *testing.T
	except string // lines that are not of interest

	mu    sync.Mutex
	lines []string // each its level and its message
	attrs []string // its keys and values
}

func (j *journal) Enabled(context.Context, slog.Level) bool { return true }
func (j *journal) WithAttrs([]slog.Attr) slog.Handler       { return j }
func (j *journal) WithGroup(string) slog.Handler            { return j }

func (j *journal) Handle(_ context.Context, r slog.Record) error {
	var attrs []string
	r.Attrs(func(a slog.Attr) bool { attrs = append(attrs, a.String()); return true })
	line, all := r.Level.String()+" "+r.Message, strings.Join(attrs, " ")
	if !strings.HasPrefix(all, "path="+path) || !strings.Contains(all, " holder=host-") {
		j.t.Errorf("got %q with %q, want it to name path and holder", line, all)
	}
	if line != j.except {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.lines, j.attrs = append(j.lines, line), append(j.attrs, all)
	}
	return nil
}

func (j *journal) want(want ...string) {
	j.t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	if !slices.Equal(j.lines, want) {
		j.t.Errorf("got the lines %q, want %q", j.lines, want)
	}
}

// logged returns a client that writes to j.
func (j *journal) logged(s leasehold.Store, holder string) *leasehold.Client {
	c := client(s, holder)
	c.Logger = slog.New(j)
	return c
}

func TestLogging(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		j := &journal{t: t}
		s := leasetest.NewStore()
		a, b := j.logged(s, "host-a"), j.logged(s, "host-b")
		l := acquire(t, a, time.Minute)
		wantNil(t, "Renew", l.Renew(t.Context()))
		_, err := b.TryAcquire(t.Context(), path, time.Minute)
		wantHeld(t, err, "host-a")
		wantNil(t, "Release", l.Release(t.Context()))
		l = acquire(t, a, time.Minute)
		wantNil(t, "Release", a.Release(t.Context(), path))
		wantErr(t, "Renew", l.Renew(t.Context()), leasehold.ErrLost)
		wantErr(t, "Renew", l.Renew(t.Context()), leasehold.ErrLost)
		l = acquire(t, a, time.Minute)
		wantNil(t, "Undo", l.Undo(t.Context()))
		j.want("INFO lease granted", "DEBUG lease renewed", "INFO lease denied", "INFO lease released",
			"INFO lease granted", "INFO lease released", "WARN lease lost", "INFO lease granted", "INFO grant undone")
	})
}

func TestSlotsLogged(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := leasetest.NewStore()
		l := acquireSlot(t, client(s, "host-a"), 2, time.Minute)
		acquireSlot(t, client(s, "host-b"), 2, time.Hour)
		j := &journal{t: t}
		_, err := j.logged(s, "host-c").TryAcquireSlot(t.Context(), path, 2, time.Minute)
		wantHeld(t, err, "host-a")
		wantNil(t, "Release", l.Release(t.Context()))
		acquireSlot(t, j.logged(s, "host-c"), 2, time.Minute)
		j.want("INFO lease denied", "INFO lease granted")
		if got := j.attrs[1]; !strings.Contains(got, "path="+path+"/0 ") || !strings.Contains(got, " slot=0") {
			t.Errorf("got the grant %q, want that of slot 0", got)
		}
	})
}

// A holder that renews its lease denies it to who waits each time: that is one
// line for people, and one for each other holder.
func TestWaitLogged(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		j := &journal{t: t}
		s := leasetest.NewStore()
		l := acquire(t, client(s, "host-a"), time.Minute)
		go func() {
			for range 2 {
				time.Sleep(20 * time.Second)
				_ = l.Renew(context.Background())
			}
			time.Sleep(time.Second)
			_ = l.Release(context.Background())
		}()
		_, err := j.logged(s, "host-b").Acquire(t.Context(), path, time.Minute)
		wantNil(t, "Acquire", err)
		j.want("INFO lease denied", "DEBUG lease denied", "DEBUG lease denied", "INFO lease granted")
		if want := " by=host-a token="; !strings.Contains(j.attrs[0], want) {
			t.Errorf("got the denial %q, want %q in it", j.attrs[0], want)
		}
	})
}

// A loss is told once, whoever notices it: the renewals, the watch on the end, or
// Renew. A release by who holds it is none.
func TestLossLogged(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFaulty()
		j := &journal{t: t, except: "WARN lease not renewed"}
		l := acquire(t, j.logged(s, "host-a"), time.Minute)
		s.fail(func(context.Context, string) error { return leasehold.ErrUnreachable })
		untilEnd := func(ctx context.Context) error { <-ctx.Done(); return nil }
		wantErr(t, "Hold", l.Hold(t.Context(), untilEnd), leasehold.ErrLost)
		j.want("INFO lease granted", "WARN lease lost")
		time.Sleep(time.Minute)
		wantErr(t, "Renew", l.Renew(t.Context()), leasehold.ErrLost)
		j.want("INFO lease granted", "WARN lease lost")

		s.fail(nil)
		j = &journal{t: t, except: "DEBUG lease renewed"}
		l = acquire(t, j.logged(s, "host-a"), time.Minute)
		wantNil(t, "Hold of a lease that its work releases", l.Hold(t.Context(), func(ctx context.Context) error {
			return errors.Join(l.Release(ctx), untilEnd(ctx))
		}))
		j.want("INFO lease granted", "INFO lease released")
	})
}

func TestTicksLogged(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := leasetest.NewStore()
		hourly := every(time.Hour, 2)
		j := &journal{t: t}
		a := j.logged(s, "host-a")
		hourly.CatchUp = time.Now().Add(-time.Hour)
		l := tick(t, a, hourly)
		finish(t, l, runlog.Success)
		wantVerdict(t, a, hourly, runlog.IsDone)
		j.want("INFO lease granted", "INFO run finished", "INFO lease denied")
		for i, want := range []string{" attempt=1", " attempt=1 result=success", " verdict=done by=host-a reason="} {
			if !strings.Contains(j.attrs[i], " tick=") || !strings.Contains(j.attrs[i], want) {
				t.Errorf("line %d: got %q, want a tick, and %q", i+1, j.attrs[i], want)
			}
		}
	})
}

// A handler that blocks must not keep the lease's time from being known: who ends the
// work in time reads it.
func TestLoggerThatBlocks(t *testing.T) {
	t.Parallel()
	l := acquire(t, client(leasetest.NewStore(), "host-a"), time.Minute)
	var messages []string
	c := client(leasetest.NewStore(), "host-a")
	c.Logger = slog.New(slogFunc(func(message string) {
		messages = append(messages, message)
		known := make(chan time.Duration)
		go func() { known <- l.Remaining() }()
		select {
		case <-known:
		case <-time.After(10 * time.Second):
			t.Errorf("while %q is logged: got no answer from Remaining", message)
		}
	}))
	l = acquire(t, c, time.Minute)
	wantNil(t, "Renew", l.Renew(t.Context()))
	wantNil(t, "Release", l.Release(t.Context()))
	if want := []string{"lease granted", "lease renewed", "lease released"}; !slices.Equal(messages, want) {
		t.Errorf("got the lines %q, want %q", messages, want)
	}
}

// A slogFunc is told each message.
type slogFunc func(message string)

func (f slogFunc) Enabled(context.Context, slog.Level) bool { return true }
func (f slogFunc) WithAttrs([]slog.Attr) slog.Handler       { return f }
func (f slogFunc) WithGroup(string) slog.Handler            { return f }

func (f slogFunc) Handle(_ context.Context, r slog.Record) error {
	f(r.Message)
	return nil
}
