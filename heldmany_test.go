package leasehold_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"leasehold.example/leasehold/leasetest"
)

// What a lease takes that Hold keeps alive, beside its caller's goroutine: no
// goroutine, so no stack, and little of the heap. Not parallel, because it
// looks at the whole process.
func TestHoldTakesLittle(t *testing.T) {
	const n, most = 300, 4 << 10 // bytes
	synctest.Test(t, func(t *testing.T) {
		s := leasetest.NewStore()
		ctx, stop := context.WithCancel(t.Context())
		var callers sync.WaitGroup
		work := func(ctx context.Context) error { <-ctx.Done(); return nil }
		begin := inUse()
		for range n {
			callers.Go(func() { _ = work(ctx) })
		}
		synctest.Wait()
		bare := inUse()
		for i := range n {
			l, err := client(s, "host-a").TryAcquire(ctx, fmt.Sprintf("/jobs/%d", i), time.Minute)
			wantNil(t, "TryAcquire", err)
			callers.Go(func() {
				if err := l.Hold(ctx, work); err != nil {
					t.Errorf("Hold: got error %v, want nil", err)
				}
			})
			time.Sleep(3 * time.Millisecond) // not to have all renewed at once
		}
		time.Sleep(time.Minute) // by then each was renewed more than once
		synctest.Wait()
		held := inUse()
		if got := held.goroutines - bare.goroutines; got != n {
			t.Errorf("%d leases: got %d goroutines, want only those of the callers of Hold", n, got)
		}
		if got := (held.heap - bare.heap - (bare.heap - begin.heap)) / n; got > most {
			t.Errorf("got %d bytes a lease, want at most %d", got, most)
		}
		stop()
		callers.Wait()
	})
}

// Ends are cut off to whole seconds. The renewals of many leases must not come
// to be made in the same part of each second for that.
func TestRenewalsAreSpread(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		const n, parts = 200, 5
		s := newFaulty()
		ctx, stop := context.WithCancel(t.Context())
		var callers sync.WaitGroup
		for i := range n {
			l, err := client(s, "host-a").TryAcquire(ctx, fmt.Sprintf("/jobs/%d", i), 10*time.Second)
			wantNil(t, "TryAcquire", err)
			callers.Go(func() {
				_ = l.Hold(ctx, func(ctx context.Context) error { <-ctx.Done(); return nil })
			})
			time.Sleep(time.Second / n)
		}
		time.Sleep(time.Minute) // for a pattern to form
		var renewals diary
		renewals.note(s, "renew")
		time.Sleep(time.Minute)
		stop()
		callers.Wait()
		var perPart [parts]int
		for _, at := range renewals.times {
			perPart[at.Nanosecond()*parts/int(time.Second)]++
		}
		fair := len(renewals.times) / parts
		for i, got := range perPart {
			if got < fair*6/10 || got > fair*14/10 {
				t.Errorf("part %d of %d of each second: got %d renewals, want about %d", i+1, parts, got, fair)
			}
		}
	})
}

// usage is what the process uses.
type usage struct{ heap, goroutines int }

func inUse() usage {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return usage{int(m.HeapAlloc), runtime.NumGoroutine()}
}
