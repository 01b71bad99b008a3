package leasehold_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/leasetest"
)

func TestContext(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		l := acquire(t, client(leasetest.NewStore(), "host-a"), time.Minute)
		ctx, cancel := l.Context(t.Context())
		defer cancel()
		from := time.Now()
		time.Sleep(30 * time.Second)
		wantNil(t, "Renew", l.Renew(t.Context())) // 30 s more
		<-ctx.Done()
		wantTime(t, "ended after", time.Since(from), 30*time.Second+usableMinute-graceMinute)
		wantErr(t, "cause", context.Cause(ctx), leasehold.ErrLost)
	})
}

func TestContextEndsWithItsParent(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		l := acquire(t, client(leasetest.NewStore(), "host-a"), time.Minute)
		parent, end := context.WithCancelCause(t.Context())
		ctx, cancel := l.Context(parent)
		own := errors.New("closing time")
		end(own)
		<-ctx.Done()
		wantErr(t, "cause", context.Cause(ctx), own)
		cancel()

		ctx, cancel = l.Context(t.Context())
		cancel()
		synctest.Wait()
		wantErr(t, "after cancel", context.Cause(ctx), context.Canceled)
	})
}

func TestContextOfALostLease(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		l := acquire(t, client(leasetest.NewStore(), "host-a"), time.Minute)
		ctx, cancel := l.Context(t.Context())
		defer cancel()
		wantNil(t, "Release", l.Release(t.Context()))
		from := time.Now()
		<-ctx.Done()
		if took := time.Since(from); took > time.Second {
			t.Fatalf("ended %s after the release, want 1s at most", took)
		}
		wantErr(t, "cause", context.Cause(ctx), leasehold.ErrLost)
	})
}
