package zookeeper_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/kazootest"
	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/kazoo"
	"leasehold.example/leasehold/zookeeper"
)

// takeEarly grants the lease at path to holder whatever the rule says, as a host
// whose clock runs ahead does before the stamp of its commit tells it so.
func takeEarly(t *testing.T, s *zookeeper.Store, path, holder string) (granted, replaced leasehold.Entry) {
	t.Helper()
	granted, replaced, err := s.Grant(t.Context(), leasehold.Entry{Path: path}, func(old leasehold.Entry) (leasehold.Proposal, error) {
		former := old.HeldUntil
		if rec, err := kazoo.Parse(old.Data); err == nil && rec.Holder != holder {
			former = rec.End
		}
		data := []byte(recordOf(t, holder, time.Now().Add(time.Hour)))
		return leasehold.Proposal{Data: data, Undo: old.Data, FormerEnd: former}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return granted, replaced
}

// A host took the lease over too early, and died before it could put the former
// record back. Its clock is right by now, and it asks again: the lease that it
// took counts for nobody until the former one has ended.
func TestEarlyTakeoverThatNobodyUndid(t *testing.T) {
	t.Parallel()
	server := zktest.Start(t)
	path := freshPath(t)
	a, b := open(t, server.Addr()), open(t, server.Addr())
	l, err := client(a, "host-a").TryAcquire(t.Context(), path, 4*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	takeEarly(t, b, path, "host-b")
	for _, again := range []*zookeeper.Store{b, open(t, server.Addr())} {
		_, err := client(again, "host-b").TryAcquire(t.Context(), path, time.Minute)
		var held *leasehold.HeldError
		if !errors.As(err, &held) || !held.End.Equal(l.End()) {
			t.Fatalf("before the former end: got %v, want that it is held until %s", err, l.End())
		}
	}
	before := server.Counters(t).Packets
	got, err := client(b, "host-b").Acquire(t.Context(), path, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if got := server.Counters(t).Packets - before; got > 40 { // pings included
		t.Errorf("got %d requests while it waited for the former end, want few", got)
	}
	defer got.Release(t.Context())
	if early := time.Until(l.End()); early > 50*time.Millisecond { // both clocks are this machine's
		t.Errorf("got the lease %s before the former end", early)
	}
	if left := l.Remaining(); left > 0 {
		t.Errorf("the former holder has %s left", left)
	}
}

// The same host asks again while its clock is still ahead. That takeover is taken
// back, and what is there again still counts for nobody.
func TestEarlyTakeoverTakenBackOnTopOfAnother(t *testing.T) {
	t.Parallel()
	server := zktest.Shared(t)
	path := freshPath(t)
	a, b := open(t, server.Addr()), open(t, server.Addr())
	l, err := client(a, "host-a").TryAcquire(t.Context(), path, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	takeEarly(t, b, path, "host-b")
	for range 2 {
		granted, replaced := takeEarly(t, b, path, "host-b")
		if err := b.Release(t.Context(), granted, replaced.Data, nil); err != nil {
			t.Fatal(err)
		}
		_, err = client(b, "host-b").TryAcquire(t.Context(), path, time.Minute)
		var held *leasehold.HeldError
		if !errors.As(err, &held) || !held.End.Equal(l.End()) {
			t.Fatalf("its clock is right again: got %v, want that it is held until %s", err, l.End())
		}
	}
	if err := l.Renew(t.Context()); err != nil {
		t.Errorf("the former holder's renewal: got %v, want nil", err)
	}
	wantHolder(t, b, path, "host-a")
}

// The rightful holder goes on, with its token, whether the early takeover is
// still there or was taken back, and also when that happens again.
func TestRightfulHolderGoesOn(t *testing.T) {
	t.Parallel()
	server := zktest.Shared(t)
	python := kazootest.Start(t, server.Addr())
	conn := zktest.Conn(t, server.Addr())
	path := freshPath(t)
	a, b := open(t, server.Addr()), open(t, server.Addr())
	l, err := client(a, "host-a").TryAcquire(t.Context(), path, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	token := l.Token()
	for _, undone := range []bool{true, true, false, false, true} {
		granted, replaced := takeEarly(t, b, path, "host-b")
		if undone {
			if err := b.Release(t.Context(), granted, replaced.Data, nil); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			if err := l.Renew(t.Context()); err != nil {
				t.Fatalf("taken back %t: Renew: got %v, want nil", undone, err)
			}
		}
		if got := l.Token(); got != token {
			t.Errorf("taken back %t: got the token %d, want %d as before", undone, got, token)
		}
		if err := b.Release(t.Context(), granted, replaced.Data, nil); !errors.Is(err, leasehold.ErrLost) {
			t.Errorf("taken back %t: a late undo: got %v, want ErrLost", undone, err)
		}
		wantHolder(t, b, path, "host-a")
		if ok, err := python.Lease(path, "host-p", time.Minute, time.Now()); err != nil || ok {
			t.Errorf("taken back %t: kazoo: got %t, %v, want a denial", undone, ok, err)
		}
	}
	granted, replaced := takeEarly(t, b, path, "host-b")
	if err := b.Release(t.Context(), granted, replaced.Data, nil); err != nil {
		t.Fatal(err)
	}
	if err := l.Release(t.Context()); err != nil {
		t.Errorf("Release: got %v, want nil", err)
	}
	if s, err := client(b, "host-b").Status(t.Context(), path); err != nil || s.State != leasehold.Free {
		t.Errorf("got the state %s and %v, want free", s.State, err)
	}
	wantNoDebris(t, conn, path)
}

// A takeover that was in order is no reason to go on, nor is a later grant to
// the same holder that happens to have the same record.
func TestHolderWhoHasLost(t *testing.T) {
	t.Parallel()
	server := zktest.Shared(t)
	for name, take := range map[string]func(t *testing.T, s *zookeeper.Store, path, record string){
		"another, after the end": func(t *testing.T, s *zookeeper.Store, path, _ string) {
			time.Sleep(2 * time.Second)
			acquire(t, s, "host-b", path)
		},
		"the same record": func(t *testing.T, s *zookeeper.Store, path, record string) {
			_, _, err := s.Grant(t.Context(), leasehold.Entry{Path: path}, func(leasehold.Entry) (leasehold.Proposal, error) {
				return leasehold.Proposal{Data: []byte(record), Undo: []byte(record)}, nil
			})
			if err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := freshPath(t)
			s := open(t, server.Addr())
			conn := zktest.Conn(t, server.Addr())
			held := acquireFor(t, s, "host-a", path, 2*time.Second)
			record, _ := read(t, conn, path)
			take(t, open(t, server.Addr()), path, record)
			if _, err := s.Renew(t.Context(), held, []byte(record)); !errors.Is(err, leasehold.ErrLost) {
				t.Errorf("Renew: got %v, want ErrLost", err)
			}
		})
	}
}

// The same holder's later grant was released: the record is what a release of the
// earlier one would have made of it.
func TestReleaseAfterALaterOneWasReleased(t *testing.T) {
	t.Parallel()
	server := zktest.Shared(t)
	path := freshPath(t)
	s := open(t, server.Addr())
	first, second := acquire(t, s, "host-a", path), acquire(t, s, "host-a", path)
	if err := second.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := first.Release(t.Context()); !errors.Is(err, leasehold.ErrLost) {
		t.Errorf("got %v, want ErrLost", err)
	}
}

// acquireFor makes a grant without a Client, which would look at the clock.
func acquireFor(t *testing.T, s *zookeeper.Store, holder, path string, d time.Duration) leasehold.Entry {
	t.Helper()
	data := []byte(recordOf(t, holder, time.Now().Add(d)))
	e, _, err := s.Grant(t.Context(), leasehold.Entry{Path: path}, func(leasehold.Entry) (leasehold.Proposal, error) {
		return leasehold.Proposal{Data: data, Undo: data}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// Two machines of one name are one holder, and both would run the job.
func TestSameNameOnAnotherMachine(t *testing.T) {
	t.Parallel()
	server := zktest.Shared(t)
	conn := zktest.Conn(t, server.Addr())
	path := freshPath(t)
	s := open(t, server.Addr())
	name, err := leasehold.DefaultHolder()
	if err != nil {
		t.Fatal(err)
	}
	byDefault := &leasehold.Client{Store: s}
	if _, err := byDefault.TryAcquire(t.Context(), path, time.Minute); err != nil {
		t.Fatal(err)
	}
	if _, err := byDefault.TryAcquire(t.Context(), path, time.Minute); err != nil {
		t.Fatalf("on the same machine: got %v, want a grant", err)
	}

	// As the other machine would have made it.
	children, _, err := conn.Children(path)
	if err != nil {
		t.Fatal(err)
	}
	var here, there string
	for _, child := range children {
		if fields := strings.Split(child, "-"); fields[0] == "grant" {
			here, there = child, "grant-"+fields[1]+"-deadbeef--"+fields[len(fields)-1]
			if fields[2] == "" {
				t.Fatal("this machine has no identity: put one into /etc/machine-id (systemd-machine-id-setup)")
			}
		}
	}
	if err := conn.Delete(path+"/"+here, -1); err != nil {
		t.Fatal(err)
	}
	create(t, conn, path+"/"+there, "")

	var same *leasehold.SameNameError
	if _, err := byDefault.TryAcquire(t.Context(), path, time.Minute); !errors.As(err, &same) || same.Holder != name || same.Other != "deadbeef" {
		t.Errorf("a default name: got %v, want a SameNameError for %q on deadbeef", err, name)
	}
	if _, err := (&leasehold.Client{Store: s, Holder: name}).TryAcquire(t.Context(), path, time.Minute); err != nil {
		t.Errorf("a name that was given: got %v, want a grant", err)
	}
}
