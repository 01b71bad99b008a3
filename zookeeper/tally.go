package zookeeper

import "sync"

// A tally counts goroutines. Unlike a sync.WaitGroup it may grow from zero
// while somebody waits.
type tally struct {
	mu   sync.Mutex
	n    int
	zero chan struct{} // closed when n is back at 0; nil before the first
}

func (t *tally) Go(f func()) {
	t.add(1)
	go func() {
		defer t.add(-1)
		f()
	}()
}

func (t *tally) add(d int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n == 0 {
		t.zero = make(chan struct{})
	}
	if t.n += d; t.n == 0 {
		close(t.zero)
	}
}

func (t *tally) idle() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n > 0 {
		return t.zero
	}
	done := make(chan struct{})
	close(done)
	return done
}
