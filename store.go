package leasehold

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A Store keeps lease records. It knows nothing of who may have a lease: that
// is the rule in package kazoo, which [Client] applies. What a Store adds is
// atomicity, an order of grants, and a clock.
//
// Every method returns soon after ctx ends, whatever the store is doing, and
// keeps trying to reach an unreachable store until then. Paths have passed
// [CheckPath]; a Store does not check them again. A Store is safe for
// concurrent use.
//
// Errors match [ErrUnreachable], [ErrPermission], [ErrQueued], [ErrFull],
// [ErrUnusablePath] or [ErrOutcomeUnknown] where one of them is the cause. The suite in package leasetest tells whether an
// implementation keeps all this.
type Store interface {
	// Read returns the record at path. Where there is none, the Entry has no
	// Data, and that is no error.
	Read(ctx context.Context, path string) (Entry, error)

	// Grant makes a new grant at known.Path, and returns what it replaced with
	// it. It calls decide on the record that is there, and commits what decide
	// proposes if nothing else happened at the path in between. decide is
	// called as often as that takes, so it must have no side effects. An error
	// from decide is returned as it is, and nothing has been written.
	//
	// known is what Read or Watch has returned for the path, where the caller
	// has just called it: it can save a Store from reading the same again. Else
	// it has nothing but the Path.
	//
	// Where old has no Log, decide may return ErrNeedsLog: it is called again with
	// the run log, which a Store need not read else. A proposed Log is committed
	// with the grant, and only if the run log is the one that decide was called
	// with; granted then has the new one, and replaced the old one.
	//
	// If ctx ends while a commit is under way, Grant returns ErrOutcomeUnknown,
	// and the Store takes the grant back (Proposal.Undo and UndoLog) as soon as it
	// learns that there was one.
	Grant(ctx context.Context, known Entry, decide func(old Entry) (Proposal, error)) (granted, replaced Entry, err error)

	// Renew replaces the data of the grant that held belongs to; the grant
	// and its token stay. A nil error means that the renewal can be relied on.
	// It returns ErrLost if a later grant was made or the grant was released.
	Renew(ctx context.Context, held Entry, data []byte) (Entry, error)

	// Release ends the grant that held belongs to and leaves data as the
	// record. held comes from Grant or Renew, or from Read, by another
	// process. It returns ErrLost, and has changed nothing, if held is no
	// longer what is there. edit, unless it is nil, changes the run log in the same
	// commit, as in EditLog.
	Release(ctx context.Context, held Entry, data []byte, edit LogEdit) error

	// ReadLog returns known with the run log of its path. Where nothing was logged,
	// that is empty. Grant may begin with what ReadLog returns.
	ReadLog(ctx context.Context, known Entry) (Entry, error)

	// EditLog replaces the run log of path by what edit makes of it, unless that is
	// the same. It makes the path where there is none. edit is called again if the
	// log was changed in between, or the outcome of a commit is unknown, so it must
	// have no side effects, and must change nothing where its change is made
	// already. An error from edit is returned as it is, and nothing has been
	// written.
	EditLog(ctx context.Context, path string, edit LogEdit) error

	// Watch returns what Read does, and a channel that is closed once that
	// may have changed, or when ctx ends.
	Watch(ctx context.Context, path string) (Entry, <-chan struct{}, error)

	// List returns the paths of all leases at and below prefix, "/" for all, in the
	// order of their bytes, and those where there is a run log alone, or what may be
	// one. It returns what it found together with an error for what it could not
	// look into.
	List(ctx context.Context, prefix string) ([]string, error)

	// LastStamp returns the Stamp of the newest commit that this Store has
	// made, at whatever path, and the zero Stamp if there was none.
	LastStamp() Stamp

	// TimeMissing returns when it last turned out that this host's clocks may have
	// stood still, as those of a virtual machine do while its host pauses it: the
	// time since then counts, but what was counted before may be too little. It
	// is the zero Instant if that never happened, or the Store can't tell.
	TimeMissing() Instant

	// Connection returns a context that ends when the connection to what keeps
	// the leases is lost the next time; it never ends where there is none.
	Connection() context.Context

	// Close frees what the Store holds and waits, a few seconds at most, for
	// what it still has to take back or to clean up. Grants stay.
	Close() error
}

// An Entry is a record as a Store holds it.
type Entry struct {
	Path string // the lease path

	// Data is the record, byte for byte; nil where there is none.
	Data []byte

	// Token is the fencing token of the grant that the record belongs to: a
	// positive number, greater than that of any earlier grant at this path.
	// It is 0 where there is no record.
	Token int64

	// Since is when the grant was made, and Written when the record was last
	// written, both by the Store's clock. Written is zero where the Store does
	// not know, or has no clock but this host's.
	Since, Written time.Time

	// Machine is a short hash of the identity of the machine that the grant was
	// made on, "" where that is not known. HeldUntil is set if the grant was made
	// while another holder's lease had not ended yet by the Store's clock, and is
	// the end of that lease: until then the grant counts for nobody. A Store may
	// know both only in decide, and of what was replaced.
	Machine   string
	HeldUntil time.Time

	// ByKazoo is set if kazoo wrote the record. A Store may not know.
	ByKazoo bool

	// Log is the path's run log, nil where it was not read.
	Log *Log

	// Margin is by how much before its end the holder stops to use the lease. The
	// Client sets it for Renew: others may think so much earlier that it is over.
	Margin time.Duration

	// Stamp is that of the commit that returned this Entry, and zero if it was
	// only read.
	Stamp Stamp

	// Private is the Store's own.
	Private any
}

// A Proposal is what a grant is to write.
type Proposal struct {
	Data []byte // the new record
	Undo []byte // what to write over Data if nobody is left to use the grant

	Log     []byte  // the new run log; nil to leave it as it is
	UndoLog LogEdit // what then becomes of the run log, where there is a Log

	// FormerEnd is the end of another holder's lease that the grant replaces, and
	// zero if there is none, or if leases do not go by the Store's clock. If the
	// Store's clock has not reached it at the commit, Entry.HeldUntil is FormerEnd
	// from then on.
	FormerEnd time.Time

	// QueueTime bounds how long Grant queues behind another program's lock on the
	// path; then it returns ErrQueued. 0 means until ctx ends.
	QueueTime time.Duration
}

// A Log is a run log as a Store holds it. A Store knows nothing of what is in it:
// that is package runlog.
type Log struct {
	Data    []byte    // byte for byte; empty where nothing was logged
	Written time.Time // by the Store's clock; zero where nothing was logged
}

// A LogEdit returns what a run log is to become.
type LogEdit func(data []byte) ([]byte, error)

// ErrNeedsLog is what the function that Grant calls returns if it can't decide
// without the run log.
var ErrNeedsLog = errors.New("the run log is needed")

// A LogError means that a run log can't be used or written: what is there is not
// one, a newer program wrote it, it is too long, or, if it matches ErrPermission,
// this user may not. Nothing was written.
type LogError struct {
	Path  string
	Newer bool // a newer program wrote it
	Err   error
}

func (e *LogError) Error() string { return fmt.Sprintf("run log of %q: %v", e.Path, e.Err) }

func (e *LogError) Unwrap() error { return e.Err }

// A Stamp ties the Store's clock to this host's: the Store committed a write
// when its own wall clock showed At, at some moment between Sent and Received.
type Stamp struct {
	At             time.Time // cut off to Resolution
	Resolution     time.Duration
	Sent, Received Instant
}
