package zookeeper_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/zktest"
)

// Behind a lock of kazoo's that never ends there is a slot less, and no more.
func TestSlotBehindKazoosLock(t *testing.T) {
	t.Parallel()
	server := zktest.Shared(t)
	conn := zktest.Conn(t, server.Addr())
	s := open(t, server.Addr())
	path := freshPath(t)
	create(t, conn, path, "")
	expire(t, conn, path+"/0", "host-p")
	create(t, conn, path+"/0"+lockNode+"0000000000", "host-k")

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	first, err := client(s, "host-a").TryAcquireSlot(ctx, path, 2, time.Minute)
	if err != nil || first.Slot() != 1 {
		t.Fatalf("got %v and error %v, want slot 1", first, err)
	}
	// Whoever waits learns that another slot is free.
	go func() {
		for {
			names, _, err := conn.Children(path + "/0")
			if err != nil || len(names) > 2 { // the waiting one has its lock node
				break
			}
		}
		first.Release(ctx)
	}()
	second, err := client(s, "host-b").AcquireSlot(ctx, path, 2, time.Minute)
	if err != nil || second.Slot() != 1 {
		t.Fatalf("got %v and error %v, want slot 1", second, err)
	}
}

// Where every free slot is behind such a lock, all of them are waited for.
func TestAllSlotsBehindKazoosLock(t *testing.T) {
	t.Parallel()
	server := zktest.Shared(t)
	conn := zktest.Conn(t, server.Addr())
	s := open(t, server.Addr())
	path := freshPath(t)
	create(t, conn, path, "")
	for _, slot := range []string{"/0", "/1"} {
		expire(t, conn, path+slot, "host-p")
		create(t, conn, path+slot+lockNode+"0000000000", "host-k")
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { // until it has left the queue of the first slot, and is in that of the second
		defer cancel()
		for names, _, err := conn.Children(path + "/1"); err == nil && len(names) == 2; {
			names, _, err = conn.Children(path + "/1")
		}
	}()
	_, err := client(s, "host-a").TryAcquireSlot(ctx, path, 2, time.Minute)
	if !errors.Is(err, leasehold.ErrQueued) || !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), `"host-k"`) {
		t.Errorf("got %v, want ErrQueued that names host-k", err)
	}
	for _, slot := range []string{"/0", "/1"} {
		deadline := time.Now().Add(20 * time.Second) // a cleaner may see to it
		names, _, err := conn.Children(path + slot)
		for ; err == nil && len(names) != 2 && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
			names, _, err = conn.Children(path + slot)
		}
		if err != nil || len(names) != 2 {
			t.Errorf("got %q, %v, want the record and the other's lock node only", names, err)
		}
	}
	go func() {
		for {
			names, _, err := conn.Children(path + "/1")
			if err != nil || len(names) > 2 {
				break
			}
		}
		conn.Delete(path+"/1"+lockNode+"0000000000", -1)
	}()
	ctx, cancel = context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	l, err := client(s, "host-a").TryAcquireSlot(ctx, path, 2, time.Minute)
	if err != nil || l.Slot() != 1 {
		t.Errorf("got %v and error %v, want slot 1", l, err)
	}
}
