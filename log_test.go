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

// A log that nobody reads, as a pipe that is full, holds up who writes to it: but the
// work ends before the lease is over all the same.
func TestBlockedLog(t *testing.T) {
	for _, message := range []string{"lease renewed", "lease not renewed", "lease lost"} {
		t.Run(message, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newFaulty()
				c := client(s, "host-a")
				b := &blockedLog{message: message, until: make(chan struct{})}
				c.Logger = slog.New(b)
				l := acquire(t, c, time.Minute)
				from := time.Now()
				if message != "lease renewed" {
					s.fail(func(context.Context, string) error { return leasehold.ErrUnreachable })
				}
				err := l.Hold(t.Context(), func(ctx context.Context) error {
					<-ctx.Done()
					if took := time.Since(from); took > 2*time.Minute || l.Remaining() <= 0 {
						t.Errorf("the work ended after %s, with %s remaining; want it to end while some remains", took, l.Remaining())
					}
					close(b.until)
					return nil
				})
				wantErr(t, "Hold", err, leasehold.ErrLost)
			})
		})
	}
}

// A blockedLog blocks at a message until it is let go.
type blockedLog struct {
	message string
	until   chan struct{}
}

func (b *blockedLog) Enabled(context.Context, slog.Level) bool { return true }
func (b *blockedLog) WithAttrs([]slog.Attr) slog.Handler       { return b }
func (b *blockedLog) WithGroup(string) slog.Handler            { return b }

func (b *blockedLog) Handle(_ context.Context, r slog.Record) error {
	if r.Message == b.message {
		<-b.until
	}
	return nil
}
