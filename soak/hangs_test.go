package soak_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/faultlab"
	"leasehold.example/leasehold/zookeeper"
)

// Each follower hangs in turn, for longer than a lease. Nobody's lease ends, to
// whichever server its holder is connected.
func TestLeasesOutliveAServerThatHangs(t *testing.T) {
	t.Parallel()
	const (
		holders  = 9 // so that some are sure to be connected to each server
		duration = 10 * time.Second
	)
	// The leader and one follower are just enough: a busy machine must not make
	// the leader drop that one as well.
	lab := faultlab.Start(t, faultlab.Config{Servers: 3, ServerConfig: "syncLimit=120\n"})
	hosts := lab.Hosts()
	ctx, end := context.WithCancel(t.Context())
	var working sync.WaitGroup
	defer working.Wait()
	defer end()
	for i := range holders {
		store, err := zookeeper.Open(ctx, "zk://"+hosts, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { store.Close() })
		client := &leasehold.Client{Store: store, Holder: fmt.Sprintf("holder-%d", i)}
		lease, err := client.TryAcquire(ctx, fmt.Sprintf("/hangs/%d", i), duration)
		if err != nil {
			t.Fatal(err)
		}
		working.Go(func() {
			err := lease.Hold(ctx, func(ctx context.Context) error {
				<-ctx.Done()
				return nil
			})
			if err != nil {
				t.Errorf("%s: got error %v, want the lease kept", lease, err)
			}
		})
	}
	leader := lab.Leader()
	for i := range lab.Servers() {
		if i == leader {
			continue
		}
		lab.Pause(i)
		time.Sleep(duration + 2*time.Second)
		lab.Resume(i)
		lab.AwaitSettled(t)
	}
}
