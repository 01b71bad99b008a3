package zookeeper_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/zktest"
)

// A shifted is a server whose wall clock is some way off this host's.
type shifted struct {
	*zktest.Server
	conn *zk.Conn
	file string // which says by how much
}

func startShifted(t *testing.T) *shifted {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/*/faketime/libfaketimeMT.so.1") // the pattern is good
	if len(found) == 0 {
		t.Fatal("there is no libfaketime: apt-get install faketime")
	}
	s := &shifted{file: filepath.Join(t.TempDir(), "shift")}
	s.write(t, "+0s")
	s.Server = zktest.StartWith(t, zktest.Config{Env: append(os.Environ(),
		"LD_PRELOAD="+found[0], "FAKETIME_TIMESTAMP_FILE="+s.file, "FAKETIME_CACHE_DURATION=1", "FAKETIME_DONT_FAKE_MONOTONIC=1")})
	s.conn = zktest.Conn(t, s.Addr())
	create(t, s.conn, "/time", "")
	return s
}

func (s *shifted) write(t *testing.T, by string) {
	t.Helper()
	if err := os.WriteFile(s.file+".new", []byte(by), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(s.file+".new", s.file); err != nil { // it is never seen empty
		t.Fatal(err)
	}
}

// set sets the clock ahead of this host's, and returns once it is.
func (s *shifted) set(t *testing.T, ahead time.Duration) {
	t.Helper()
	s.write(t, fmt.Sprintf("%+ds", int(ahead.Seconds())))
	eventually(t, func() error {
		from := time.Now()
		stat, err := s.conn.Set("/time", nil, -1)
		if err != nil {
			return err
		}
		// stamped from 1 ms before it was sent until the reply came
		off := time.UnixMilli(stat.Mtime).Sub(from.Add(ahead))
		if off < -2*time.Millisecond || off > time.Since(from)+time.Millisecond {
			return fmt.Errorf("got a clock that is %s off where it was set to", off)
		}
		return nil
	})
}

// TestClocks has one server, whose clock is set to wherever a subtest wants it.
func TestClocks(t *testing.T) {
	t.Parallel()
	server := startShifted(t)
	t.Run("host ahead by little", func(t *testing.T) { testHostAheadByLittle(t, server) })
	for _, ahead := range []time.Duration{-7 * time.Minute, 4 * time.Minute, -5 * time.Hour, 5 * time.Hour} {
		t.Run("ensemble ahead by "+ahead.String(), func(t *testing.T) { testClocksApart(t, server, ahead) })
	}
	t.Run("jumps", func(t *testing.T) { testEnsembleClockJumps(t, server) })
}

// wantRecord fails unless the record is want, soon: undoing is not waited for
// any longer than a second.
func wantRecord(t *testing.T, conn *zk.Conn, path, want string) {
	t.Helper()
	eventually(t, func() error {
		if got, _ := read(t, conn, path); got != want {
			return fmt.Errorf("%s: got the record %s, want %s", path, got, want)
		}
		return nil
	})
}

// This host's clock is three seconds ahead of the ensemble's, which is within
// the limit: what it may grant is judged by the ensemble's.
func testHostAheadByLittle(t *testing.T, server *shifted) {
	server.set(t, -3*time.Second)
	conn := server.conn
	s := open(t, server.Addr())
	var (
		path, before string
		end          time.Time
		err          error
	)
	for range 10 {
		path = freshPath(t)
		end = time.Now().Add(2 * time.Second).Truncate(time.Second)
		create(t, conn, path, "")
		create(t, conn, path+"/lease_holder", recordOf(t, "host-p", end))
		before, _ = read(t, conn, path)
		time.Sleep(time.Until(end))
		_, err = client(s, "host-a").TryAcquire(t.Context(), path, time.Minute)
		if time.Since(end) < 2900*time.Millisecond {
			break
		} // else it was not too early, on a busy machine
	}
	var skew *leasehold.ClockSkewError
	if !errors.As(err, &skew) || !skew.Until.Equal(end) || skew.Least > 3*time.Second || skew.Most < 3*time.Second {
		t.Errorf("got %v, want a *ClockSkewError about 3s and %s", err, end)
	}
	wantRecord(t, conn, path, before)
	wantNoDebris(t, conn, path)

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	lease, err := client(s, "host-a").Acquire(ctx, path, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if now := time.Now(); now.Before(end.Add(2900 * time.Millisecond)) {
		t.Errorf("acquired at %s, want not before the ensemble's clock shows %s", now, end)
	}
	// The record's end is a minute away by this host's clock, which is the first to
	// get there, less up to one for the cut-off and six for the skew.
	granted := time.Now()
	wantRemaining := func() {
		t.Helper()
		least := 52*time.Second - time.Since(granted) // a second for what is slow
		if got := lease.Remaining(); got > 54*time.Second || got < least {
			t.Errorf("got %s remaining, want %s to 54 s", got, least)
		}
	}
	wantRemaining()
	if err := lease.Renew(t.Context()); err != nil {
		t.Error(err)
	}
	wantRemaining() // never an earlier end
}

// The clocks are far apart: nothing is granted, and once that is known, nothing
// is written.
func testClocksApart(t *testing.T, server *shifted, ahead time.Duration) {
	server.set(t, ahead)
	s := open(t, server.Addr())
	path := freshPath(t)
	create(t, server.conn, path, "")
	// over by either clock
	create(t, server.conn, path+"/lease_holder", recordOf(t, "host-p", time.Now().Add(-24*time.Hour)))
	before, _ := read(t, server.conn, path)
	tryAcquire := func() {
		t.Helper()
		_, err := client(s, "host-a").TryAcquire(t.Context(), path, time.Minute)
		var skew *leasehold.ClockSkewError
		if !errors.As(err, &skew) || !skew.Until.IsZero() || skew.Least.Round(time.Minute) != -ahead || skew.Most.Round(time.Minute) != -ahead {
			t.Errorf("got %v, want a *ClockSkewError of a host that is %s ahead", err, -ahead)
		}
	}
	tryAcquire()
	wantRecord(t, server.conn, path, before)
	_, after, err := server.conn.Get(path + "/lease_holder")
	if err != nil {
		t.Fatal(err)
	}
	tryAcquire()
	_, last, err := server.conn.Get(path + "/lease_holder")
	if err != nil || last.Mzxid != after.Mzxid {
		t.Errorf("got a record of transaction %#x, %v, want that of %#x: nothing was to be written", last.Mzxid, err, after.Mzxid)
	}
	c := client(s, "host-a")
	c.MaxClockSkew = ahead.Abs() + time.Hour
	if _, err := c.TryAcquire(t.Context(), path, 24*time.Hour); err != nil {
		t.Errorf("with a greater MaxClockSkew: %v", err)
	}
}

// The ensemble's clock jumps while a lease is held. The lease lasts as long as
// before. A renewal makes it last for its duration, by the clock as it was or
// as it is, whichever ends later, and Remaining is within that. It is refused
// where others may have the lease.
func testEnsembleClockJumps(t *testing.T, server *shifted) {
	var ahead time.Duration
	server.set(t, ahead)
	lease := acquire(t, open(t, server.Addr()), "host-a", freshPath(t))
	for _, next := range []time.Duration{-10 * time.Second, 20 * time.Second, 5 * time.Second} {
		left, from := lease.Remaining(), time.Now()
		server.set(t, next)
		got := lease.Remaining()
		if want := left - time.Since(from); got > left || (got-want).Abs() > 2*time.Second {
			t.Errorf("set to %s ahead: got %s remaining, want %s", next, got, want)
		}
		from = time.Now()
		if err := lease.Renew(t.Context()); err != nil {
			t.Errorf("set to %s ahead: renew: %v", next, err)
		}
		least := from.Add(time.Minute + next - 3*time.Second)
		most := time.Now().Add(time.Minute + max(ahead, next) + 3*time.Second) // as long as a reply may take
		if got := lease.End(); got.Before(least) || got.After(most) {
			t.Errorf("set to %s ahead: got the end %s, want it from %s to %s", next, got, least, most)
		}
		if got, most := lease.Remaining(), lease.End().Sub(from.Add(next)); got <= 0 || got > most {
			t.Errorf("set to %s ahead: got %s remaining, want %s at most", next, got, most)
		}
		ahead = next
	}
	server.set(t, time.Hour)
	if err := lease.Renew(t.Context()); !errors.Is(err, leasehold.ErrLost) || lease.Remaining() > 0 {
		t.Errorf("set to an hour ahead: got error %v and %s remaining, want a lost lease", err, lease.Remaining())
	}
}
