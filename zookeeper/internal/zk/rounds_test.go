package zk_test

import (
	"context"
	"net"
	"testing"
	"time"

	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/zookeeper/internal/zk"
)

// Names that nobody answers for do not use up the time of a host that answers.
func TestNamesThatNeverResolve(t *testing.T) { // not in parallel: the resolver is everybody's
	resolver := net.DefaultResolver
	defer func() { net.DefaultResolver = resolver }()
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	fake := zktest.StartFake(t, zktest.AnswerRequests(func(r zktest.Request) []byte { return zktest.Reply(r, 0) }))
	hosts := []string{"a.example.:2181", "b.example.:2181", fake.Address(), "c.example.:2181"}
	begin := time.Now()
	for range 8 { // they are in another order each time
		openWith(t, zk.Config{Hosts: hosts, Timeout: 15 * time.Second}).Close()
	}
	if took := time.Since(begin); took > 4*time.Second {
		t.Errorf("got 8 sessions in %s, want no wait for the names", took)
	}
}

// Rounds of attempts take longer the longer there is no connection, and not
// always the same.
func TestRoundsGrow(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ down, least, most time.Duration }{
		{0, 500 * time.Millisecond, time.Second},
		{8 * time.Second, 500 * time.Millisecond, 1010 * time.Millisecond},
		{32 * time.Second, 2 * time.Second, 4010 * time.Millisecond},
		{24 * time.Hour, 4 * time.Second, 8 * time.Second},
	} {
		seen := map[time.Duration]bool{}
		for range 100 {
			got := zk.RoundTime(test.down)
			if got < test.least || got > test.most {
				t.Fatalf("after %s: got %s, want %s to %s", test.down, got, test.least, test.most)
			}
			seen[got] = true
		}
		if len(seen) < 50 {
			t.Errorf("after %s: got %d different times of 100", test.down, len(seen))
		}
	}
}
