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

// step is how long a process acts between two looks.
const step = 50 * time.Millisecond

// compete goes for leases, by chance, and never returns.
func (p *process) compete(plan string, seed uint64) {
	chance := rand.New(rand.NewPCG(seed, 0))
	between := func(min, max time.Duration) time.Duration {
		return min + time.Duration(chance.Int64N(int64(max-min)))
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
		r := leases[chance.IntN(len(leases))]
		r.duration = between(2*time.Second, 6*time.Second)
		within := between(500*time.Millisecond, 4*time.Second)
		r.op = "try"
		if chance.IntN(2) == 0 {
			r.op, within = "acquire", within+2*time.Second
		}
		if r.slots > 0 {
			r.op += " slot"
		}
		ctx, cancel := context.WithTimeout(context.Background(), within)
		a := p.acquire(ctx, r)
		cancel()
		if a == nil {
			time.Sleep(between(10*time.Millisecond, 500*time.Millisecond))
			continue
		}
		switch chance.IntN(4) {
		case 0, 1: // kept alive
			p.hold(context.Background(), a, between(time.Second, 8*time.Second))
		case 2: // renewed by hand, late or early as it comes
			p.renewByHand(a, between(time.Second, 8*time.Second), func() time.Duration {
				return between(100*time.Millisecond, 3*time.Second)
			})
		default: // used as it is, to its end perhaps
			p.act(a, between(500*time.Millisecond, 7*time.Second))
		}
		if chance.IntN(2) == 0 {
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			p.release(ctx, a)
			cancel()
		} else {
			p.stop(a)
		}
		time.Sleep(between(10*time.Millisecond, time.Second))
	}
}

// act works on the lease for a while, and reports whether it still has it.
func (p *process) act(a *acting, work time.Duration) bool {
	for began := time.Now(); time.Since(began) < work; time.Sleep(step) {
		if !p.look(a) {
			return false
		}
	}
	return true
}

func (p *process) renewByHand(a *acting, work time.Duration, pause func() time.Duration) {
	for began := time.Now(); time.Since(began) < work; {
		if !p.act(a, pause()) {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		_ = p.renew(ctx, a) // logged; the next look decides
		cancel()
	}
}
