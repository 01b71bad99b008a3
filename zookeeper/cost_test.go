package zookeeper_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/zookeeper"
)

func TestSmoke(t *testing.T) {
	srv := zktest.Start(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	s, err := zookeeper.Open(ctx, "zk://"+srv.Addr(), &zookeeper.Options{SessionTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c := leasehold.Client{Store: s, Holder: "a"}
	d := leasehold.Client{Store: s, Holder: "b"}
	count := func(name string, f func()) {
		before := srv.Counters(t)
		f()
		after := srv.Counters(t)
		t.Logf("%s: %d packets, %d txns", name, after.Packets-before.Packets, after.Zxid-before.Zxid)
	}
	var l *leasehold.Lease
	count("new path", func() { l, err = c.TryAcquire(ctx, "/x", time.Minute) })
	t.Log(l, err, l.Remaining(), l.Token())
	count("deny", func() { _, err = d.TryAcquire(ctx, "/x", time.Minute) })
	t.Log(err, errors.Is(err, leasehold.ErrHeld))
	count("renew", func() { err = l.Renew(ctx) })
	t.Log(err, l.Remaining())
	count("anew", func() { l, err = c.TryAcquire(ctx, "/x", time.Minute) })
	t.Log(err)
	count("release", func() { err = l.Release(ctx) })
	t.Log(err)
	count("after release", func() { l, err = d.TryAcquire(ctx, "/x", time.Minute) })
	t.Log(err)
	count("release by other process", func() { err = d.Release(ctx, "/x") })
	t.Log(err)
	count("deep", func() { l, err = d.TryAcquire(ctx, "/p/q/r", time.Minute) })
	t.Log(err)
	st, err := d.List(ctx, "/")
	t.Log(st, err)
}
