package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"leasehold.example/leasehold/bench/result"
)

// A step is what one peer does in each round.
type step struct {
	peer  string
	works []string // what the durations are of that do returns; "" for one that is of no use
	slots int
	every int // rounds; 0 is 1
	do    func(round int) ([]time.Duration, error)
}

// interleave does each step once a round, in an order that is new in each
// round, so that whatever disturbs the machine disturbs all, and none always
// follows the same other. The first rounds warm up and do not count. On a slow
// machine there are fewer rounds, at least ten, so that they take limit or so.
func interleave(ctx context.Context, warmUp, rounds int, limit time.Duration, steps []step) ([]result.Measure, error) {
	type series struct {
		work, peer string
		slots      int
	}
	samples := map[series][]time.Duration{}
	var order []series
	shuffled := make([]int, len(steps))
	for i := range shuffled {
		shuffled[i] = i
	}
	begin := time.Now()
	for round := range warmUp + rounds {
		if round == warmUp/2 && time.Since(begin) > limit/4 { // too slow for all of that, too
			warmUp = round
		}
		if round >= warmUp+10 && time.Since(begin) > limit {
			break
		}
		rand.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		for _, i := range shuffled {
			s := steps[i]
			if round%max(1, s.every) != 0 {
				continue
			}
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			took, err := s.do(round)
			if err != nil {
				return nil, fmt.Errorf("%s by %s, round %d: %w", s.works[0], s.peer, round, err)
			}
			if round < warmUp {
				continue
			}
			for i, work := range s.works {
				key := series{work, s.peer, s.slots}
				if work != "" {
					samples[key] = append(samples[key], took[i])
				}
			}
		}
	}
	for _, s := range steps {
		for _, work := range s.works {
			if work != "" {
				order = append(order, series{work, s.peer, s.slots})
			}
		}
	}
	measures := make([]result.Measure, 0, len(order))
	for _, key := range order {
		if len(samples[key]) == 0 {
			continue
		}
		m := result.Measure{Work: key.work, Peer: key.peer, Slots: key.slots, N: len(samples[key])}
		m.Median, m.P99 = result.Summarize(samples[key])
		measures = append(measures, m)
	}
	return measures, nil
}

// one makes a step's answer of one duration.
func one(took time.Duration, err error) ([]time.Duration, error) {
	return []time.Duration{took}, err
}

// cycle makes one of an acquisition and its release: each, and both together.
func cycle(acquire, release time.Duration, err error) ([]time.Duration, error) {
	return []time.Duration{acquire, release, acquire + release}, err
}
