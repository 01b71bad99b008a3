package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"time"
)

// step is the time between two samples.
const step = 50 * time.Millisecond

// compete calls for random leases, and never returns.
func (p *process) compete(plan string, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 0))
	between := func(min, max time.Duration) time.Duration {
		return min + time.Duration(rng.Int64N(int64(max-min)))
	}
	var leases []request
	for lease := range strings.SplitSeq(plan, ",") {
		path, slots, _ := strings.Cut(lease, ":")
		r := request{path: path}
		if slots != "" {
			n, err := strconv.Atoi(slots)
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(2)
			}
			r.slots = n
		}
		leases = append(leases, r)
	}
	for {
		r := leases[rng.IntN(len(leases))]
		r.duration = between(2*time.Second, 6*time.Second)
		within := between(500*time.Millisecond, 4*time.Second)
		r.op = "try"
		if rng.IntN(2) == 0 {
			r.op, within = "acquire", within+2*time.Second
		}
		if r.slots > 0 {
			r.op += " slot"
		}
		ctx, cancel := context.WithTimeout(context.Background(), within)
		h := p.acquire(ctx, r)
		cancel()
		if h == nil {
			time.Sleep(between(10*time.Millisecond, 500*time.Millisecond))
			continue
		}
		switch rng.IntN(4) {
		case 0, 1: // kept alive
			p.hold(context.Background(), h, between(time.Second, 8*time.Second))
		case 2: // renewed by Renew, late or early
			p.renewSometimes(h, between(time.Second, 8*time.Second), func() time.Duration {
				return between(100*time.Millisecond, 3*time.Second)
			})
		default: // not renewed, and used to its end perhaps
			p.act(h, between(500*time.Millisecond, 7*time.Second))
		}
		if rng.IntN(2) == 0 {
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			p.release(ctx, h)
			cancel()
		} else {
			p.stop(h)
		}
		time.Sleep(between(10*time.Millisecond, time.Second))
	}
}

// act works on the lease for a while, and reports whether it still has it.
func (p *process) act(h *heldLease, work time.Duration) bool {
	for began := time.Now(); time.Since(began) < work; time.Sleep(step) {
		if !p.sample(h) {
			return false
		}
	}
	return true
}

func (p *process) renewSometimes(h *heldLease, work time.Duration, pause func() time.Duration) {
	for began := time.Now(); time.Since(began) < work; {
		if !p.act(h, pause()) {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		p.renew(ctx, h) // if it fails, the next sample decides
		cancel()
	}
}
