package main

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"leasehold.example/leasehold/bench/figures"
)

func TestInterleave(t *testing.T) {
	t.Parallel()
	rounds := map[string]int{}
	sample := func(peer string, took ...time.Duration) func(int) ([]time.Duration, error) {
		return func(round int) ([]time.Duration, error) {
			rounds[peer]++
			if round < 5 {
				return []time.Duration{time.Hour, time.Hour}, nil // it warms up
			}
			return took, nil
		}
	}
	var run figures.Run
	err := interleave(t.Context(), &run, 3, 5, 20, time.Hour, []step{
		{peer: "a", works: []string{"x", ""}, do: sample("a", time.Millisecond, time.Minute)},
		{peer: "b", works: []string{"x", "y"}, do: sample("b", 2*time.Millisecond, 3*time.Millisecond)},
		{peer: "c", works: []string{"x"}, size: 100, every: 10, do: sample("c", 4*time.Millisecond)},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []figures.Figure{
		{Key: figures.Key{Work: "x", Peer: "a", Servers: 3}, N: 20, Median: 1, P99: 1},
		{Key: figures.Key{Work: "x", Peer: "b", Servers: 3}, N: 20, Median: 2, P99: 2},
		{Key: figures.Key{Work: "y", Peer: "b", Servers: 3}, N: 20, Median: 3, P99: 3},
		{Key: figures.Key{Work: "x", Peer: "c", Servers: 3, Size: 100}, N: 2, Median: 4, P99: 4}, // in rounds 5 and 15
	}
	if !slices.Equal(run.Figures, want) {
		t.Errorf("got %+v, want %+v", run.Figures, want)
	}
	if rounds["a"] != 25 || rounds["c"] != 2 {
		t.Errorf("got %d and %d rounds, want 25 and 2", rounds["a"], rounds["c"])
	}
}

func TestInterleaveEndsInTime(t *testing.T) {
	t.Parallel()
	rounds := 0
	var run figures.Run
	err := interleave(t.Context(), &run, 1, 100, 1000, 0, []step{{works: []string{"x"}, do: func(int) ([]time.Duration, error) {
		rounds++
		return one(1, nil)
	}}})
	if err != nil || rounds != 60 || run.Figures[0].N != 10 {
		t.Errorf("got %d rounds, %v and error %v, want half of those that warm up and ten more", rounds, run.Figures, err)
	}
}

func TestInterleaveFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	steps := []step{{works: []string{"x"}, do: func(int) ([]time.Duration, error) { return nil, broken }}}
	if err := interleave(t.Context(), &figures.Run{}, 1, 0, 1, time.Hour, steps); !errors.Is(err, broken) {
		t.Errorf("got error %v, want %v", err, broken)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := interleave(over, &figures.Run{}, 1, 0, 1, time.Hour, steps); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want %v", err, context.Canceled)
	}
}
