package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/bench/figures"
	"leasehold.example/leasehold/bench/lab"
	"leasehold.example/leasehold/internal/zktest/child"
	"leasehold.example/leasehold/zookeeper"
)

// holdDuration is that of the leases that one process holds.
const holdDuration = 10 * time.Second

// measureHolds has one process hold ever more leases. It is this program again,
// so that nothing else of it is in the figures.
func measureHolds(ctx context.Context, s *setting) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for _, n := range s.size.holds {
		s.say("  %d leases", n)
		cmd := exec.CommandContext(ctx, self, "hold", s.zookeeper.Addr, strconv.Itoa(n), s.size.holdFor.String())
		cmd.Stderr = os.Stderr
		if err := child.Tie(cmd); err != nil {
			return err
		}
		out, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("hold %d leases: %w", n, err)
		}
		var found map[string]float64
		if err := json.Unmarshal(out, &found); err != nil {
			return err
		}
		for work, value := range found {
			s.Add(figures.Key{Work: work, Peer: ours, Servers: s.servers, Size: n}, value)
		}
	}
	return nil
}

// holdMain is the process that holds leases: SERVER LEASES OBSERVED. It prints
// what that takes, by kind of work, as a line of JSON. Bytes and goroutines are
// of all leases together, beyond what the callers' own goroutines take, which
// do nothing but wait.
func holdMain(ctx context.Context, args []string) error {
	addr := args[0]
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	observed, err := time.ParseDuration(args[2])
	if err != nil {
		return err
	}
	open, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	store, err := zookeeper.Open(open, "zk://"+addr, nil)
	if err != nil {
		return err
	}
	defer store.Close()
	h := &holding{
		client: leasehold.Client{Store: store, Holder: "holder"}, prefix: fmt.Sprintf("/bench/hold-%d", n),
		leases: make([]*leasehold.Lease, n),
	}
	ctx, stop := context.WithCancel(ctx)
	found, err := h.observe(ctx, addr, observed)
	stop()
	h.held.Wait()
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(found)
}

// A holding is all that this process holds.
type holding struct {
	client leasehold.Client
	prefix string
	leases []*leasehold.Lease
	held   sync.WaitGroup
	lost   atomic.Int64
}

func (h *holding) observe(ctx context.Context, addr string, window time.Duration) (map[string]float64, error) {
	// Everything is done once before, so that what a process needs for its
	// first lease is not taken for a cost of the lease.
	l, err := h.client.TryAcquire(ctx, h.prefix+"/first", holdDuration)
	if err == nil {
		err = errors.Join(l.Renew(ctx), l.Release(ctx))
	}
	if err != nil {
		return nil, err
	}
	callers := waiting(len(h.leases))
	if err := h.acquire(ctx); err != nil {
		return nil, err
	}
	finish := h.watch(ctx)
	time.Sleep(holdDuration / 2) // each has been renewed at least once
	var used time.Duration
	requests, commits, err := lab.Cost([]string{addr}, func() error {
		used = lab.CPU()
		time.Sleep(window)
		used = lab.CPU() - used
		return nil
	})
	if err != nil {
		return nil, err
	}
	after := make([]usage, 5)
	most := 0
	for i := range after {
		time.Sleep(100 * time.Millisecond)
		after[i] = measureUsage()
		most = max(most, after[i].goroutines)
	}
	slices.SortFunc(after, func(a, b usage) int { return int(a.bytes - b.bytes) })
	seconds := window.Seconds()
	return map[string]float64{
		holdBytes:      float64(after[len(after)/2].bytes - callers.bytes),
		holdGoroutines: float64(most - callers.goroutines),
		holdCPU:        used.Seconds() / seconds,
		holdRequests:   float64(requests) / seconds,
		holdCommits:    float64(commits) / seconds,
		holdLate:       float64(finish()),
		holdLost:       float64(h.lost.Load()),
	}, nil
}

// acquire acquires all leases, many at once since the first is to be kept
// until the last is there, and holds each.
func (h *holding) acquire(ctx context.Context) error {
	return lab.Each(len(h.leases), 64, func(i int) error {
		path := fmt.Sprintf("%s/%05d", h.prefix, i)
		l, err := h.client.TryAcquire(ctx, path, holdDuration)
		if errors.Is(err, leasehold.ErrLost) { // the machine was too busy: it was over before it could be used
			l, err = h.client.TryAcquire(ctx, path, holdDuration)
		}
		if err != nil {
			return err
		}
		h.leases[i] = l
		h.held.Go(func() {
			if err := l.Hold(ctx, wait); errors.Is(err, leasehold.ErrLost) {
				h.lost.Add(1)
			}
		})
		return nil
	})
}

// wait is the least that a caller can do.
func wait(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// watch looks twice a second how much of each lease remains. The function that
// it returns ends that and returns how many were renewed late.
//
// A renewal is due when a third of the time that can be used is gone: a lease's
// duration, less up to a second since records have whole seconds, less
// MaxClockSkew (which Remaining leaves out already), less Grace (by default a
// fifth of the duration, at most 10 s). It is late when less than a third is left.
func (h *holding) watch(ctx context.Context) (finish func() int) {
	ctx, stop := context.WithCancel(ctx)
	const skew, grace = holdDuration / 10, holdDuration / 5
	const late = grace + (holdDuration-time.Second-skew-grace)/3
	seen := map[int]bool{}
	var watching sync.WaitGroup
	watching.Go(func() {
		for ticks := time.Tick(500 * time.Millisecond); ctx.Err() == nil; <-ticks {
			for i, l := range h.leases {
				if l.Remaining() < late {
					seen[i] = true
				}
			}
		}
	})
	return func() int {
		stop()
		watching.Wait()
		return len(seen)
	}
}

// A usage is live heap and stacks, and goroutines.
type usage struct {
	bytes      int64
	goroutines int
}

func measureUsage() usage {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return usage{int64(m.HeapAlloc + m.StackInuse), runtime.NumGoroutine()}
}

// waiting returns what the process uses with n goroutines that do nothing but
// wait: the callers' own, one for each lease.
func waiting(n int) usage {
	ctx, stop := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for range n {
		all.Go(func() { wait(ctx) })
	}
	defer all.Wait()
	defer stop()
	return measureUsage()
}
