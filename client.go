package leasehold

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"leasehold.example/leasehold/internal/machine"
	"leasehold.example/leasehold/kazoo"
	"leasehold.example/leasehold/runlog"
)

// A Client acquires leases from a Store for one holder. Its fields may be set
// until its first use; after that it is safe for concurrent use, and may be
// copied.
type Client struct {
	Store Store

	// Holder is the name that leases are granted to; "" means DefaultHolder, the
	// host name. A Client with the name of a lease's holder is granted that
	// lease, so a name must belong to one worker at a time.
	Holder string

	// Now, if set, is the only clock: leases begin and end by it, and clock
	// skew is not checked. It is for tests and simulations.
	Now func() time.Time

	// MaxClockSkew is by how much clocks may disagree. If this host's clock and
	// the store's disagree by more, nothing is granted. The clocks of the
	// store's servers may differ by as much, so a lease is used no longer than
	// until End less MaxClockSkew. 0 means a tenth of the duration, at most
	// 10 s.
	MaxClockSkew time.Duration

	// Grace is the time that Hold leaves its function to stop before the lease
	// is over. 0 means a fifth of the duration, at most 10 s. Nothing but Hold
	// and Context looks at it.
	Grace time.Duration

	// Adopt makes Hold go on when the same holder has acquired the lease again
	// elsewhere: Hold acquires it once more instead of ending with ErrLost. Set
	// it only where the same work does both. The lease's token changes.
	Adopt bool

	// Once makes a lease count against its own holder, too: it is granted to nobody
	// until it has ended or was released. A holder that has a slot is granted no
	// other one.
	Once bool

	// RunLog makes TryAcquire and Acquire, and those of slots, enter each grant in
	// the path's run log; Finish enters how its run ended. If that log can't be read
	// or written, it is logged, and the lease is granted without. Ticks are entered
	// in any case.
	RunLog bool

	// Program is the name of what runs, for the run log; "" means the base name of
	// this program.
	Program string

	// Logger gets what happens to leases; nil means that nothing is logged.
	Logger *slog.Logger

	// Observe, if set, is told what the Client and its leases do, for metrics: see
	// package leaseholdprom. Several goroutines may call it at once. It must return
	// soon, and must not make calls that ask the store.
	Observe func(Event)
}

// TryAcquire acquires the lease at path for d, or says at once who has it; it
// never waits for a holder. If the Client's own holder has the lease, it is
// granted anew with a new token, which ends earlier Leases of that holder.
//
// d is at least one second. The lease ends up to a second before d has passed,
// since records have whole seconds, and never before an end that the same
// holder was granted earlier.
//
// It returns a [*HeldError] if another has the lease, and an [*ArgumentError],
// [*RecordError], [*ClockSkewError], ErrPermission, ErrUnreachable or
// ErrOutcomeUnknown. An unreachable store is tried until ctx ends. It returns
// ErrLost if the lease was over before it could be used: the store took too
// long to answer, or d is too short for records of whole seconds.
func (c *Client) TryAcquire(ctx context.Context, path string, d time.Duration) (l *Lease, err error) {
	defer c.observe(EventTry, path, &l, &err)()
	r, err := c.request(path, d)
	if err != nil {
		return nil, err
	}
	l, err = r.grant(ctx, Entry{Path: path}, noSlot)
	return l, r.logDenial(ctx, err)
}

// check returns an *ArgumentError if there is no Store, or path can't be a
// lease's.
func (c *Client) check(path string) error {
	if err := c.checkStore(); err != nil {
		return err
	}
	return CheckPath(path)
}

func (c *Client) checkStore() error {
	if c.Store == nil {
		return &ArgumentError{Name: "Client", Value: "Store: nil", Want: "set its Store"}
	}
	return nil
}

// Release gives up the lease at path if the Client's holder has it, whichever
// process acquired it. It does nothing if the lease is free or has ended, and
// returns a [*HeldError] if another has it.
func (c *Client) Release(ctx context.Context, path string) error {
	if err := c.check(path); err != nil {
		return err
	}
	holder, err := c.holder()
	if err != nil {
		return err
	}
	return c.release(ctx, path, func(s Status) error {
		if s.Holder != holder {
			return heldError(s)
		}
		return nil
	})
}

// ForceRelease ends the lease at path, whatever its holder, if its token is
// token. It does nothing if the lease is free or has ended. It returns ErrLost
// if the lease has another token now. The holder learns of it at the next
// renewal, and may go on working until then.
func (c *Client) ForceRelease(ctx context.Context, path string, token int64) error {
	if err := c.check(path); err != nil {
		return err
	}
	return c.release(ctx, path, func(s Status) error {
		if s.Token != token {
			return fmt.Errorf("%w: lease %q has the token %d, not %d", ErrLost, path, s.Token, token)
		}
		return nil
	})
}

// release ends the held lease at path unless allow returns an error.
func (c *Client) release(ctx context.Context, path string, allow func(Status) error) error {
	for {
		e, err := c.Store.Read(ctx, path)
		if err != nil {
			return fmt.Errorf("release lease %q: %w", path, err)
		}
		rec, err := parseRecord(e)
		if err != nil {
			return err
		}
		s := describe(Sighting{Entry: e}, noSlot, c.wallNow())
		if s.State != Held {
			return nil
		}
		if err := allow(s); err != nil {
			return err
		}
		data, err := rec.Released().Marshal()
		if err != nil {
			return &RecordError{Path: path, Err: err}
		}
		err = c.Store.Release(ctx, e, data, nil)
		if err == nil {
			c.log().InfoContext(ctx, "lease released", "path", path, "holder", s.Holder, "token", s.Token)
			return nil
		}
		if !errors.Is(err, ErrLost) || ctx.Err() != nil {
			return fmt.Errorf("release lease %q: %w", path, err)
		}
		// The record changed in between: read it again.
	}
}

// Status describes the lease at path. A record that can't be read is no error
// but a state.
func (c *Client) Status(ctx context.Context, path string) (Status, error) {
	if err := c.check(path); err != nil {
		return Status{}, err
	}
	seen, err := see(ctx, path, c.Store.Read)
	if err != nil {
		return Status{}, err
	}
	return describe(seen, noSlot, c.wallNow()), nil
}

// List describes every lease at and below prefix, "/" for all, in the order of
// their paths, and paths that have only a run log, as of a schedule that was seen
// and never run. With an error it also returns what could be read.
func (c *Client) List(ctx context.Context, prefix string) ([]Status, error) {
	if err := c.checkStore(); err != nil {
		return nil, err
	}
	if prefix != "/" {
		if err := CheckPath(prefix); err != nil {
			return nil, err
		}
	}
	paths, listErr := c.Store.List(ctx, prefix)
	if listErr != nil {
		listErr = fmt.Errorf("list leases below %q: %w", prefix, listErr)
	}
	seen, err := seeAll(ctx, paths, c.readListed)
	var statuses []Status
	for _, s := range seen {
		if !s.IsGone() {
			statuses = append(statuses, describe(s, noSlot, c.wallNow()))
		}
	}
	return statuses, errors.Join(listErr, err)
}

// readListed returns the record at a path that the Store has listed; where there is
// none, with what may be a run log.
func (c *Client) readListed(ctx context.Context, path string) (Entry, error) {
	e, err := c.Store.Read(ctx, path)
	if err != nil || e.Data != nil {
		return e, err
	}
	return c.Store.ReadLog(ctx, e)
}

// hasLog reports whether a run log was read, also that of a newer program.
func (e Entry) hasLog() bool {
	if e.Log == nil || len(e.Log.Data) == 0 {
		return false
	}
	_, err := runlog.Parse(e.Log.Data)
	var foreign *runlog.ForeignError
	return !errors.As(err, &foreign)
}

// A request is what one call to acquire asks for, checked.
type request struct {
	Client
	path     string // where there are slots, the path above them
	name     string // the holder's
	duration time.Duration
	skew     time.Duration // MaxClockSkew in force
	attempt  *attempt      // nil where none is entered in the run log

	queueTime time.Duration // Proposal.QueueTime
	deniedBy  string        // what the newest denial that was logged has told
}

const (
	noSlot   = -1
	maxShare = 10 * time.Second // the most that a default takes of a long lease
)

func (c *Client) request(path string, d time.Duration) (*request, error) {
	if err := c.check(path); err != nil {
		return nil, err
	}
	if err := checkDuration(d, c.wallNow()); err != nil {
		return nil, err
	}
	holder, err := c.holder()
	if err != nil {
		return nil, err
	}
	r := &request{Client: *c, path: path, name: holder, duration: d, skew: c.MaxClockSkew}
	if r.skew == 0 {
		r.skew = min(d/10, maxShare)
	}
	if r.skew < 0 || r.skew >= d {
		return nil, &ArgumentError{
			Name: "duration", Value: d.String(),
			Want: fmt.Sprintf("must be longer than MaxClockSkew, %s, which must not be negative", r.skew),
		}
	}
	if c.RunLog {
		r.attempt = &attempt{run: r.newRun()}
	}
	return r, nil
}

// withoutLog returns the request for a plain grant, as one of the same holder
// that carries on what was begun.
func (r *request) withoutLog() *request {
	plain := *r
	plain.attempt = nil
	return &plain
}

func (c *Client) holder() (string, error) {
	if c.Holder == "" {
		return DefaultHolder()
	}
	return c.Holder, CheckHolder(c.Holder)
}

func (c *Client) wallNow() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}

// grant asks the store for the lease at known.Path, which is that of a slot if
// slot is not noSlot, by the rule of package kazoo.
func (r *request) grant(ctx context.Context, known Entry, slot int) (*Lease, error) {
	path := known.Path
	if err := r.checkClock(path); err != nil {
		return nil, err
	}
	granted, replaced, err := r.Store.Grant(ctx, known, r.propose)
	if isLogError(err) && r.attempt != nil && r.attempt.schedule == nil {
		r.log().WarnContext(ctx, "run not entered in the run log", "path", path, "holder", r.name, "reason", err)
		return r.withoutLog().grant(ctx, Entry{Path: path}, slot)
	}
	if err != nil {
		return nil, wrapUntyped(err, "acquire lease %q", path)
	}
	rec, err := parseRecord(granted)
	if err != nil {
		return nil, fmt.Errorf("acquire lease %q: the store returned another record than it was given: %w", path, err)
	}
	if rec == nil {
		return nil, fmt.Errorf("acquire lease %q: the store returned no record", path)
	}
	l := &Lease{request: r, path: path, slot: slot, entry: granted, replaced: replaced, record: *rec, busy: make(chan struct{}, 1)}
	if r.attempt != nil {
		var log runlog.Log
		if granted.Log != nil {
			if log, err = parseLog(path, granted.Log.Data); err != nil {
				return nil, fmt.Errorf("acquire lease %q: the store returned another run log than it was given: %w", path, err)
			}
			l.head, l.undoLog = log.Head, undoLog(replaced, granted.Log.Data, r.attempt.run.ID)
		}
		if !log.Has(r.attempt.run.ID) { // it carries another attempt on
			l.request, l.undoLog = r.withoutLog(), nil
		}
	}
	if err := cmp.Or(l.judge(ctx), l.judgeTick()); err != nil {
		return nil, errors.Join(err, l.undoPromptly(ctx))
	}
	if l.Remaining() <= 0 {
		over := fmt.Errorf("acquire lease %q: %w: it was over before it could be used; use a longer duration than %s", path, ErrLost, r.duration)
		return nil, errors.Join(over, l.undoPromptly(ctx))
	}
	l.logGrant(ctx)
	return l, nil
}

// propose returns what to write over old, where the rule allows that.
func (r *request) propose(old Entry) (Proposal, error) {
	rec, err := parseRecord(old)
	if err != nil {
		return Proposal{}, err
	}
	now := r.wallNow()
	held := kazoo.Decide(rec, r.name, now) == kazoo.Held
	own := rec != nil && rec.Holder == r.name
	if held || r.isOnceBy(rec) {
		if behind := old.Written.Sub(now); held && r.Now == nil && behind > r.skew {
			return Proposal{}, &ClockSkewError{Path: old.Path, Least: math.MinInt64, Most: -behind, Limit: r.skew}
		}
		return Proposal{}, &HeldError{Path: old.Path, Holder: rec.Holder, End: rec.End, Remaining: rec.End.Sub(now), Token: old.Token}
	}
	if now.Before(old.HeldUntil) {
		return Proposal{}, &HeldError{Path: old.Path, Holder: rec.Holder, End: old.HeldUntil, Remaining: old.HeldUntil.Sub(now), Token: old.Token}
	}
	if err := r.checkMachine(old, rec); err != nil {
		return Proposal{}, err
	}
	next := kazoo.NewRecord(r.name, now, r.duration)
	if tick := r.attempt != nil && r.attempt.schedule != nil; own && !tick && next.End.Before(rec.End) {
		next.End = rec.End
	}
	data, err := next.Marshal()
	if err != nil {
		return Proposal{}, &ArgumentError{Name: "duration", Value: r.duration.String(), Want: err.Error()}
	}
	p := Proposal{Data: data, QueueTime: r.queueTime}
	if p.Undo, err = undoData(next, old); err == nil && r.Now == nil {
		p.FormerEnd, err = formerEnd(old, r.name)
	}
	if err == nil && r.attempt != nil {
		return r.enter(p, old, rec)
	}
	return p, err
}

// isOnceBy reports whether rec is this holder's own, has not ended, and so keeps
// the lease from it, as Once has it.
func (r *request) isOnceBy(rec *kazoo.Record) bool {
	return r.Once && rec != nil && rec.Holder == r.name && r.wallNow().Before(rec.End)
}

// checkMachine returns a *SameNameError if this holder has the lease on another
// machine, and the name is the default one. With a name that was given it is
// logged: the work may have moved.
func (r *request) checkMachine(old Entry, rec *kazoo.Record) error {
	here := machine.ID()
	if rec == nil || rec.Holder != r.name || !r.wallNow().Before(rec.End) || old.Machine == "" || here == "" || old.Machine == here {
		return nil
	}
	err := &SameNameError{Path: old.Path, Holder: rec.Holder, End: rec.End, Machine: here, Other: old.Machine}
	if r.Holder == "" {
		return err
	}
	r.log().Warn("the holder has the lease on another machine", "path", old.Path, "holder", r.name, "reason", err)
	return nil
}

// wrapUntyped adds what was attempted to errors that don't name the lease
// themselves.
func wrapUntyped(err error, format string, args ...any) error {
	var (
		held     *HeldError
		record   *RecordError
		skew     *ClockSkewError
		argument *ArgumentError
		sameName *SameNameError
		tick     *TickError
	)
	if err == nil || errors.Is(err, ErrNoTick) || isLogError(err) || errors.As(err, &tick) || errors.As(err, &held) || errors.As(err, &record) || errors.As(err, &skew) || errors.As(err, &argument) || errors.As(err, &sameName) {
		return err
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}
