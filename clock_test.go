package leasehold

import (
	"errors"
	"math"
	"testing"
	"time"
	"unsafe"
)

// jumpWall returns i as it would be had the wall clock been set forward by d
// just before: only package time itself can make a Time whose two readings
// disagree, so this writes its monotonic one, which is its second word.
func jumpWall(t *testing.T, i Instant, d time.Duration) Instant {
	t.Helper()
	before := i.wall
	i.wall = i.wall.Add(d) // moves both readings
	*(*int64)(unsafe.Add(unsafe.Pointer(&i.wall), 8)) -= int64(d)
	if steady, wall := i.wall.Sub(before), i.Wall().Sub(before.Round(0)); steady != 0 || wall != d {
		t.Fatalf("package time has changed: the readings moved by %v and %v, want 0 and %v", steady, wall, d)
	}
	return i
}

// after returns i as d later; the machine slept for another suspended, in
// which the steady clock of package time stood still.
func after(t *testing.T, i Instant, d, suspended time.Duration) Instant {
	t.Helper()
	i.wall = i.wall.Add(d)
	if i.boot != 0 {
		i.boot += d + suspended
	}
	return jumpWall(t, i, suspended)
}

// withoutBoot is what a host that is not Linux reads.
func withoutBoot(i Instant) Instant { return Instant{wall: i.wall} }

func TestInstantSince(t *testing.T) {
	t.Parallel()
	start := ReadInstant()
	start.boot = time.Hour
	for _, test := range []struct {
		name             string
		elapsed, suspend time.Duration
		jump             time.Duration
		want             time.Duration
		wantWithoutBoot  time.Duration
	}{
		{"nothing happens", time.Minute, 0, 0, time.Minute, time.Minute},
		{"suspended", time.Minute, time.Hour, 0, 61 * time.Minute, 61 * time.Minute},
		{"wall clock set back", time.Minute, 0, -time.Hour, time.Minute, time.Minute},
		{"wall clock set forward", time.Minute, 0, time.Hour, time.Minute, 61 * time.Minute}, // in doubt too long
		{"suspended and set back", time.Minute, time.Hour, -time.Hour, 61 * time.Minute, time.Minute},
	} {
		now := jumpWall(t, after(t, start, test.elapsed, test.suspend), test.jump)
		if got := now.Since(start); got != test.want {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
		if got := withoutBoot(now).Since(withoutBoot(start)); got != test.wantWithoutBoot {
			t.Errorf("%s, no boot clock: got %v, want %v", test.name, got, test.wantWithoutBoot)
		}
	}
	// Where the boot clock falls behind the monotonic one, the longer counts.
	now := start
	now.wall, now.boot = now.wall.Add(time.Minute), now.boot+time.Second
	if got := now.Since(start); got != time.Minute {
		t.Errorf("boot clock behind: got %v, want %v", got, time.Minute)
	}
}

func TestInstantElapsed(t *testing.T) {
	t.Parallel()
	start := ReadInstant()
	if start.IsZero() || !(Instant{}).IsZero() {
		t.Errorf("IsZero: got %v and %v, want false for a moment read and true for none", start.IsZero(), Instant{}.IsZero())
	}
	if got := start.Elapsed(); got < 0 || got > time.Minute {
		t.Errorf("got %v, want no time to speak of", got)
	}
	early := start
	early.wall = early.wall.Add(-time.Hour)
	if got := early.Elapsed(); got < time.Hour || got > time.Hour+time.Minute {
		t.Errorf("monotonic clock an hour ago: got %v, want an hour", got)
	}
	if start.boot == 0 {
		return // no boot clock on this system
	}
	early = start
	early.boot = max(1, early.boot-time.Hour)
	if got, want := early.Elapsed(), start.boot-early.boot; got < want || got > want+time.Minute {
		t.Errorf("boot clock long ago: got %v, want %v", got, want)
	}
	if got := jumpWall(t, start, 100*time.Hour).Elapsed(); got < 0 || got > time.Minute {
		t.Errorf("wall clock has jumped: got %v, want no time to speak of", got)
	}
}

func TestStampOffset(t *testing.T) {
	t.Parallel()
	sent := ReadInstant()
	sent.boot = time.Hour
	received := after(t, sent, 10*time.Millisecond, 0)
	const ms = time.Millisecond
	stamp := func(ahead, resolution time.Duration) Stamp { // the store's clock less ours, read 4 ms after sending
		return Stamp{At: sent.Wall().Add(4*ms + ahead), Resolution: resolution, Sent: sent, Received: received}
	}
	for _, test := range []struct {
		name        string
		stamp       Stamp
		now         Instant
		lo, hi      time.Duration
		wantUnknown bool
	}{
		{"no commit", Stamp{Sent: sent, Received: received}, received, 0, 0, true},
		{"clocks agree", stamp(0, 0), received, -6 * ms, 4 * ms, false},
		{"the store cuts off", stamp(0, ms), received, -6 * ms, 5 * ms, false},
		{"store ahead", stamp(time.Hour, ms), received, time.Hour - 6*ms, time.Hour + 5*ms, false},
		{"store behind", stamp(-time.Hour, ms), received, -time.Hour - 6*ms, -time.Hour + 5*ms, false},
		{"long after", stamp(0, ms), after(t, received, 100*time.Hour, 0), -6 * ms, 5 * ms, false},
		{"suspended since", stamp(0, ms), after(t, received, time.Second, time.Hour), -6 * ms, 5 * ms, false},
		{"slewed by a little", stamp(0, ms), jumpWall(t, received, 40*ms), -6 * ms, 5 * ms, false},
		{"set forward since", stamp(0, ms), jumpWall(t, after(t, received, time.Second, 0), 60*ms), 0, 0, true},
		{"set back since", stamp(0, ms), jumpWall(t, after(t, received, time.Second, 0), -60*ms), 0, 0, true},
		{"set back by a day", stamp(0, ms), jumpWall(t, received, -24*time.Hour), 0, 0, true},
	} {
		lo, hi, ok := test.stamp.offset(test.now)
		if lo != test.lo || hi != test.hi || ok == test.wantUnknown {
			t.Errorf("%s: got %v to %v, known %v; want %v to %v, known %v", test.name, lo, hi, ok, test.lo, test.hi, !test.wantUnknown)
		}
	}
}

func TestCheckDuration(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 18, 34, 12, 0, time.UTC)
	late := time.Date(9999, 12, 31, 23, 59, 58, 0, time.UTC)
	for _, test := range []struct {
		d   time.Duration
		now time.Time
		bad bool
	}{
		{math.MinInt64, now, true},
		{-time.Hour, now, true},
		{0, now, true},
		{time.Second - 1, now, true},
		{time.Second, now, false},
		{70 * time.Minute, now, false},
		{math.MaxInt64, now, false}, // 292 years
		{time.Second, late, false},
		{2*time.Second - 1, late, false},
		{2 * time.Second, late, true},
		{time.Second, late.In(time.FixedZone("", -3600)), false},
		{2 * time.Second, late.In(time.FixedZone("", -3600)), true}, // by UTC, not by the zone
		{time.Second, time.Date(999, 12, 31, 23, 59, 58, 0, time.UTC), true},
		{2 * time.Second, time.Date(999, 12, 31, 23, 59, 58, 0, time.UTC), false},
		{time.Second, time.Time{}, true},
	} {
		err := checkDuration(test.d, test.now)
		checkArgument(t, err, "duration", test.d.String(), test.bad)
	}
}

func TestCheckSlots(t *testing.T) {
	t.Parallel()
	for n, bad := range map[int]bool{math.MinInt: true, -1: true, 0: true, 1: false, 10_000: false, 10_001: true, math.MaxInt: true} {
		checkArgument(t, checkSlots(n), "slots", "", bad)
	}
}

func checkArgument(t *testing.T, err error, name, value string, bad bool) {
	t.Helper()
	var argument *ArgumentError
	switch {
	case !bad && err != nil:
		t.Errorf("got %v, want no error", err)
	case bad && !errors.As(err, &argument):
		t.Errorf("%s %s: got %v, want an *ArgumentError", name, value, err)
	case bad && (argument.Name != name || value != "" && argument.Value != value):
		t.Errorf("got %+v, want the name %q and the value %q", argument, name, value)
	}
}
