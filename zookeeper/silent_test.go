package zookeeper_test

import (
	"context"
	"testing"
	"time"

	"leasehold.example/leasehold/internal/zktest"
)

// One server hangs while others answer. A short lease is kept, whatever the
// session's timeout: a renewal that has no answer goes to another server.
func TestServerThatHangs(t *testing.T) {
	t.Parallel()
	for name, server := range map[string]*zktest.Server{
		"short sessions": zktest.Shared(t),
		"long sessions":  zktest.StartWith(t, zktest.Config{Extra: "minSessionTimeout=60000"}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			servers := []*zktest.Proxy{zktest.NewProxy(t, server.Addr()), zktest.NewProxy(t, server.Addr())}
			s := openWith(t, servers[0].Addr()+","+servers[1].Addr(), nil)
			l, err := client(s, "host-a").TryAcquire(t.Context(), freshPath(t), 10*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			err = l.Hold(t.Context(), func(ctx context.Context) error {
				for _, p := range servers {
					if p.Connections() > 0 {
						p.Mute(true)
					}
				}
				select {
				case <-ctx.Done():
				case <-time.After(15 * time.Second):
				}
				return context.Cause(ctx)
			})
			if err != nil {
				t.Errorf("got error %v, want the lease kept", err)
			}
			for _, p := range servers {
				p.Mute(false)
			}
		})
	}
}
