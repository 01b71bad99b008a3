// Command hold holds many leases in one process, and says what that takes.
//
//	hold SERVER PREFIX LEASES DURATION OBSERVE
//
// It prints "ready" once it has all leases and has renewed them for a while,
// "done" after another OBSERVE, and then a line of JSON, a result.HoldReport.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/bench/result"
	"leasehold.example/leasehold/zookeeper"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "hold:", err)
		os.Exit(1)
	}
}

// A holding is all that this process holds.
type holding struct {
	client   leasehold.Client
	prefix   string
	duration time.Duration
	leases   []*leasehold.Lease
	held     sync.WaitGroup
	lost     atomic.Int64
}

func run(ctx context.Context, args []string) error {
	if len(args) != 5 {
		return errors.New("want SERVER PREFIX LEASES DURATION OBSERVE")
	}
	n, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	duration, err := time.ParseDuration(args[3])
	if err != nil {
		return err
	}
	observe, err := time.ParseDuration(args[4])
	if err != nil {
		return err
	}
	open, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	store, err := zookeeper.Open(open, "zk://"+args[0], nil)
	if err != nil {
		return err
	}
	defer store.Close()
	h := &holding{
		client: leasehold.Client{Store: store, Holder: "holder"}, prefix: args[1], duration: duration,
		leases: make([]*leasehold.Lease, n),
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	report, err := h.observe(ctx, observe)
	if err != nil {
		return err
	}
	stop()
	h.held.Wait()
	return json.NewEncoder(os.Stdout).Encode(report)
}

func (h *holding) observe(ctx context.Context, window time.Duration) (*result.HoldReport, error) {
	if err := h.warmUp(ctx); err != nil {
		return nil, err
	}
	callers := waiting(len(h.leases))
	if err := h.acquire(ctx); err != nil {
		return nil, err
	}
	r := &result.HoldReport{}
	finish := h.watch(ctx)
	time.Sleep(h.duration / 2) // each has been renewed at least once
	fmt.Println("ready")
	cpu := processor()
	time.Sleep(window)
	r.CPU = (processor() - cpu).Seconds()
	fmt.Println("done")
	after := make([]memory, 5)
	for i := range after {
		time.Sleep(100 * time.Millisecond)
		after[i] = usage()
	}
	slices.SortFunc(after, func(a, b memory) int { return int(a.live - b.live) })
	middle := after[len(after)/2]
	r.Bytes, r.RSS = middle.live-callers.live, middle.rss-callers.rss
	for _, m := range after {
		r.Goroutines = max(r.Goroutines, m.goroutines-callers.goroutines)
	}
	finish(r)
	r.Lost = int(h.lost.Load())
	return r, nil
}

// warmUp does everything once, so that what a process needs for its first
// lease is not taken for a cost of the lease.
func (h *holding) warmUp(ctx context.Context) error {
	l, err := h.client.TryAcquire(ctx, h.prefix+"/first", h.duration)
	if err != nil {
		return err
	}
	return errors.Join(l.Renew(ctx), l.Release(ctx))
}

// acquire acquires all leases, many at once since the first is to be kept
// until the last is there, and holds each.
func (h *holding) acquire(ctx context.Context) error {
	var (
		acquiring sync.WaitGroup
		failed    atomic.Pointer[error]
		next      atomic.Int64
	)
	for range 64 {
		acquiring.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(h.leases) && failed.Load() == nil; i = int(next.Add(1)) - 1 {
				path := fmt.Sprintf("%s/%05d", h.prefix, i)
				l, err := h.client.TryAcquire(ctx, path, h.duration)
				if errors.Is(err, leasehold.ErrLost) { // the machine was too busy: it was over before it could be used
					l, err = h.client.TryAcquire(ctx, path, h.duration)
				}
				if err != nil {
					failed.Store(&err)
					return
				}
				h.leases[i] = l
				h.held.Go(func() {
					if err := l.Hold(ctx, work); errors.Is(err, leasehold.ErrLost) {
						h.lost.Add(1)
					}
				})
			}
		})
	}
	acquiring.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

// work is the least that a caller can do.
func work(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// watch looks twice a second how much of each lease remains. The function that
// it returns ends that and notes what was seen.
//
// A renewal is due when a third of the time that can be used is gone: a lease's
// duration, less up to a second since records have whole seconds, less
// MaxClockSkew (which Remaining leaves out already), less Grace (by default a
// fifth of the duration, at most 10 s). It is late when less than a third is left.
func (h *holding) watch(ctx context.Context) (finish func(*result.HoldReport)) {
	ctx, stop := context.WithCancel(ctx)
	skew, grace := min(h.duration/10, 10*time.Second), min(h.duration/5, 10*time.Second)
	late := grace + (h.duration-time.Second-skew-grace)/3
	seen := make(map[int]bool)
	least := h.duration
	var watching sync.WaitGroup
	watching.Go(func() {
		for ticks := time.Tick(500 * time.Millisecond); ctx.Err() == nil; <-ticks {
			for i, l := range h.leases {
				left := l.Remaining()
				least = min(least, left)
				if left < late {
					seen[i] = true
				}
			}
		}
	})
	return func(r *result.HoldReport) {
		stop()
		watching.Wait()
		r.Least, r.LateBelow, r.Late = least.Seconds(), late.Seconds(), len(seen)
	}
}

type memory struct {
	live, rss  int64
	goroutines int
}

// usage collects garbage first.
func usage() memory {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return memory{live: int64(m.HeapAlloc + m.StackInuse), rss: rss(), goroutines: runtime.NumGoroutine()}
}

func rss() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0 // no Linux
	}
	fields := strings.Fields(string(text))
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// waiting returns what the process takes with n goroutines that do nothing but
// wait: the callers' own, one for each lease.
func waiting(n int) memory {
	ctx, stop := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for range n {
		all.Go(func() { work(ctx) })
	}
	defer all.Wait()
	defer stop()
	return usage()
}

// processor is the processor time that this process has had.
func processor() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		panic(err) // it can't fail for oneself
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
