package zookeeper_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/kazootest"
	"leasehold.example/leasehold/internal/zktest"
)

const lockNode = "/0123456789abcdef0123456789abcdef__lock__"

// What may happen between the last read and the commit. Each makes the guarded
// transaction fail; what the next attempt finds then decides.
func TestGuard(t *testing.T) {
	t.Parallel()
	hour := time.Now().Add(time.Hour)
	addLock := func(t *testing.T, conn *zk.Conn, path string) string {
		lock, err := conn.Create(path+lockNode, nil, zk.FlagEphemeral|zk.FlagSequence, zk.WorldACL(zk.PermAll))
		if err != nil {
			t.Error(err)
		}
		return lock
	}
	remove := func(t *testing.T, conn *zk.Conn, path string) {
		if err := conn.Delete(path, -1); err != nil {
			t.Error(err)
		}
	}
	tests := []struct {
		name    string
		meddle  func(t *testing.T, conn *zk.Conn, path string)
		holder  string // afterwards
		commits int    // how often a write was tried: the first one fails
	}{
		{"nothing", func(*testing.T, *zk.Conn, string) {}, "host-a", 1},
		{"the run log is set", func(t *testing.T, conn *zk.Conn, path string) {
			if _, err := conn.Set(path, []byte("a log"), -1); err != nil {
				t.Error(err)
			}
		}, "host-a", 1},
		{"a lock node arrives and leaves later", func(t *testing.T, conn *zk.Conn, path string) {
			lock := addLock(t, conn, path)
			time.AfterFunc(300*time.Millisecond, func() { conn.Delete(lock, -1) })
		}, "host-a", 2},
		{"a lock node comes and goes", func(t *testing.T, conn *zk.Conn, path string) {
			remove(t, conn, addLock(t, conn, path))
		}, "host-a", 2},
		{"kazoo takes the lease, without a trace of its lock", func(t *testing.T, conn *zk.Conn, path string) {
			lock := addLock(t, conn, path)
			remove(t, conn, path+"/lease_holder")
			create(t, conn, path+"/lease_holder", recordOf(t, "host-k", hour))
			remove(t, conn, lock)
		}, "host-k", 1},
		{"the record is replaced", func(t *testing.T, conn *zk.Conn, path string) {
			remove(t, conn, path+"/lease_holder")
			create(t, conn, path+"/lease_holder", recordOf(t, "host-k", hour))
		}, "host-k", 1},
		{"the record is set", func(t *testing.T, conn *zk.Conn, path string) {
			if _, err := conn.Set(path+"/lease_holder", []byte(recordOf(t, "host-k", hour)), -1); err != nil {
				t.Error(err)
			}
		}, "host-k", 1},
		{"the record is deleted", func(t *testing.T, conn *zk.Conn, path string) {
			remove(t, conn, path+"/lease_holder")
		}, "host-a", 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := zktest.Shared(t)
			conn := zktest.Conn(t, server.Addr())
			path := strings.ReplaceAll(freshPath(t), ",", "")
			expire(t, conn, path, "host-p")
			s := open(t, server.Addr())
			commits := 0
			s.BeforeCommit(func() {
				if commits++; commits == 1 {
					test.meddle(t, conn, path)
				}
			})
			_, err := client(s, "host-a").TryAcquire(t.Context(), path, time.Minute)
			if granted := err == nil; granted != (test.holder == "host-a") || !granted && !errors.Is(err, leasehold.ErrHeld) {
				t.Errorf("got error %v", err)
			}
			wantHolder(t, s, path, test.holder)
			if commits != test.commits {
				t.Errorf("got %d attempts to commit, want %d", commits, test.commits)
			}
			wantNoDebris(t, conn, path)
		})
	}
}

// A record read before the children may be gone by then, and another in its
// place that looks the same to a check of its version.
func TestRecordIsReadAfterChildren(t *testing.T) {
	t.Parallel()
	server := zktest.Shared(t)
	conn := zktest.Conn(t, server.Addr())
	path := freshPath(t)
	expire(t, conn, path, "host-p")
	s := open(t, server.Addr())
	s.BeforeCommit(func() { t.Error("got a write, want none") })
	c := client(s, "host-a")
	asked := 0
	c.Now = func() time.Time {
		if asked++; asked == 2 { // first for the arguments, now with the record read and the children not
			if err := conn.Delete(path+"/lease_holder", -1); err != nil {
				t.Error(err)
			}
			create(t, conn, path+"/lease_holder", recordOf(t, "host-k", time.Now().Add(time.Hour)))
		}
		return time.Now()
	}
	if _, err := c.TryAcquire(t.Context(), path, time.Minute); !errors.Is(err, leasehold.ErrHeld) {
		t.Errorf("got %v, want a denial", err)
	}
	wantHolder(t, s, path, "host-k")
}

// kazoo's lock excludes us, and ours excludes kazoo, at every step of its way.
func TestKazooStalled(t *testing.T) {
	t.Parallel()
	server := zktest.Shared(t)
	python := kazootest.Start(t, server.Addr())
	conn := zktest.Conn(t, server.Addr())
	s := open(t, server.Addr())
	for _, step := range []kazootest.Step{kazootest.ExistsStep, kazootest.GetStep, kazootest.DeleteStep, kazootest.CreateStep, kazootest.UnlockStep} {
		t.Run(string(step), func(t *testing.T) {
			path := freshPath(t)
			expire(t, conn, path, "host-p")
			stalled, err := python.Stall(step, path, "host-k", time.Hour, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			outcome := make(chan error, 1)
			go func() {
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				_, err := client(s, "host-a").TryAcquire(ctx, path, time.Minute)
				outcome <- err
			}()
			if step != kazootest.UnlockStep { // with the record there, we need not wait
				select {
				case err := <-outcome:
					t.Fatalf("got %v while kazoo held its lock, want to wait", err)
				case <-time.After(200 * time.Millisecond):
				}
			} else if err := <-outcome; !errors.Is(err, leasehold.ErrHeld) {
				t.Errorf("got %v, want a denial", err)
			} else {
				outcome <- err
			}
			if ok, err := stalled.Resume(); err != nil || !ok {
				t.Errorf("kazoo's attempt: got %v, %v, want obtained", ok, err)
			}
			if err := <-outcome; !errors.Is(err, leasehold.ErrHeld) {
				t.Errorf("got %v, want a denial", err)
			}
			wantHolder(t, s, path, "host-k")
			wantNoDebris(t, conn, path)
		})
	}
}

// With the guard off, and behind somebody who stays, the queue is taken.
func TestGuardOff(t *testing.T) {
	t.Parallel()
	server := zktest.Start(t)
	conn := zktest.Conn(t, server.Addr())
	expire(t, conn, "/off", "host-p")
	s := open(t, server.Addr()+"?guard=off")
	before := server.Counters(t)
	lease := acquire(t, s, "host-a", "/off")
	if got := server.Counters(t).Zxid - before.Zxid; got != 2 {
		t.Errorf("got %d transactions, want 2: a lock node and the commit", got)
	}
	if err := lease.Renew(t.Context()); err != nil {
		t.Error(err)
	}
	if err := client(s, "host-a").Release(t.Context(), "/off"); err != nil {
		t.Error(err)
	}
	if err := lease.Renew(t.Context()); !errors.Is(err, leasehold.ErrLost) {
		t.Errorf("renew after a release: got %v, want ErrLost", err)
	}
	wantNoDebris(t, conn, "/off")
}
