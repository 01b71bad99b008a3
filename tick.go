package leasehold

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"leasehold.example/leasehold/kazoo"
	"leasehold.example/leasehold/runlog"
)

// A Schedule says when a job is due, and how often each tick, which is one time
// at which it is due, may be tried. All who share a path need the same one.
type Schedule struct {
	// Name and Timezone are what the run log shows. If one of them differs from
	// what the log has, the schedule is a new one. They have at most 512 bytes.
	Name, Timezone string

	// Ticks returns the newest tick at or before t, and the one after that; ok is
	// false if there are not both. Package schedule makes it from a cron
	// expression.
	Ticks func(t time.Time) (due, next time.Time, ok bool)

	// Attempts is how many attempts of each tick may be begun; 0 means 1.
	Attempts int

	// RetryAfter is how long after a failure the next attempt may begin, on
	// whatever host; it doubles with each, up to 6 minutes. 0 means 30 s.
	RetryAfter time.Duration

	// StartWithin is for how long a tick may have been due when it is begun; 0
	// means until the next one is due.
	StartWithin time.Duration

	// CatchUp, unless it is zero, is the first tick that may be caught up on. Else
	// that is the first one after the schedule was first seen at the path.
	CatchUp time.Time
}

const (
	retryAfter    = 30 * time.Second
	maxRetryAfter = 6 * time.Minute
)

func (s *Schedule) check() error {
	bad := func(name, value, want string) error { return &ArgumentError{Name: name, Value: value, Want: want} }
	switch {
	case s.Ticks == nil:
		return bad("schedule", s.Name, "its Ticks must be set")
	case len(s.Name) > runlog.MaxText || len(s.Timezone) > runlog.MaxText:
		return bad("schedule", s.Name, fmt.Sprintf("its name and its time zone must have at most %d bytes", runlog.MaxText))
	case s.Attempts < 0:
		return bad("attempts", fmt.Sprint(s.Attempts), "must be at least 1")
	case s.RetryAfter < 0:
		return bad("retry-after", s.RetryAfter.String(), "must not be negative")
	case s.StartWithin < 0:
		return bad("start-within", s.StartWithin.String(), "must not be negative")
	}
	return nil
}

// pause returns how long after the failure of an attempt the next one may begin.
func (s *Schedule) pause(attempt int) time.Duration {
	pause := s.RetryAfter
	if pause == 0 {
		pause = retryAfter
	}
	for range attempt - 1 {
		if pause >= maxRetryAfter/2 {
			return max(s.RetryAfter, maxRetryAfter)
		}
		pause *= 2
	}
	return pause
}

// TryAcquireTick acquires the lease at path for d to run the newest tick of s
// that is due. It grants it if the rule of package runlog does: if no attempt is
// going on, none has succeeded, and one is left. The attempt is entered in the
// path's run log in the transaction that grants. Call Finish when the work has
// ended, or use Hold.
//
// Other than with TryAcquire, a lease that has not ended counts against its own
// holder too, unless its run has finished.
//
// It returns a [*HeldError] if another holder has the lease, a [*TickError] if
// the run log refuses, and a [*LogError] if that can't be read or written; else
// what TryAcquire returns. If the next tick is due within MaxClockSkew, and this
// one needs no run, it waits for that.
func (c *Client) TryAcquireTick(ctx context.Context, path string, s Schedule, d time.Duration) (l *Lease, err error) {
	defer c.observe(EventTry, path, &l, &err)()
	r, err := c.tickRequest(path, s, d)
	if err != nil {
		return nil, err
	}
	for {
		l, err := r.tryTick(ctx, path, s)
		err = r.logDenial(ctx, err)
		next := r.nextDue(err)
		if next.IsZero() || ctx.Err() != nil {
			return l, err
		}
		if r.sleepUntil(ctx, next, nil); ctx.Err() != nil {
			return nil, waitError(ctx, err, ctx.Err())
		}
	}
}

func (c *Client) tickRequest(path string, s Schedule, d time.Duration) (*request, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	return c.request(path, d)
}

// An attempt is a run that a request enters in the run log.
type attempt struct {
	run      runlog.Run
	schedule *Schedule // nil for a run without one
	due      time.Time
	next     time.Time
}

// newRun returns the entry of a run that is about to begin.
func (r *request) newRun() runlog.Run {
	host, _ := os.Hostname() // for people: empty if there is none
	program := r.Program
	if program == "" {
		program = filepath.Base(os.Args[0])
	}
	return runlog.Run{ID: newID(), Holder: r.name, Host: host, PID: os.Getpid(), Program: program}
}

func newID() string {
	b := make([]byte, 8)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// forTick returns the request for an attempt at the tick of s that is due now.
func (r *request) forTick(s Schedule) (*request, error) {
	due, next, ok := s.Ticks(r.wallNow())
	if !ok {
		return nil, &ArgumentError{Name: "schedule", Value: s.Name, Want: "must have been due, and be due again"}
	}
	try := *r
	s.Attempts = max(s.Attempts, 1)
	try.attempt = &attempt{run: r.newRun(), schedule: &s, due: due.UTC(), next: next.UTC()}
	return &try, nil
}

// tryTick reads the record and asks for the tick that is due now.
func (r *request) tryTick(ctx context.Context, path string, s Schedule) (*Lease, error) {
	e, err := r.Store.Read(ctx, path)
	if err != nil {
		return nil, wrapUntyped(err, "read lease %q", path)
	}
	return r.grantTick(ctx, e, s)
}

// grantTick asks for the tick that is due now, given what was read.
func (r *request) grantTick(ctx context.Context, known Entry, s Schedule) (*Lease, error) {
	r, err := r.forTick(s)
	if err != nil {
		return nil, err
	}
	_, err = r.propose(known)
	if errors.Is(err, ErrHeld) && known.Log != nil {
		err = cmp.Or(r.decideTick(known), err) // the log tells more than the record
	}
	if errors.Is(err, ErrNeedsLog) && r.likelyRefused(known) {
		if known, err = r.Store.ReadLog(ctx, known); err != nil {
			return nil, wrapUntyped(err, "read the run log of %q", known.Path)
		}
		_, err = r.propose(known)
	}
	var l *Lease
	if err == nil || errors.Is(err, ErrNeedsLog) {
		l, err = r.grant(ctx, known, noSlot)
	}
	if err != nil {
		return nil, r.refused(ctx, known, err)
	}
	if former := l.replaced.Log; former != nil {
		if log, err := parseLog(known.Path, former.Data); err == nil {
			r.warnOfNewSchedule(ctx, known.Path, log.Head.Former(s.Name, s.Timezone))
		}
	}
	return l, nil
}

// NewSchedule is the message of the warning that is logged when the run log of a path
// had another schedule or time zone.
const NewSchedule = "the path has another schedule from now on; all who share it need the same"

// warnOfNewSchedule warns of the schedule that the run log has had, if that is
// another one.
func (r *request) warnOfNewSchedule(ctx context.Context, path, former string) {
	if s := r.attempt.schedule; former != "" {
		r.log().WarnContext(ctx, NewSchedule, "path", path, "schedule", s.Name+" "+s.Timezone, "former", former)
	}
}

// likelyRefused reports whether the run log most likely refuses the tick, so that
// nothing else needs to be read: the record was written since the tick was due, by
// somebody who has run it; or it has not ended, and this holder still runs another.
func (r *request) likelyRefused(known Entry) bool {
	rec, err := parseRecord(known)
	unexpired := err == nil && rec != nil && r.wallNow().Before(rec.End)
	return unexpired || !known.Written.Before(r.attempt.due.Add(-r.skew))
}

// refused notes in the run log that the schedule was seen, where catching up on
// older ticks was refused for that reason.
func (r *request) refused(ctx context.Context, known Entry, err error) error {
	var denial *TickError
	if !errors.As(err, &denial) || !denial.New || denial.Verdict != runlog.IsTooOld {
		return err
	}
	note := func(data []byte) ([]byte, error) {
		l, err := parseLog(known.Path, data)
		if err != nil {
			return nil, err
		}
		return l.Note(r.question(known, nil, l)).Marshal()
	}
	if noteErr := r.Store.EditLog(ctx, known.Path, note); noteErr != nil {
		return wrapUntyped(noteErr, "note the schedule of %q", known.Path)
	}
	r.warnOfNewSchedule(ctx, known.Path, denial.Former)
	return err
}

// question returns what the rule of ticks is asked.
func (r *request) question(old Entry, rec *kazoo.Record, log runlog.Log) runlog.Question {
	a := r.attempt
	q := runlog.Question{
		Schedule: a.schedule.Name, Timezone: a.schedule.Timezone, Due: a.due, Next: a.next,
		Attempts: a.schedule.Attempts, StartWithin: a.schedule.StartWithin, CatchUp: a.schedule.CatchUp,
		Now: r.wallNow(), Skew: r.skew, Holder: r.name, Log: log,
	}
	if old.Log != nil {
		q.Logged = old.Log.Written
	}
	q.Record = recordForTick(old, rec)
	if q.Record != nil && q.Record.ByKazoo {
		q.Record.Tick, _, _ = a.schedule.Ticks(old.Since.Add(r.skew))
	}
	return q
}

// recordForTick returns what the rule of ticks has to know of rec, the record in
// old.
func recordForTick(old Entry, rec *kazoo.Record) *runlog.Record {
	if rec == nil || rec.IsReleased() {
		return nil
	}
	return &runlog.Record{Holder: rec.Holder, End: rec.End, Created: old.Since, ByKazoo: old.ByKazoo}
}

// enter adds to p, which is to replace old, that the attempt is entered in the
// run log, if the rule of ticks allows it.
func (r *request) enter(p Proposal, old Entry, rec *kazoo.Record) (Proposal, error) {
	if old.Log == nil {
		return Proposal{}, ErrNeedsLog
	}
	log, err := parseLog(old.Path, old.Log.Data)
	if err != nil {
		return Proposal{}, err
	}
	run := r.attempt.run
	run.Started = r.wallNow().UTC().Truncate(time.Millisecond)
	var entered runlog.Log
	if r.attempt.schedule == nil {
		if own := rec != nil && rec.Holder == r.name; own && log.Head.Running && r.wallNow().Before(rec.End) {
			return p, nil // it carries on the attempt that is running
		}
		log = log.NoteKazoo(recordForTick(old, rec))
		entered = log.Enter(run)
	} else {
		q := r.question(old, rec, log)
		d := runlog.Decide(q)
		if d.Verdict != runlog.Begin {
			return Proposal{}, &TickError{Path: old.Path, Schedule: r.attempt.schedule.Name, Due: q.Due, Next: q.Next, Attempts: q.Attempts, Decision: d, Paused: log.Head.Paused}
		}
		entered = d.Begin(q, run)
	}
	if p.Log, err = entered.Marshal(); err != nil {
		return Proposal{}, &LogError{Path: old.Path, Err: err}
	}
	p.UndoLog = undoLog(old, p.Log, run.ID)
	return p, nil
}

// CheckTick tells what TryAcquireTick would be told at this moment, with all that
// the run log says of it: a nil error means that it would try to grant the lease.
// It changes nothing.
func (c *Client) CheckTick(ctx context.Context, path string, s Schedule, d time.Duration) error {
	r, err := c.tickRequest(path, s, d)
	if err != nil {
		return err
	}
	if r, err = r.forTick(s); err != nil {
		return err
	}
	e, err := r.Store.Read(ctx, path)
	if err == nil {
		e, err = r.Store.ReadLog(ctx, e)
	}
	if err != nil {
		return wrapUntyped(err, "read lease %q", path)
	}
	return r.decideTick(e)
}

// decideTick returns what the run log in e says of the tick; unlike propose it says
// what runs behind a record that has not ended.
func (r *request) decideTick(e Entry) error {
	rec, err := parseRecord(e)
	if err == nil {
		_, err = r.enter(Proposal{}, e, rec)
	}
	return err
}

// judgeTick decides, by the stamp on the commit, whether the tick was still the
// newest, and could still be begun.
func (l *Lease) judgeTick() error {
	a := l.request.attempt
	if a == nil || a.schedule == nil {
		return nil
	}
	at := l.entry.Stamp.At
	if l.request.Now != nil {
		at = l.request.Now()
	}
	overdue := &TickError{Path: l.path, Schedule: a.schedule.Name, Due: a.due, Next: a.next, Attempts: a.schedule.Attempts, Decision: runlog.Decision{Verdict: runlog.IsOverdue}}
	switch within := a.schedule.StartWithin; {
	case !at.Before(a.next):
		overdue.At = a.next
		return overdue
	case within > 0 && at.Sub(a.due) > within:
		return overdue
	}
	return nil
}
