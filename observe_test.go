package leasehold_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/leasetest"
	"leasehold.example/leasehold/runlog"
)

// observed collects what a Client tells.
type observed struct {
	mu     sync.Mutex
	events []leasehold.Event
}

func (o *observed) Observe(e leasehold.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.events = append(o.events, e)
}

// take returns the events since it was called last.
func (o *observed) take() []leasehold.Event {
	o.mu.Lock()
	defer o.mu.Unlock()
	events := o.events
	o.events = nil
	return events
}

func (o *observed) count(kind leasehold.EventKind) int {
	n := 0
	for _, e := range o.take() {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// wantOne fails unless there was one event since, of this kind and path, and
// returns it.
func (o *observed) wantOne(t *testing.T, kind leasehold.EventKind, path string) leasehold.Event {
	t.Helper()
	events := o.take()
	if len(events) != 1 || events[0].Kind != kind || events[0].Path != path {
		t.Fatalf("got the events %v, want one of kind %d and path %q", events, kind, path)
	}
	return events[0]
}

func observing(s leasehold.Store, holder string) (*leasehold.Client, *observed) {
	o := &observed{}
	return &leasehold.Client{Store: s, Holder: holder, Observe: o.Observe}, o
}

func TestObserveTellsOfEachCall(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := leasetest.NewStore()
		c, o := observing(s, "host-a")
		l := acquire(t, c, time.Minute)
		if e := o.wantOne(t, leasehold.EventTry, path); e.Lease != l || e.Err != nil {
			t.Fatalf("a grant: got %v, want the lease", e)
		}
		wantNil(t, "Renew", l.Renew(t.Context()))
		if e := o.wantOne(t, leasehold.EventRenewal, path); e.Lease != l || e.Err != nil {
			t.Fatalf("a renewal: got %v, want the lease", e)
		}

		b, o := observing(s, "host-b")
		_, err := b.TryAcquire(t.Context(), path, time.Minute)
		if e := o.wantOne(t, leasehold.EventTry, path); e.Lease != nil || e.Err != err {
			t.Fatalf("a denial: got %v, want the error %v", e, err)
		}
		l, err = b.Acquire(t.Context(), path, time.Minute)
		wantNil(t, "Acquire", err)
		e := o.wantOne(t, leasehold.EventWait, path)
		wantTime(t, "Took", e.Took, time.Minute-250*time.Millisecond)
		if e.Lease != l {
			t.Fatalf("Acquire: got %v, want the lease", e)
		}
		_, err = b.TryAcquire(t.Context(), "no path", time.Minute)
		if e := o.wantOne(t, leasehold.EventTry, "no path"); e.Err != err || err == nil {
			t.Fatalf("bad path: got %v, want the error %v", e, err)
		}
	})
}

func TestObserveTellsOfSlots(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := leasetest.NewStore()
		a, o := observing(s, "host-a")
		acquireSlot(t, a, 1, time.Minute)
		o.wantOne(t, leasehold.EventTry, path+"/0")
		b, o := observing(s, "host-b")
		_, err := b.TryAcquireSlot(t.Context(), path, 1, time.Minute)
		wantHeld(t, err, "host-a")
		o.wantOne(t, leasehold.EventTry, path)
		_, err = b.AcquireSlot(t.Context(), path, 1, time.Minute)
		wantNil(t, "AcquireSlot", err)
		o.wantOne(t, leasehold.EventWait, path+"/0")
	})
}

func TestObserveTellsOfTicks(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		now := time.Now()
		s := leasehold.Schedule{Name: "hourly", Timezone: "UTC", Ticks: func(time.Time) (due, next time.Time, ok bool) {
			return now, now.Add(time.Hour), true
		}}
		c, o := observing(leasetest.NewStore(), "host-a")
		l, err := c.TryAcquireTick(t.Context(), path, s, time.Minute)
		wantNil(t, "TryAcquireTick", err)
		o.wantOne(t, leasehold.EventTry, path)
		wantNil(t, "Finish", l.Finish(t.Context(), leasehold.Outcome{Result: runlog.Success}))
		_, err = c.AcquireTick(t.Context(), path, s, time.Minute)
		if e := o.wantOne(t, leasehold.EventWait, path); e.Err != err || err == nil {
			t.Fatalf("a tick that is done: got %v, want the error %v", e, err)
		}
	})
}

// A loss is told once, however it is found, and after the work was told to stop.
func TestObserveTellsOfALossOnce(t *testing.T) {
	for name, lose := range map[string]func(*testing.T, *faulty, *leasehold.Lease){"not renewed": breakStore, "taken": takeAway} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newFaulty()
				c, o := observing(s, "host-a")
				l := acquire(t, c, time.Minute)
				lose(t, s, l)
				err := l.Hold(t.Context(), func(ctx context.Context) error {
					<-ctx.Done()
					synctest.Wait()
					if n := o.count(leasehold.EventLoss); n != 1 {
						t.Errorf("got %d losses when the work was told to stop, want 1", n)
					}
					time.Sleep(2 * time.Minute)
					return nil
				})
				wantErr(t, "Hold", err, leasehold.ErrLost)
				s.fail(nil)
				wantErr(t, "Renew", l.Renew(t.Context()), leasehold.ErrLost)
				_ = l.Release(t.Context()) // which finds it again, where it was taken
				if n := o.count(leasehold.EventLoss); n != 0 {
					t.Errorf("got %d losses more, want none", n)
				}
			})
		})
	}
}

// The release of a lease in use ends its context, and is no loss; nor is the end of
// one that nobody uses, or that was acquired anew, with Adopt.
func TestObserveTellsOfNoLoss(t *testing.T) {
	t.Run("released", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			c, o := observing(leasetest.NewStore(), "host-a")
			l := acquire(t, c, time.Minute)
			o.take()
			err := l.Hold(t.Context(), func(ctx context.Context) error {
				wantNil(t, "Release", l.Release(ctx))
				<-ctx.Done()
				time.Sleep(time.Minute)
				return nil
			})
			wantNil(t, "Hold", err)
			for _, e := range o.take() {
				if e.Kind != leasehold.EventRenewal || e.Err != nil {
					t.Errorf("got %v, want nothing but the first renewal", e)
				}
			}
		})
	})
	t.Run("unused", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			c, o := observing(leasetest.NewStore(), "host-a")
			acquire(t, c, time.Minute)
			o.take()
			time.Sleep(time.Hour)
			if events := o.take(); len(events) != 0 {
				t.Errorf("got %v, want no event", events)
			}
		})
	})
	t.Run("adopted", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			s := leasetest.NewStore()
			c, o := observing(s, "host-a")
			c.Adopt = true
			l := acquire(t, c, time.Minute)
			acquire(t, client(s, "host-a"), time.Minute)
			o.take()
			err := l.Hold(t.Context(), func(context.Context) error {
				time.Sleep(time.Minute)
				return nil
			})
			wantNil(t, "Hold", err)
			events := o.take()
			for _, e := range events {
				if e.Kind != leasehold.EventRenewal || e.Err != nil {
					t.Errorf("got %v, want renewals that succeed", e)
				}
			}
			if len(events) == 0 {
				t.Error("got no event, want renewals")
			}
		})
	})
}

// Who observes may ask the lease what needs no store.
func TestObserverMayAskTheLease(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var left []time.Duration
		c := client(leasetest.NewStore(), "host-a")
		c.Observe = func(e leasehold.Event) {
			if e.Lease != nil {
				left = append(left, e.Lease.Remaining())
			}
		}
		l := acquire(t, c, time.Minute)
		wantNil(t, "ForceRelease", c.ForceRelease(t.Context(), path, l.Token()))
		if err := l.Renew(t.Context()); !errors.Is(err, leasehold.ErrLost) {
			t.Fatalf("Renew: got error %v, want ErrLost", err)
		}
		if len(left) != 3 || left[0] <= 0 || left[1] != 0 || left[2] != 0 {
			t.Errorf("got the remaining times %v, want one of the grant, and 0 of the loss and the renewal", left)
		}
	})
}

// Who observes and does not return keeps the lease from being renewed. The work is
// told to stop in time all the same.
func TestObserverThatBlocks(t *testing.T) {
	const firstRenewal, usable = 17 * time.Second, usableMinute - graceMinute // at most
	for _, c := range []struct {
		name  string
		at    leasehold.EventKind
		fault func(t *testing.T, s *faulty, l *leasehold.Lease)
		limit time.Duration
	}{
		{"at a renewal", leasehold.EventRenewal, func(*testing.T, *faulty, *leasehold.Lease) {}, firstRenewal + usable},
		{"at a loss", leasehold.EventLoss, takeAway, firstRenewal + time.Second},
		{"at the end", leasehold.EventLoss, breakStore, usable},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s, goOn := newFaulty(), make(chan struct{})
				client := client(s, "host-a")
				client.Observe = func(e leasehold.Event) {
					if e.Kind == c.at {
						<-goOn
					}
				}
				l := acquire(t, client, time.Minute)
				c.fault(t, s, l)
				from := time.Now()
				err := l.Hold(t.Context(), func(ctx context.Context) error {
					<-ctx.Done()
					if took := time.Since(from); took > c.limit {
						t.Errorf("the work was told to stop after %s, want %s at most", took, c.limit)
					}
					close(goOn)
					return nil
				})
				wantErr(t, "Hold", err, leasehold.ErrLost)
			})
		})
	}
}

// takeAway releases l by force.
func takeAway(t *testing.T, s *faulty, l *leasehold.Lease) {
	t.Helper()
	wantNil(t, "ForceRelease", client(s, "host-b").ForceRelease(t.Context(), path, l.Token()))
}

// breakStore makes all requests fail.
func breakStore(_ *testing.T, s *faulty, _ *leasehold.Lease) {
	s.fail(func(context.Context, string) error { return leasehold.ErrUnreachable })
}
