package leasehold

import (
	"errors"
	"fmt"
	"math"
	"time"

	"leasehold.example/leasehold/runlog"
)

var (
	// ErrHeld is matched by a denial, which is a [*HeldError].
	ErrHeld = errors.New("lease is held by another")

	// ErrLost means that a lease is no longer ours.
	ErrLost = errors.New("lease lost")

	// ErrUnreachable means that the store could not be reached in time.
	// Nothing was written, unless the error matches ErrOutcomeUnknown as well.
	ErrUnreachable = errors.New("store unreachable")

	// ErrPermission means that the store refused the operation to this user.
	ErrPermission = errors.New("permission denied")

	// ErrQueued means that the time to wait ended while another program, a client
	// of kazoo, kept the lease path locked, or others queued for that. Nothing was
	// written.
	ErrQueued = errors.New("still queued behind kazoo's lock")

	// ErrFull means that there is no room for a record: a disk or a quota is used
	// up. Nothing was written.
	ErrFull = errors.New("store is full")

	// ErrUnusablePath means that the store can't keep a lease at this path, and
	// could at another one. Nothing was written.
	ErrUnusablePath = errors.New("path can't have a lease")

	// ErrOutcomeUnknown means that a write was sent and that its outcome could
	// not be learned in time.
	ErrOutcomeUnknown = errors.New("outcome unknown")
)

// errNotRenewed is the ErrLost of a lease that is about to end.
var errNotRenewed = fmt.Errorf("%w: not renewed in time", ErrLost)

// errStoodStill is the ErrLost of a lease that was not confirmed in time after
// it turned out that this host's clocks had stood still.
var errStoodStill = fmt.Errorf("%w: this host's clocks stood still, so it may have ended", ErrLost)

// errSuperseded is the ErrLost of a lease that the same holder has acquired
// anew since.
var errSuperseded = fmt.Errorf("%w: superseded by a later grant to the same holder", ErrLost)

// A HeldError is a denial: another holder has the lease. It matches [ErrHeld].
type HeldError struct {
	Path      string // the lease path; with slots, the path above them
	Holder    string // with slots, of the slot that ends first; so the rest
	End       time.Time
	Remaining time.Duration // until End by this host's clock when the record was read
	Token     int64
	Slots     []Status // every slot, in order; nil without slots
}

func (e *HeldError) Error() string {
	if e.Slots != nil {
		return fmt.Sprintf("all %d slots of %q are held, the first until %s by %q", len(e.Slots), e.Path, formatEnd(e.End), e.Holder)
	}
	return fmt.Sprintf("lease %q is held by %q until %s", e.Path, e.Holder, formatEnd(e.End))
}

// Is makes errors.Is(err, ErrHeld) true.
func (e *HeldError) Is(target error) bool { return target == ErrHeld }

// A TickError means that the rule of ticks refuses: Verdict says why. It matches
// [ErrHeld] if an attempt is going on, or the lease is held. Nothing was written.
type TickError struct {
	Path      string
	Schedule  string
	Due, Next time.Time // the tick that was asked for, and the one after it
	Attempts  int       // how many may be begun of each tick

	// Decision has the verdict, when to ask again, and the run that stands in the
	// way; nil if it is not in the log any more.
	runlog.Decision

	// Paused is set where the verdict is IsPaused.
	Paused *runlog.Note
}

// Is makes errors.Is(err, ErrHeld) true while somebody has the lease.
func (e *TickError) Is(target error) bool {
	return target == ErrHeld && (e.Verdict == runlog.IsRunning || e.Verdict == runlog.IsHeld)
}

func (e *TickError) Error() string { return fmt.Sprintf("lease %q: %s", e.Path, e.reason()) }

func (e *TickError) reason() string {
	tick := "the tick of " + formatEnd(e.Due)
	by := "somebody"
	if e.Run != nil {
		by = fmt.Sprintf("%q", e.Run.Holder)
	}
	switch e.Verdict {
	case runlog.IsPaused:
		return fmt.Sprintf("paused by %q since %s: %s", e.Paused.By, formatEnd(e.Paused.Since), e.Paused.Reason)
	case runlog.IsRunning:
		if e.Run == nil {
			return tick + " is being run"
		}
		return fmt.Sprintf("the tick of %s is being run by %s since %s", formatEnd(e.Run.Tick), by, formatEnd(e.Run.Started))
	case runlog.IsHeld:
		return fmt.Sprintf("%s can't be run while the lease is held, until %s", tick, formatEnd(e.At))
	case runlog.IsLate:
		return fmt.Sprintf("a later tick than that of %s was begun by %s: this host is late, or has another schedule or time zone", formatEnd(e.Due), by)
	case runlog.IsDone:
		if e.Run == nil {
			return tick + " was run (success)"
		}
		return fmt.Sprintf("%s was run by %s (%s, %s)", tick, by, e.Run.Result, e.Run.Ended.Sub(e.Run.Started).Round(time.Millisecond))
	case runlog.IsSpent:
		had := "one attempt, which"
		if e.Attempts > 1 {
			had = fmt.Sprintf("%d attempts, the last", e.Attempts)
		}
		return fmt.Sprintf("%s has had its %s %s", tick, had, describeEnd(e.Run))
	case runlog.IsTooOld:
		return fmt.Sprintf("%s was due before catching up begins, at %s; the first to be run is that of %s", tick, formatEnd(e.At), formatEnd(e.Next))
	case runlog.IsWaiting:
		return fmt.Sprintf("%s may be tried again at %s; the last attempt %s", tick, formatEnd(e.At), describeEnd(e.Run))
	case runlog.IsOverdue:
		if !e.At.IsZero() {
			return fmt.Sprintf("%s is not the newest any more: the next one is due at %s", tick, formatEnd(e.At))
		}
		return tick + " has been due for too long to be begun"
	case runlog.IsNextSoon:
		return fmt.Sprintf("%s needs no run, and the next one is due at %s", tick, formatEnd(e.At))
	}
	return tick + " is refused"
}

// describeEnd tells how a run ended.
func describeEnd(r *runlog.Run) string {
	if r == nil {
		return "is not in the run log any more"
	}
	how := map[runlog.Result]string{
		runlog.Success: "succeeded", runlog.Failure: "failed", runlog.Lost: "was stopped when its lease was lost",
	}[r.Result]
	switch {
	case how == "":
		how = "did not report its end"
	case r.Signal != "":
		how += " with signal " + r.Signal
	case r.Exit != nil && *r.Exit != 0:
		how += fmt.Sprintf(" with exit %d", *r.Exit)
	}
	return fmt.Sprintf("%s on %q", how, r.Holder)
}

// A RecordError means that what is stored at Path is not a record that this
// program may replace. Nothing was written.
type RecordError struct {
	Path  string
	Newer bool  // a newer program wrote it; else it can't be read
	Err   error // what is wrong with it
}

func (e *RecordError) Error() string {
	if e.Newer {
		return fmt.Sprintf("record of lease %q was written by a newer program: %v", e.Path, e.Err)
	}
	return fmt.Sprintf("record of lease %q can't be read: %v", e.Path, e.Err)
}

func (e *RecordError) Unwrap() error { return e.Err }

// A ClockSkewError means that a lease was not granted because this host's wall
// clock and the store's disagree. If a record had been written, the former one
// is back in place.
type ClockSkewError struct {
	Path string

	// This host's clock is ahead of the store's by Least to Most; negative
	// numbers mean behind. Least is math.MinInt64 where it is not known by how
	// much at most the clock is behind.
	Least, Most time.Duration

	// Limit is the MaxClockSkew that applied.
	Limit time.Duration

	// Until is set when the clocks agree within Limit and yet the former
	// holder's lease had not ended by the store's clock, and is that end.
	Until time.Time
}

func (e *ClockSkewError) Error() string {
	if !e.Until.IsZero() {
		return fmt.Sprintf("lease %q ends at %s, which the store's clock has not reached: this host's clock is ahead by %s to %s",
			e.Path, formatEnd(e.Until), e.Least.Round(time.Millisecond), e.Most.Round(time.Millisecond))
	}
	by := fmt.Sprintf("%s to %s ahead of", e.Least.Round(time.Millisecond), e.Most.Round(time.Millisecond))
	if e.Most < 0 {
		by = fmt.Sprintf("%s to %s behind", -e.Most.Round(time.Millisecond), -e.Least.Round(time.Millisecond))
	}
	if e.Least == math.MinInt64 {
		by = fmt.Sprintf("at least %s behind", -e.Most.Round(time.Millisecond))
	}
	return fmt.Sprintf("lease %q not granted: this host's clock is %s the store's, and they may differ by %s; one of the two is wrong",
		e.Path, by, e.Limit)
}

// A SameNameError means that two machines have the same host name, which is the
// default of Client.Holder: the lease is held under that name on the other one.
// Nothing was written.
type SameNameError struct {
	Path   string
	Holder string
	End    time.Time

	// Short hashes of the identities of this machine and the other one.
	Machine, Other string
}

func (e *SameNameError) Error() string {
	return fmt.Sprintf("lease %q is held until %s by %q, which is this host's name too, but on another machine (%s; this is %s)",
		e.Path, formatEnd(e.End), e.Holder, e.Other, e.Machine)
}

// An ArgumentError means that an argument can't be used. The store was not
// asked.
type ArgumentError struct {
	Name  string // "path", "duration", "holder", "slots", …
	Value string
	Want  string // what would do
}

func (e *ArgumentError) Error() string {
	return fmt.Sprintf("invalid %s %.80q: %s", e.Name, e.Value, e.Want)
}

// formatEnd prints an end as records have it: UTC, whole seconds.
func formatEnd(t time.Time) string { return t.UTC().Format(time.RFC3339) }
