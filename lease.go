package leasehold

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"leasehold.example/leasehold/kazoo"
	"leasehold.example/leasehold/runlog"
)

// A Lease was granted to its holder, who may act on it as long as Remaining is
// positive. It is safe for concurrent use.
type Lease struct {
	request *request
	path    string
	slot    int
	head    runlog.Head   // of the run log as the grant has left it
	undoLog LogEdit       // takes the attempt out of it; nil where none was entered
	busy    chan struct{} // holds one value while Renew, Release, Finish or Undo is at work

	finished  bool        // guarded by busy
	finishing atomic.Bool // Finish was called
	lossTold  atomic.Bool

	mu           sync.Mutex // guards what is below
	entry        Entry
	replaced     Entry // what the grant has replaced
	record       kazoo.Record
	over         error // why the lease is no longer ours; nil while it may be
	lastRenewErr error // why the last attempt to keep it alive failed; nil if it did not
}

// errReleased is the ErrLost of a lease that Release has ended.
var errReleased = fmt.Errorf("%w: it was released", ErrLost)

// errReleasing is the ErrLost of a lease whose release was sent, and may have
// been carried out.
var errReleasing = fmt.Errorf("%w: its release was asked for", ErrLost)

// isRelease reports whether a lease that is over was given up, or may have been.
func isRelease(why error) bool { return errors.Is(why, errReleased) || errors.Is(why, errReleasing) }

// String says whose lease it is, until when, and its token.
func (l *Lease) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Sprintf("lease %q of %q until %s (token %d)", l.path, l.request.name, formatEnd(l.record.End), l.entry.Token)
}

// Path returns the lease path: of the slot, where there are slots.
func (l *Lease) Path() string { return l.path }

// Holder returns the name under which the lease was granted.
func (l *Lease) Holder() string { return l.request.name }

// Slot returns the number of the slot, or -1 if the lease has none.
func (l *Lease) Slot() int { return l.slot }

// Token returns the fencing token: a positive number, greater than that of any
// earlier grant at this path. Send it along to whatever the work writes to, so
// that it can refuse those who come with a smaller one.
func (l *Lease) Token() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.entry.Token
}

// Tick returns the tick that the lease was granted for; the zero time if it was
// none.
func (l *Lease) Tick() time.Time {
	if a := l.request.attempt; a != nil {
		return a.due
	}
	return time.Time{}
}

// IsLogged reports whether the run is in the run log, to be finished.
func (l *Lease) IsLogged() bool { return l.request.attempt != nil }

// Attempt returns which attempt of the tick it is, from 1; 0 without a tick.
func (l *Lease) Attempt() int {
	if l.Tick().IsZero() {
		return 0
	}
	return l.head.Attempts
}

// LastSuccess returns the newest tick that had succeeded when this one was
// granted; the zero time if there was none, or there is no tick.
func (l *Lease) LastSuccess() time.Time { return l.head.LastSuccess }

// Since returns when the grant was made, by the store's clock.
func (l *Lease) Since() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.entry.Since
}

// End returns the end in the record: when others may take the lease, by their
// clocks. This holder must stop earlier; see Remaining.
func (l *Lease) End() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.record.End
}

// Remaining returns for how long the holder may still act on the lease, 0 if
// no longer. It is the time from the store's stamp on the last grant or
// renewal to End, counted from before that was sent, less MaxClockSkew. This
// host's wall clock has no part in it, unless the Client has a Now. Once the
// store has found that this host's clocks stood still, it is 0 until a renewal
// has confirmed the lease.
func (l *Lease) Remaining() time.Duration {
	if _, doubtful := l.doubt(); doubtful {
		return 0
	}
	return l.counted()
}

// doubt reports whether it has turned out, since the last grant or renewal, that
// this host's clocks had stood still, and for how long that is known.
func (l *Lease) doubt() (known time.Duration, doubtful bool) {
	if l.request.Now != nil {
		return 0, false
	}
	missing := l.request.Store.TimeMissing()
	l.mu.Lock()
	defer l.mu.Unlock()
	if missing.IsZero() || l.entry.Stamp.Sent.Since(missing) > 0 {
		return 0, false
	}
	return missing.Elapsed(), true
}

// counted is Remaining as this host's clocks have it, whether or not they have
// stood still.
func (l *Lease) counted() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over != nil {
		return 0
	}
	return l.remaining()
}

func (l *Lease) remaining() time.Duration {
	if l.request.Now != nil {
		return max(0, l.record.End.Sub(l.request.Now()))
	}
	stamp := l.entry.Stamp
	total := l.record.End.Sub(stamp.At.Add(stamp.Resolution)) - l.margin(stamp)
	return max(0, total-stamp.Sent.Elapsed())
}

// margin is by how much before End the lease is over for this holder.
func (l *Lease) margin(stamp Stamp) time.Duration { return l.request.skew + l.clockLead(stamp) }

// clockLead returns by how much End comes earlier by this host's clock than by
// the store's, at most the limit. A client of kazoo goes by its own clock, which
// may be ahead of this host's by the limit, and this host's ahead of the store's.
func (l *Lease) clockLead(stamp Stamp) time.Duration {
	ahead := stamp.Sent.Wall().Sub(stamp.At)
	return max(0, min(ahead, l.request.skew))
}

// Renew extends the lease to its duration from now; its token stays. It tries
// to reach the store until ctx or the lease ends, whichever is first.
//
// A nil error means that the lease is extended. ErrLost means that the lease
// is not the holder's any more, for the reason that the error gives; it was
// taken over, acquired anew by the same holder, released, removed, or is past
// its end. After any other error the lease lasts as long as before, and Renew
// may be called again.
func (l *Lease) Renew(ctx context.Context) (err error) {
	defer l.request.observe(EventRenewal, l.path, &l, &err)()
	return l.renew(ctx)
}

func (l *Lease) renew(ctx context.Context) error {
	if err := l.lock(ctx); err != nil {
		return fmt.Errorf("renew lease %q: %w", l.path, err)
	}
	defer l.unlock()
	for range 2 {
		moved, err := l.renewOnce(ctx)
		if err != nil {
			return fmt.Errorf("renew lease %q: %w", l.path, err)
		}
		if !moved {
			break
		}
		// The store's clock was not where it was expected, so End is not a
		// duration away from it: once more, by the clock as it is now.
	}
	return nil
}

// renewOnce also reports whether the store's clock has jumped since the last
// commit.
func (l *Lease) renewOnce(ctx context.Context) (moved bool, err error) {
	l.mu.Lock()
	entry, record, over, left := l.entry, l.record, l.over, l.remaining()
	l.mu.Unlock()
	if over != nil {
		return false, over
	}
	if left <= 0 {
		return false, l.lose(fmt.Errorf("%w: it ended at %s", ErrLost, formatEnd(record.End)))
	}
	next := kazoo.NewRecord(l.request.name, l.storeNow(entry), l.request.duration)
	if next.End.Before(record.End) {
		next.End = record.End // if the reply got lost, we would go on believing in the later end
	}
	data, err := next.Marshal()
	if err != nil {
		return false, err
	}
	if l.request.Now == nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, left)
		defer cancel()
		entry.Margin = l.margin(entry.Stamp)
	}
	renewed, err := l.request.Store.Renew(ctx, entry, data)
	switch {
	case errors.Is(err, ErrLost):
		why := l.lossReason(ctx)
		if l.request.Adopt && errors.Is(why, errSuperseded) {
			return false, why // the record still names the holder
		}
		return false, l.lose(why)
	case l.counted() <= 0: // still by the old end
		late := fmt.Errorf("%w: not renewed before it ended at %s", ErrLost, formatEnd(record.End))
		return false, l.lose(errors.Join(late, err))
	case err != nil:
		return false, err
	}
	l.mu.Lock()
	l.entry, l.record = renewed, next
	l.mu.Unlock() // a logger that blocks must not keep Remaining from who ends the work
	l.request.log().DebugContext(ctx, "lease renewed", "path", l.path, "holder", l.request.name, "token", renewed.Token, "end", formatEnd(next.End))
	jump := renewed.Stamp.At.Sub(entry.Stamp.At.Add(renewed.Stamp.Sent.Since(entry.Stamp.Sent)))
	return l.request.Now == nil && jump.Abs() > l.request.skew, nil
}

// storeNow is the store's clock, carried forward from its last stamp, so that
// a jump of this host's wall clock does not reach the record.
func (l *Lease) storeNow(e Entry) time.Time {
	if l.request.Now != nil {
		return l.request.Now()
	}
	return e.Stamp.At.Add(e.Stamp.Sent.Elapsed())
}

// lose sets that the lease is over, and returns why.
func (l *Lease) lose(why error) error {
	l.setOver(why)
	l.tellLoss(why)
	return why
}

// lossReason finds out how the lease was lost. It returns an ErrLost.
func (l *Lease) lossReason(ctx context.Context) error {
	e, err := l.request.Store.Read(ctx, l.path)
	if err != nil {
		return fmt.Errorf("%w: another grant was made, or it was released", ErrLost)
	}
	rec, err := parseRecord(e)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrLost, err)
	case rec == nil:
		return fmt.Errorf("%w: its record was removed", ErrLost)
	case rec.Holder != l.request.name:
		return fmt.Errorf("%w: taken over by %q, until %s", ErrLost, rec.Holder, formatEnd(rec.End))
	case rec.IsReleased():
		return fmt.Errorf("%w: released by another process", ErrLost)
	}
	return errSuperseded
}

// How long Release and Undo go on once the caller's context has ended, and what
// the taking back of a grant that does not stand, which its caller waits for.
const (
	releaseTime = 5 * time.Second
	undoTime    = time.Second
)

// Release gives the lease up, so that another may have it at once. Stop the
// work first. It does nothing if the lease was released already, and returns
// ErrLost, having changed nothing, if it is no longer the holder's.
//
// Release goes on for up to 5 s after ctx has ended, so that it can be deferred
// with the context that ended the work.
func (l *Lease) Release(ctx context.Context) error {
	ctx, cancel := outlive(ctx, releaseTime)
	defer cancel()
	if err := l.lock(ctx); err != nil {
		return fmt.Errorf("release lease %q: %w", l.path, err)
	}
	defer l.unlock()
	l.mu.Lock()
	entry, record, over := l.entry, l.record, l.over
	l.mu.Unlock()
	if errors.Is(over, errReleased) {
		return nil
	}
	data, err := record.Released().Marshal()
	if err != nil {
		return fmt.Errorf("release lease %q: %w", l.path, err)
	}
	l.setOver(errReleasing) // another may have it before the reply comes
	err = l.request.Store.Release(ctx, entry, data, nil)
	if errors.Is(err, context.Canceled) && !errors.Is(err, ErrOutcomeUnknown) { // outlive's doing
		err = fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	switch {
	case errors.Is(err, ErrLost) && errors.Is(over, errReleasing) && l.wasReleased(ctx, entry):
		err = nil // an earlier Release has arrived after all
	case errors.Is(err, ErrLost):
		return fmt.Errorf("release lease %q: %w", l.path, l.lose(l.lossReason(ctx)))
	case errors.Is(err, ErrOutcomeUnknown): // which comes with ErrUnreachable, perhaps
	case errors.Is(err, ErrUnreachable), errors.Is(err, ErrPermission):
		l.setOver(over) // nothing was written
	}
	if err != nil {
		return fmt.Errorf("release lease %q: %w", l.path, err)
	}
	l.setOver(errReleased)
	l.request.log().InfoContext(ctx, "lease released", "path", l.path, "holder", l.request.name, "token", entry.Token)
	return nil
}

// wasReleased reports whether the grant in held is there, and was released.
func (l *Lease) wasReleased(ctx context.Context, held Entry) bool {
	e, err := l.request.Store.Read(ctx, l.path)
	if err != nil || e.Token != held.Token {
		return false
	}
	rec, err := parseRecord(e)
	return err == nil && rec != nil && rec.IsReleased()
}

// setOver sets why the lease is over; nil means that it is not.
func (l *Lease) setOver(why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = why
}

// lock waits until no other Renew, Release or Undo of this lease is at work.
func (l *Lease) lock(ctx context.Context) error {
	select {
	case l.busy <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *Lease) unlock() { <-l.busy }

// outlive returns a context that ends d after ctx does.
func outlive(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		sleep(longer, d)
		cancel()
	})
	return longer, func() {
		stop()
		cancel()
	}
}
