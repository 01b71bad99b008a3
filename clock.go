package leasehold

import (
	"time"

	"leasehold.example/leasehold/internal/clock"
)

// An Instant is a moment on two clocks of this host at once: the wall clock,
// and one that neither jumps nor stops while the machine is suspended.
type Instant struct {
	wall time.Time     // with its monotonic reading
	boot time.Duration // since boot, suspend included; 0 where the system has no such clock
}

// ReadInstant returns the present moment.
func ReadInstant() Instant {
	return Instant{wall: time.Now(), boot: clock.SinceBoot()}
}

// Wall returns what the wall clock showed.
func (i Instant) Wall() time.Time { return i.wall.Round(0) }

// IsZero reports whether i was never read.
func (i Instant) IsZero() bool { return i.wall.IsZero() }

// Elapsed returns the time from i until now. A wall clock that jumps does not
// change it; a machine that was suspended meanwhile does, on Linux by
// CLOCK_BOOTTIME, elsewhere as far as the wall clock shows it.
func (i Instant) Elapsed() time.Duration { return ReadInstant().Since(i) }

// Since returns the time from earlier until i, as Elapsed does.
func (i Instant) Since(earlier Instant) time.Duration {
	elapsed := i.wall.Sub(earlier.wall)
	if earlier.boot != 0 {
		return max(elapsed, i.boot-earlier.boot)
	}
	return max(elapsed, i.wall.Round(0).Sub(earlier.wall.Round(0)))
}

// jumpTolerance is how far the wall clock may stray from the steady one before
// that counts as a jump: more than a clock that is being slewed gains while a
// Stamp is of use.
const jumpTolerance = 50 * time.Millisecond

// offset returns the interval, from lo to hi, in which the Store's wall clock
// minus this host's lay at the commit. It is not known (ok is false) without
// a commit, or once this host's wall clock has jumped since it was sent.
func (s Stamp) offset(now Instant) (lo, hi time.Duration, ok bool) {
	if s.At.IsZero() {
		return 0, 0, false
	}
	steady := now.Since(s.Sent)
	if s.Sent.boot == 0 {
		steady = now.wall.Sub(s.Sent.wall) // Since would follow the jump
	}
	jump := now.Wall().Sub(s.Sent.Wall()) - steady
	if jump.Abs() > jumpTolerance {
		return 0, 0, false
	}
	return s.At.Sub(s.Received.Wall()), s.At.Add(s.Resolution).Sub(s.Sent.Wall()), true
}
