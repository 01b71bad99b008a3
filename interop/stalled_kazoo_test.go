package interop_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/kazootest"
	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/kazoo"
	"leasehold.example/leasehold/zookeeper"
)

// An outcome is what an attempt in the background came to.
type outcome struct {
	lease *leasehold.Lease
	err   error
}

// attempt asks for the lease in the background.
func attempt(ctx context.Context, c *leasehold.Client, path string) <-chan outcome {
	done := make(chan outcome, 1)
	go func() {
		ctx, cancel := context.WithTimeout(ctx, within)
		defer cancel()
		lease, err := c.TryAcquire(ctx, path, leaseTime)
		done <- outcome{lease, err}
	}()
	return done
}

// wantDenied fails the test unless the attempt was denied because of holder.
func wantDenied(t *testing.T, o outcome, holder string) {
	t.Helper()
	if held, ok := errors.AsType[*leasehold.HeldError](o.err); !ok || held.Holder != holder {
		t.Errorf("got error %v, want a denial that names %q", o.err, holder)
	}
}

// awaitQueued returns when n clients queue for kazoo's lock on path, and fails
// the test if the attempt ends before.
func (l *lab) awaitQueued(t *testing.T, path string, n int, done <-chan outcome) {
	t.Helper()
	for {
		names, _, changed, err := l.conn.ChildrenW(path)
		if err != nil {
			t.Fatal(err)
		}
		locks := slices.DeleteFunc(names, func(name string) bool {
			_, isLock := kazoo.LockSequence(name)
			return !isLock
		})
		if len(locks) == n {
			return
		}
		select {
		case <-changed:
		case o := <-done:
			t.Fatalf("got the outcome %+v with %d clients in kazoo's queue, want it to wait until there are %d", o, len(locks), n)
		case <-time.After(within):
			t.Fatalf("got %d clients in kazoo's queue, want %d", len(locks), n)
		}
	}
}

// expired leaves a lease at path that ended a while before now. kazoo's record
// has the version 0, as all of its records.
func (l *lab) expired(t *testing.T, path string, now time.Time) {
	t.Helper()
	if ok, err := l.peer.Lease(path, "former", leaseTime, now.Add(-time.Hour)); !ok || err != nil {
		t.Fatalf("kazoo's former holder: got %v and error %v", ok, err)
	}
}

// underLock are the requests that kazoo makes while it has the lock and nobody
// has the lease.
var underLock = []kazootest.Step{
	kazootest.ExistsStep, kazootest.GetStep, kazootest.DeleteStep, kazootest.CreateStep,
}

// TestGoWaitsForAStalledKazoo has a kazoo client stand still while it takes an
// expired lease over. It will go on by what it has read, so nobody else may be
// granted the lease, and its record stands.
func TestGoWaitsForAStalledKazoo(t *testing.T) {
	t.Parallel()
	l, now := newLab(t), time.Now()
	for _, options := range []string{"", "?guard=off"} {
		for _, step := range underLock {
			t.Run(string(step)+options, func(t *testing.T) {
				t.Parallel()
				path := freshPath(t)
				host := goHost(t, "go", func() time.Time { return now }, options)
				l.expired(t, path, now)
				stalled, err := l.peer.Stall(step, path, "kazoo", leaseTime, now)
				if err != nil {
					t.Fatal(err)
				}
				done := attempt(t.Context(), host, path)
				l.wantKazooFirst(t, path, now, stalled, done)
			})
		}
	}
}

// wantKazooFirst has kazoo continue once Go has queued behind it: kazoo is granted
// the lease, and Go is denied.
func (l *lab) wantKazooFirst(t *testing.T, path string, now time.Time, stalled *kazootest.Stalled, done <-chan outcome) {
	t.Helper()
	l.awaitQueued(t, path, 2, done)
	if ok, err := stalled.Resume(); !ok || err != nil {
		t.Errorf("kazoo: got %v and error %v, want the lease", ok, err)
	}
	wantDenied(t, <-done, "kazoo")
	l.wantRecord(t, path, marshal(t, "kazoo", now, leaseTime))
	l.wantNoDebris(t, path)
}

// TestKazooComesBetweenReadingAndCommitting is the guard's case: when Go looked,
// nobody had the lock, and when its transaction arrives, the record is still
// the one that it read.
func TestKazooComesBetweenReadingAndCommitting(t *testing.T) {
	t.Parallel()
	l, now := newLab(t), time.Now()
	for _, step := range underLock {
		t.Run(string(step), func(t *testing.T) {
			t.Parallel()
			path := fmt.Sprintf("/between-%s-%d", step, now.UnixNano())
			proxy := zktest.NewProxy(t, zktest.Shared(t).Addr())
			ctx, cancel := context.WithTimeout(t.Context(), within)
			defer cancel()
			store, err := zookeeper.Open(ctx, "zk://"+proxy.Addr(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer store.Close()
			l.expired(t, path, now)

			proxy.HoldCommits(true)
			done := attempt(t.Context(), &leasehold.Client{Store: store, Holder: "go", Now: func() time.Time { return now }}, path)
			<-proxy.Held()
			stalled, err := l.peer.Stall(step, path, "kazoo", leaseTime, now)
			if err != nil {
				t.Fatal(err)
			}
			proxy.HoldCommits(false)
			l.wantKazooFirst(t, path, now, stalled, done)
		})
	}
}

// TestKazooThatHasNotReadYet is too late when Go is granted the lease, whatever
// it was about to do.
func TestKazooThatHasNotReadYet(t *testing.T) {
	t.Parallel()
	l, now, path := newLab(t), time.Now(), freshPath(t)
	l.expired(t, path, now)
	stalled, err := l.peer.Stall(kazootest.LockStep, path, "kazoo", leaseTime, now)
	if err != nil {
		t.Fatal(err)
	}
	if o := <-attempt(t.Context(), goHost(t, "go", func() time.Time { return now }, ""), path); o.err != nil {
		t.Error(o.err)
	}
	if ok, err := stalled.Resume(); ok || err != nil {
		t.Errorf("kazoo: got %v and error %v, want a denial", ok, err)
	}
	l.wantRecord(t, path, marshal(t, "go", now, leaseTime))
	l.wantNoDebris(t, path)
}

// TestKazooThatHasWritten need not be waited for, though it still has its lock.
func TestKazooThatHasWritten(t *testing.T) {
	t.Parallel()
	l, now, path := newLab(t), time.Now(), freshPath(t)
	l.expired(t, path, now)
	stalled, err := l.peer.Stall(kazootest.UnlockStep, path, "kazoo", leaseTime, now)
	if err != nil {
		t.Fatal(err)
	}
	wantDenied(t, <-attempt(t.Context(), goHost(t, "go", func() time.Time { return now }, ""), path), "kazoo")
	if ok, err := stalled.Resume(); !ok || err != nil {
		t.Errorf("kazoo: got %v and error %v, want the lease", ok, err)
	}
	l.wantRecord(t, path, marshal(t, "kazoo", now, leaseTime))
}

// TestKazooDiesBetweenDeletingAndCreating leaves a lock node and no record. Go
// is granted the lease once the dead client's session is over.
func TestKazooDiesBetweenDeletingAndCreating(t *testing.T) {
	t.Parallel()
	l, now, path := newLab(t), time.Now(), freshPath(t)
	l.expired(t, path, now)
	mortal := kazootest.StartWith(t, zktest.Shared(t).Addr(), kazootest.Config{SessionTimeout: time.Second})
	if _, err := mortal.Stall(kazootest.CreateStep, path, "kazoo", leaseTime, now); err != nil {
		t.Fatal(err)
	}
	done := attempt(t.Context(), goHost(t, "go", func() time.Time { return now }, ""), path)
	l.awaitQueued(t, path, 2, done)
	mortal.Kill()
	if o := <-done; o.err != nil {
		t.Errorf("got error %v, want the lease", o.err)
	}
	l.wantRecord(t, path, marshal(t, "go", now, leaseTime))
	l.wantNoDebris(t, path)
}

// TestWaitersBehindAStalledKazooGiveUp when their contexts end, and leave no
// lock node for others to wait for.
func TestWaitersBehindAStalledKazooGiveUp(t *testing.T) {
	t.Parallel()
	l, path := newLab(t), freshPath(t)
	held, err := l.peer.Lock(path, "kazoo")
	if err != nil {
		t.Fatal(err)
	}
	host := goHost(t, "go", nil, "")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := attempt(ctx, host, path)
	for watched := ""; !strings.Contains(watched, path+"/"+held.Node); {
		var err error
		if watched, err = zktest.Ask(zktest.Shared(t).Addr(), "wchp", within); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if err := (<-done).err; !errors.Is(err, leasehold.ErrQueued) || !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want ErrQueued and context.Canceled", err)
	}
	names, _, err := l.conn.Children(path)
	if want := []string{held.Node}; !slices.Equal(names, want) || err != nil {
		t.Errorf("got children %q and error %v, want %q", names, err, want)
	}
	if err := held.Unlock(); err != nil {
		t.Error(err)
	}
	if _, _, err := l.conn.Get(path + "/" + kazoo.RecordName); !errors.Is(err, zk.ErrNoNode) {
		t.Errorf("got error %v for the record, want none there", err)
	}
}
