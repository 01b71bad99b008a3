package zookeeper_test

import (
	"context"
	"errors"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/zktest"
)

const noNode = -101

// A tree without end is listed until the context ends.
func TestEndlessTree(t *testing.T) {
	t.Parallel()
	const children = 50_000
	names := zktest.Encode(children)
	for i := range children {
		name := strconv.Itoa(i)
		names = append(names, zktest.Encode(len(name), name)...)
	}
	fake := zktest.StartFake(t, zktest.AnswerRequests(func(r zktest.Request) []byte { return zktest.Reply(r, 0, names, zktest.Stat) }))
	s := open(t, fake.Address())
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := s.List(ctx, "/"); err == nil {
		t.Error("got a list, want an error")
	}
}

// An answer to a commit that makes no sense leaves its outcome unknown.
func TestMalformedCommit(t *testing.T) {
	t.Parallel()
	var commits atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	fake := zktest.StartFake(t, zktest.AnswerRequests(func(r zktest.Request) []byte {
		switch r.Op {
		case zktest.OpMulti:
			if commits.Add(1) > 1 {
				cancel()
			}
			return zktest.Reply(r, 0, -1, "\x01", -1) // no results
		case zktest.OpSync:
			return zktest.Reply(r, 0, 2, "/x")
		default:
			return zktest.Reply(r, noNode)
		}
	}))
	_, err := client(open(t, fake.Address()), "host-a").TryAcquire(ctx, "/x", time.Minute)
	if !errors.Is(err, leasehold.ErrOutcomeUnknown) {
		t.Errorf("got %v after %d commits, want ErrOutcomeUnknown", err, commits.Load())
	}
}
