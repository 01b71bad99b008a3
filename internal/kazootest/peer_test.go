package kazootest_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"leasehold.example/leasehold/internal/kazootest"
	"leasehold.example/leasehold/internal/zktest"
)

func TestMain(m *testing.M) { zktest.Main(m) }

const minute = time.Minute

var noon = time.Date(2026, 11, 22, 12, 0, 0, 999_999_000, time.UTC)

func start(t *testing.T) (p *kazootest.Peer, path string) {
	t.Helper()
	return kazootest.Start(t, zktest.Shared(t).Addr()), "/" + t.Name()
}

// wantObtained fails the test unless an attempt ended as it should.
func wantObtained(t *testing.T, want bool) func(got bool, err error) {
	t.Helper()
	return func(got bool, err error) {
		t.Helper()
		if got != want || err != nil {
			t.Errorf("obtained: got %v and error %v, want %v", got, err, want)
		}
	}
}

func wantRecord(t *testing.T, p *kazootest.Peer, path, want string) {
	t.Helper()
	got, err := p.Get(path + "/lease_holder")
	if string(got) != want || err != nil {
		t.Errorf("record: got %s and error %v, want %s", got, err, want)
	}
}

// wantError fails the test unless err is an exception of the given class.
func wantError(t *testing.T, err error, class string) {
	t.Helper()
	if e, ok := errors.AsType[*kazootest.Error](err); !ok || e.Type != class {
		t.Errorf("got error %v, want a %s", err, class)
	}
}

func TestLease(t *testing.T) {
	t.Parallel()
	p, path := start(t)
	wantObtained(t, true)(p.Lease(path, "a", minute, noon))
	wantRecord(t, p, path, `{"version": 1, "holder": "a", "end": "2026-11-22T12:01:00"}`)
	wantObtained(t, false)(p.Lease(path, "b", minute, noon))
	wantObtained(t, true)(p.Lease(path, "b", minute, noon.Add(minute)))
}

func TestLeaseByTheRealClock(t *testing.T) {
	t.Parallel()
	p, path := start(t)
	before := time.Now().UTC().Truncate(time.Second)
	wantObtained(t, true)(p.Lease(path, "a", minute, time.Time{}))
	after := time.Now().UTC()
	record, err := p.Get(path + "/lease_holder")
	if err != nil {
		t.Fatal(err)
	}
	for end := before.Add(minute); !end.After(after.Add(minute)); end = end.Add(time.Second) {
		if strings.Contains(string(record), end.Format("2006-01-02T15:04:05")) {
			return
		}
	}
	t.Errorf("got %s, want an end one minute after %s", record, before)
}

func TestMultiLease(t *testing.T) {
	t.Parallel()
	p, path := start(t)
	wantObtained(t, true)(p.MultiLease(2, path, "a", minute, noon))
	wantObtained(t, true)(p.MultiLease(2, path, "b", minute, noon))
	wantObtained(t, false)(p.MultiLease(2, path, "c", minute, noon))
	wantRecord(t, p, path+"/1", `{"version": 1, "holder": "b", "end": "2026-11-22T12:01:00"}`)
}

func TestLeaseOfAnotherVersion(t *testing.T) {
	t.Parallel()
	p, path := start(t)
	wantObtained(t, true)(p.LeaseVersion(2, path, "a", minute, noon))
	wantRecord(t, p, path, `{"version": 2, "holder": "a", "end": "2026-11-22T12:01:00"}`)
	wantObtained(t, false)(p.Lease(path, "a", minute, noon.Add(time.Hour)))
}

func TestLockKeepsOthersWaiting(t *testing.T) {
	t.Parallel()
	p, path := start(t)
	held, err := p.Lock(path, "a")
	if err != nil {
		t.Fatal(err)
	}
	queued, err := p.QueueLock(path, "b")
	if err != nil {
		t.Fatal(err)
	}
	given, err := p.QueueLock(path, "c")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{held.Node, queued.Node, given.Node}
	slices.Sort(want)
	if got, err := p.Children(path); !slices.Equal(got, want) || err != nil {
		t.Errorf("got lock nodes %q and error %v, want %q", got, err, want)
	}
	if err := given.Unlock(); err != nil { // while it waits
		t.Error(err)
	}
	awaited := make(chan error, 1)
	go func() { awaited <- queued.Await() }()
	select {
	case err := <-awaited:
		t.Errorf("the lock was had twice (error %v)", err)
	case <-time.After(50 * time.Millisecond):
	}
	if err := held.Unlock(); err != nil {
		t.Error(err)
	}
	if err := <-awaited; err != nil {
		t.Error(err)
	}
	if err := queued.Unlock(); err != nil {
		t.Error(err)
	}
	if got, err := p.Children(path); len(got) != 0 || err != nil {
		t.Errorf("got children %q and error %v, want none", got, err)
	}
}

// TestStall stops an attempt before each of its requests in turn, and finds
// what those before it have left.
func TestStall(t *testing.T) {
	t.Parallel()
	p, base := start(t)
	for _, c := range []struct {
		before         kazootest.Step
		lock, old, new bool
	}{
		{kazootest.LockStep, false, true, false},
		{kazootest.ExistsStep, true, true, false},
		{kazootest.GetStep, true, true, false},
		{kazootest.DeleteStep, true, true, false},
		{kazootest.CreateStep, true, false, false},
		{kazootest.UnlockStep, true, false, true},
	} {
		t.Run(string(c.before), func(t *testing.T) {
			path := base + "/" + string(c.before)
			wantObtained(t, true)(p.Lease(path, "old", minute, noon))
			stalled, err := p.Stall(c.before, path, "new", minute, noon.Add(minute))
			if err != nil {
				t.Fatal(err)
			}
			names, err := p.Children(path)
			if err != nil {
				t.Fatal(err)
			}
			if got := slices.ContainsFunc(names, func(n string) bool { return strings.Contains(n, "__lock__") }); got != c.lock {
				t.Errorf("lock node among %q: got %v, want %v", names, got, c.lock)
			}
			record, err := p.Get(path + "/lease_holder")
			if !c.old && !c.new {
				wantError(t, err, "NoNodeError")
			}
			if got := strings.Contains(string(record), `"old"`); got != c.old {
				t.Errorf("old record: got %v, want %v", got, c.old)
			}
			if got := strings.Contains(string(record), `"new"`); got != c.new {
				t.Errorf("new record: got %v, want %v", got, c.new)
			}
			wantObtained(t, true)(stalled.Resume())
			wantRecord(t, p, path, `{"version": 1, "holder": "new", "end": "2026-11-22T12:02:00"}`)
		})
	}
}

func TestStallThatIsNeverReached(t *testing.T) {
	t.Parallel()
	p, path := start(t)
	_, err := p.Stall(kazootest.DeleteStep, path, "a", minute, noon) // there is nothing to delete
	wantError(t, err, "RuntimeError")
}

func TestExceptionsAreErrors(t *testing.T) {
	t.Parallel()
	p, path := start(t)
	wantError(t, p.Delete(path), "NoNodeError")
	wantObtained(t, true)(p.Lease(path, "a", minute, noon))
	wantError(t, p.Delete(path), "NotEmptyError")
	if err := p.Set(path+"/lease_holder", []byte("?")); err != nil {
		t.Fatal(err)
	}
	_, err := p.Lease(path, "a", minute, noon)
	wantError(t, err, "JSONDecodeError")
	if err := p.DeleteTree(path); err != nil {
		t.Fatal(err)
	}
	_, err = p.Get(path)
	wantError(t, err, "NoNodeError")
}

func TestRace(t *testing.T) {
	t.Parallel()
	p, path := start(t)
	holders := make([]string, 5)
	for i := range holders {
		holders[i] = fmt.Sprint("host-", i)
	}
	racers, err := p.Racers(holders...)
	if err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		lease := fmt.Sprint(path, "/", round)
		got, err := racers.Race(lease, minute, noon, time.Now().Add(20*time.Millisecond))
		if err != nil || len(got) != 1 {
			t.Fatalf("got winners %q and error %v, want one", got, err)
		}
		wantRecord(t, p, lease, fmt.Sprintf(`{"version": 1, "holder": %q, "end": "2026-11-22T12:01:00"}`, got[0]))
	}
}

func TestSessionsEndWithThePeer(t *testing.T) {
	t.Parallel()
	conn, path := zktest.Conn(t, zktest.Shared(t).Addr()), "/"+t.Name()
	t.Run("peer", func(t *testing.T) {
		p := kazootest.Start(t, zktest.Shared(t).Addr())
		if err := p.Create(path, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := p.CreateEphemeral(path+"/x-", nil); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Stall(kazootest.ExistsStep, path, "a", minute, noon); err != nil {
			t.Fatal(err)
		}
	})
	if got, _, err := conn.Children(path); len(got) != 0 || err != nil {
		t.Errorf("got children %q and error %v, want none", got, err)
	}
}

func TestKilledPeerLeavesItsNodesUntilTheSessionTimeout(t *testing.T) {
	t.Parallel()
	addr, path := zktest.Shared(t).Addr(), "/"+t.Name()
	p := kazootest.StartWith(t, addr, kazootest.Config{SessionTimeout: time.Second})
	lock, err := p.Lock(path, "a")
	if err != nil {
		t.Fatal(err)
	}
	conn := zktest.Conn(t, addr)
	there, _, gone, err := conn.ExistsW(path + "/" + lock.Node)
	if !there || err != nil {
		t.Fatalf("lock node: got %v and error %v, want it there", there, err)
	}
	p.Kill()
	select {
	case <-gone:
	case <-time.After(20 * time.Second):
		t.Error("the lock node is still there 20 s after its owner was killed")
	}
	if _, err := p.Children("/"); err == nil {
		t.Error("got an answer from a killed peer")
	}
}
