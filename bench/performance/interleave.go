package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"leasehold.example/leasehold/bench/figures"
)

// A step is what one peer does in each round.
type step struct {
	peer  string
	works []string // what the durations are of that do returns; "" for one that is of no use
	size  int
	every int // rounds; 0 is 1
	do    func(round int) ([]time.Duration, error)
}

// interleave does each step once a round, in an order that is new in each
// round, so that whatever disturbs the machine disturbs all, and none always
// follows the same other. The first rounds warm up and do not count. On a slow
// machine there are fewer rounds, at least ten, so that they take about as long
// as limit.
func interleave(ctx context.Context, run *figures.Run, servers, warmUp, rounds int, limit time.Duration, steps []step) error {
	samples := map[figures.Key][]time.Duration{}
	order := rand.Perm(len(steps))
	begin := time.Now()
	for round := range warmUp + rounds {
		if round == warmUp/2 && time.Since(begin) > limit/4 { // too slow for all of that, too
			warmUp = round
		}
		if round >= warmUp+10 && time.Since(begin) > limit {
			break
		}
		rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, i := range order {
			s := steps[i]
			if (round-warmUp)%max(1, s.every) != 0 { // it is done in the first round that counts
				continue
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			took, err := s.do(round)
			if err != nil {
				return fmt.Errorf("%s by %s, round %d: %w", s.works[0], s.peer, round, err)
			}
			for i, work := range s.works {
				if round >= warmUp && work != "" {
					k := figures.Key{Work: work, Peer: s.peer, Servers: servers, Size: s.size}
					samples[k] = append(samples[k], took[i])
				}
			}
		}
	}
	for _, s := range steps {
		for _, work := range s.works {
			k := figures.Key{Work: work, Peer: s.peer, Servers: servers, Size: s.size}
			run.AddSamples(k, samples[k])
		}
	}
	return nil
}

// one makes a step's answer of one duration.
func one(took time.Duration, err error) ([]time.Duration, error) {
	return []time.Duration{took}, err
}

// timed makes one of how long f takes.
func timed(f func() error) ([]time.Duration, error) {
	begin := time.Now()
	err := f()
	return one(time.Since(begin), err)
}

// cycle makes one of an acquisition and its release: each, and both together.
func cycle(acquire, release func() error) ([]time.Duration, error) {
	begin := time.Now()
	err := acquire()
	acquired := time.Now()
	if err == nil {
		err = release()
	}
	end := time.Now()
	return []time.Duration{acquired.Sub(begin), end.Sub(acquired), end.Sub(begin)}, err
}
