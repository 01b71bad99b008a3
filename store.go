package leasehold

import (
	"context"
	"time"
)

// A Store keeps lease records. It knows nothing of who may have a lease: that
// is the rule in package kazoo, which [Client] applies. What a Store adds is
// atomicity, an order of grants, and a clock.
//
// Every method returns soon after ctx ends, whatever the store is doing, and
// keeps trying to reach an unreachable store until then. Paths have passed
// [CheckPath]. A Store is safe for concurrent use.
//
// Errors match [ErrUnreachable], [ErrPermission] or [ErrOutcomeUnknown] where
// one of them is the cause. The suite in package leasetest tells whether an
// implementation keeps all this.
type Store interface {
	// Read returns the record at path. Where there is none, the Entry has no
	// Data, and that is no error.
	Read(ctx context.Context, path string) (Entry, error)

	// Grant makes a new grant. It reads the record, asks decide, and commits
	// what decide proposes, so that nothing else happened at path in between.
	// It may read and ask again, so decide must have no side effects. An
	// error from decide is returned as it is, and nothing has been written.
	//
	// holder is shown to those who wait at the same path; the Store does not
	// judge by it. If ctx ends while a commit is under way, Grant returns
	// ErrOutcomeUnknown, and the Store undoes the grant (Proposal.Undo) as
	// soon as it learns that there was one.
	Grant(ctx context.Context, path, holder string, decide func(old Entry) (Proposal, error)) (Entry, error)

	// Renew replaces the data of the grant that held belongs to; the grant
	// and its token stay. left is how long the record being replaced still
	// lasts: the less there is, the harder a Store may have to look whether
	// the renewal can be relied on. A nil error means that it can.
	// It returns ErrLost if a later grant was made or the grant was released.
	Renew(ctx context.Context, held Entry, data []byte, left time.Duration) (Entry, error)

	// Release ends the grant that held belongs to and leaves data as the
	// record. held comes from Grant or Renew, or from Read, by another
	// process. It returns ErrLost, and has changed nothing, if held is no
	// longer what is there.
	Release(ctx context.Context, held Entry, data []byte) error

	// Watch returns what Read does, and a channel that is closed once that
	// may have changed, or when ctx ends.
	Watch(ctx context.Context, path string) (Entry, <-chan struct{}, error)

	// List returns the paths of all leases at and below prefix, "/" for all,
	// in the order of their bytes. It returns what it found together with an
	// error for what it could not look into.
	List(ctx context.Context, prefix string) ([]string, error)

	// Close frees what the Store holds and waits, a few seconds at most, for
	// what it still has to undo or to clean up. Grants stay.
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

	// Since is when the grant was made, by the Store's clock.
	Since time.Time

	// Stamp is that of the commit that returned this Entry. From Read, Watch
	// and in decide it is that of the newest commit that this Store made, at
	// whatever path, and zero if there was none.
	Stamp Stamp

	// Private is the Store's own.
	Private any
}

// A Proposal is what a grant is to write.
type Proposal struct {
	Data []byte // the new record
	Undo []byte // what to write over Data if nobody is left to use the grant
}

// A Stamp ties the Store's clock to this host's: the Store committed a write
// when its own wall clock showed At, at some moment between Sent and Received.
type Stamp struct {
	At             time.Time // cut off to Resolution
	Resolution     time.Duration
	Sent, Received Instant
}
