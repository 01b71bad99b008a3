package zookeeper_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/zktest"
)

// startWithClock starts a server whose wall clock is ahead of this host's.
func startWithClock(t *testing.T, ahead string) *zktest.Server {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/*/faketime/libfaketimeMT.so.1") // the pattern is good
	if len(found) == 0 {
		t.Fatal("there is no libfaketime: apt-get install faketime")
	}
	return zktest.StartWith(t, zktest.Config{Env: append(os.Environ(),
		"LD_PRELOAD="+found[0], "FAKETIME="+ahead, "FAKETIME_DONT_FAKE_MONOTONIC=1", "FAKETIME_NO_CACHE=1")})
}

// This host's clock is three seconds ahead of the ensemble's, which is within
// the limit: what it may grant is judged by the ensemble's.
func TestHostAheadByLittle(t *testing.T) {
	t.Parallel()
	server := startWithClock(t, "-3s")
	conn := zktest.Conn(t, server.Addr())
	s := open(t, server.Addr())
	end := time.Now().Add(2 * time.Second).Truncate(time.Second)
	create(t, conn, "/early", "")
	create(t, conn, "/early/lease_holder", recordOf(t, "host-p", end))
	before, _ := read(t, conn, "/early")
	time.Sleep(time.Until(end))

	_, err := client(s, "host-a").TryAcquire(t.Context(), "/early", time.Minute)
	var skew *leasehold.ClockSkewError
	if !errors.As(err, &skew) || !skew.Until.Equal(end) || skew.Least > 3*time.Second || skew.Most < 3*time.Second {
		t.Errorf("got %v, want a *ClockSkewError about 3s and %s", err, end)
	}
	if after, _ := read(t, conn, "/early"); after != before {
		t.Errorf("got the record %s, want it undone, %s", after, before)
	}
	wantNoDebris(t, conn, "/early")

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	lease, err := client(s, "host-a").Acquire(ctx, "/early", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if now := time.Now(); now.Before(end.Add(2900 * time.Millisecond)) {
		t.Errorf("acquired at %s, want not before the ensemble's clock shows %s", now, end)
	}
	// The record's end is a minute away by this host's clock, so 63 s by the
	// ensemble's, less up to one for the cut-off and six for the skew.
	if got := lease.Remaining(); got > 57*time.Second || got < 54*time.Second {
		t.Errorf("got %s remaining, want 54 to 57 s", got)
	}
	if err := lease.Renew(t.Context()); err != nil {
		t.Error(err)
	}
	if got := lease.Remaining(); got > 57*time.Second || got < 54*time.Second { // never an earlier end
		t.Errorf("got %s remaining after a renewal, want 54 to 57 s", got)
	}
}

// The clocks are hours apart: nothing is granted, and once that is known,
// nothing is written.
func TestHostBehindByHours(t *testing.T) {
	t.Parallel()
	server := startWithClock(t, "+5h")
	conn := zktest.Conn(t, server.Addr())
	s := open(t, server.Addr())
	expire(t, conn, "/far", "host-p")
	before, _ := read(t, conn, "/far")
	for _, transactions := range []int64{2, 0} { // the grant and its undoing; then it is known
		zxid := server.Counters(t).Zxid
		_, err := client(s, "host-a").TryAcquire(t.Context(), "/far", time.Minute)
		if got := server.Counters(t).Zxid - zxid; got != transactions {
			t.Errorf("got %d transactions, want %d", got, transactions)
		}
		var skew *leasehold.ClockSkewError
		if !errors.As(err, &skew) || !skew.Until.IsZero() || skew.Least.Round(time.Minute) != -5*time.Hour || skew.Most.Round(time.Minute) != -5*time.Hour {
			t.Errorf("got %v, want a *ClockSkewError of 5 h behind", err)
		}
		if after, _ := read(t, conn, "/far"); after != before {
			t.Errorf("got the record %s, want what was there, %s", after, before)
		}
	}
	c := client(s, "host-a")
	c.MaxClockSkew = 6 * time.Hour
	if _, err := c.TryAcquire(t.Context(), "/far", 24*time.Hour); err != nil {
		t.Errorf("with a greater MaxClockSkew: %v", err)
	}
}
