package main

import (
	"context"
	"errors"
	"testing"
	"time"

	"leasehold.example/leasehold/bench/result"
)

func TestInterleave(t *testing.T) {
	t.Parallel()
	done := map[string][]int{}
	note := func(peer string, took ...time.Duration) func(int) ([]time.Duration, error) {
		return func(round int) ([]time.Duration, error) {
			done[peer] = append(done[peer], round)
			if round < 5 {
				return []time.Duration{time.Hour, time.Hour}, nil // it warms up
			}
			return took, nil
		}
	}
	measures, err := interleave(t.Context(), 5, 20, time.Hour, []step{
		{peer: "a", works: []string{"x", ""}, do: note("a", time.Millisecond, time.Minute)},
		{peer: "b", works: []string{"x", "y"}, do: note("b", 2*time.Millisecond, 3*time.Millisecond)},
		{peer: "c", works: []string{"x"}, slots: 100, every: 10, do: note("c", 4*time.Millisecond)},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []result.Measure{
		{Work: "x", Peer: "a", N: 20, Median: 1, P99: 1},
		{Work: "x", Peer: "b", N: 20, Median: 2, P99: 2},
		{Work: "y", Peer: "b", N: 20, Median: 3, P99: 3},
		{Work: "x", Peer: "c", N: 2, Slots: 100, Median: 4, P99: 4}, // in rounds 10 and 20
	}
	if len(measures) != len(want) {
		t.Fatalf("got %v, want %v", measures, want)
	}
	for i := range want {
		if measures[i] != want[i] {
			t.Errorf("got %+v, want %+v", measures[i], want[i])
		}
	}
	if len(done["a"]) != 25 || len(done["c"]) != 3 {
		t.Errorf("got %d and %d rounds, want 25 and 3", len(done["a"]), len(done["c"]))
	}
}

func TestInterleaveEndsInTime(t *testing.T) {
	t.Parallel()
	rounds := 0
	measures, err := interleave(t.Context(), 100, 1000, 0, []step{{works: []string{"x"}, do: func(int) ([]time.Duration, error) {
		rounds++
		return one(1, nil)
	}}})
	if err != nil || rounds != 60 || measures[0].N != 10 {
		t.Errorf("got %d rounds, %v and error %v, want half of those that warm up and ten more", rounds, measures, err)
	}
}

func TestInterleaveFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	steps := []step{{works: []string{"x"}, do: func(int) ([]time.Duration, error) { return nil, broken }}}
	if _, err := interleave(t.Context(), 0, 1, time.Hour, steps); !errors.Is(err, broken) {
		t.Errorf("got error %v, want %v", err, broken)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := interleave(over, 0, 1, time.Hour, steps); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want %v", err, context.Canceled)
	}
}
