package leasetest_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/leasetest"
)

// Time in a bubble is not real, and a goroutine that stays behind is a failure
// there.
func TestStoreInBubble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := leasetest.NewStore()
		a, b := &leasehold.Client{Store: s, Holder: "a"}, &leasehold.Client{Store: s, Holder: "b"}
		first, err := a.TryAcquire(t.Context(), "/jobs/a", time.Hour)
		if err != nil {
			t.Fatalf("TryAcquire: got error %v, want a lease", err)
		}
		start := time.Now()
		second, err := b.Acquire(t.Context(), "/jobs/a", time.Hour)
		if err != nil {
			t.Fatalf("Acquire: got error %v, want a lease", err)
		}
		if waited := time.Since(start); waited < 59*time.Minute || waited > time.Hour+time.Second {
			t.Errorf("Acquire: got a lease after %s, want it when the other's was over, after an hour", waited)
		}
		if second.Token() <= first.Token() {
			t.Errorf("Acquire: got token %d, want more than %d", second.Token(), first.Token())
		}
	})
}

func TestWatchesLeaveNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := leasetest.NewStore()
		ctx, cancel := context.WithCancel(t.Context())
		var channels []<-chan struct{}
		for range 100 {
			_, changed, err := s.Watch(ctx, "/jobs/a")
			if err != nil {
				t.Fatal(err)
			}
			channels = append(channels, changed)
		}
		cancel()
		for _, changed := range channels {
			<-changed
		}
	})
}

func TestStoreClock(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 18, 34, 12, 0, time.UTC)
	s := leasetest.NewStore()
	s.Now = func() time.Time { return now }
	e, _, err := s.Grant(t.Context(), leasehold.Entry{Path: "/jobs/a"}, always([]byte("data")))
	if err != nil || !e.Since.Equal(now) || !e.Stamp.At.Equal(now) {
		t.Fatalf("Grant: got since %s, stamp %s and error %v, want %s", e.Since, e.Stamp.At, err, now)
	}
	now = now.Add(time.Hour)
	e, err = s.Renew(t.Context(), e, []byte("renewed"))
	if err != nil || !e.Since.Equal(now.Add(-time.Hour)) || !e.Stamp.At.Equal(now) {
		t.Fatalf("Renew: got since %s, stamp %s and error %v, want an hour ago, %s", e.Since, e.Stamp.At, err, now)
	}
}
