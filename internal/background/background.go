// Package background runs what may go on after its caller has returned.
package background

import (
	"context"
	"sync"
	"time"
)

// A Group counts goroutines and other work. Unlike a sync.WaitGroup, it may
// grow from zero while somebody waits. Its zero value is ready to use.
type Group struct {
	mu   sync.Mutex
	n    int
	idle chan struct{} // closed when n is back at 0; nil before the first
}

// Go calls f in a goroutine that is counted.
func (g *Group) Go(f func()) {
	g.Add(1)
	go func() {
		defer g.Add(-1)
		f()
	}()
}

// Add adds delta to the count.
func (g *Group) Add(delta int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.n == 0 {
		g.idle = make(chan struct{})
	}
	if g.n += delta; g.n == 0 {
		close(g.idle)
	}
}

// Idle returns a channel that is closed once the count is 0.
func (g *Group) Idle() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.n > 0 {
		return g.idle
	}
	idle := make(chan struct{})
	close(idle)
	return idle
}

// Run calls f in g and returns its result. When ctx ends first, Run waits for f
// for grace longer, and then returns ctx.Err(). If f succeeds after that,
// unclaimed gets its value, unless it is nil.
func Run[T any](ctx context.Context, g *Group, grace time.Duration, f func() (T, error), unclaimed func(T)) (T, error) {
	type result struct {
		value T
		err   error
	}
	results, left := make(chan result), make(chan struct{})
	g.Go(func() {
		value, err := f()
		select {
		case results <- result{value, err}:
		case <-left:
			if err == nil && unclaimed != nil {
				unclaimed(value)
			}
		}
	})
	select {
	case r := <-results:
		return r.value, r.err
	case <-ctx.Done():
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case r := <-results:
		return r.value, r.err
	case <-timer.C:
		close(left)
		var none T
		return none, ctx.Err()
	}
}
