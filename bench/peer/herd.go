package peer

import (
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A Herd is a number of contenders, each with a session of its own, that want
// one lease at the same moment.
type Herd interface {
	// Gather has n contenders ready; it only ever adds some.
	Gather(n int) error

	// Race lets all of them try to acquire the free lease at path at start, an
	// instant of the monotonic clock, and returns when the last had its answer
	// and how many were granted it.
	Race(path string, start int64) (end int64, granted int, err error)
}

// Monotonic returns the time of the monotonic clock, in nanoseconds, which is
// the same in all processes of a machine.
func Monotonic() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err) // there is always one
	}
	return t.Nano()
}

// DriverHerd is a Herd spread over processes.
type DriverHerd []*Driver

// Gather implements Herd.
func (h DriverHerd) Gather(n int) error {
	_, err := h.all(func(i int) []any {
		share := n / len(h)
		if i < n%len(h) {
			share++
		}
		return []any{"herd", fmt.Sprintf("p%d-", i), share}
	})
	return err
}

// Race implements Herd.
func (h DriverHerd) Race(path string, start int64) (end int64, granted int, err error) {
	answers, err := h.all(func(int) []any { return []any{"race", path, start} })
	for _, a := range answers {
		if len(a) == 2 {
			end = max(end, a[0])
			granted += int(a[1])
		}
	}
	return end, granted, err
}

// all gives each driver its order, all at once.
func (h DriverHerd) all(order func(i int) []any) ([][]int64, error) {
	answers := make([][]int64, len(h))
	err := each(len(h), len(h), func(i int) (err error) {
		answers[i], err = h[i].Ask(order(i)...)
		return err
	})
	return answers, err
}

// each calls f for 0 to n-1, at most so many at once, and returns an error if
// one had any.
func each(n, atOnce int, f func(i int) error) error {
	var (
		wait  sync.WaitGroup
		mu    sync.Mutex
		first error
		slots = make(chan struct{}, atOnce)
	)
	for i := range n {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			if err := f(i); err != nil {
				mu.Lock()
				defer mu.Unlock()
				if first == nil {
					first = err
				}
			}
		})
	}
	wait.Wait()
	return first
}

// race lets n contenders of this process try at start. try reports whether it
// was granted.
func race(n int, start int64, try func(i int) (bool, error)) (end int64, granted int, err error) {
	var mu sync.Mutex
	err = each(n, n, func(i int) error {
		time.Sleep(time.Duration(start - Monotonic()))
		got, err := try(i)
		now := Monotonic()
		mu.Lock()
		defer mu.Unlock()
		end = max(end, now)
		if got {
			granted++
		}
		return err
	})
	return end, granted, err
}
