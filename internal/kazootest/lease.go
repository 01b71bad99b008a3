package kazootest

import "time"

// Lease makes one attempt with kazoo's NonBlockingLease and reports whether it
// was obtained. Its clock shows now, to the microsecond, or what Python's
// utcnow does if now is zero.
func (p *Peer) Lease(path, holder string, d time.Duration, now time.Time) (obtained bool, err error) {
	err = p.call(attempt(path, holder, d, now), &obtained)
	return obtained, err
}

// MultiLease makes one attempt with kazoo's MultiNonBlockingLease on n slots.
func (p *Peer) MultiLease(n int, path, holder string, d time.Duration, now time.Time) (obtained bool, err error) {
	r := attempt(path, holder, d, now)
	r.Slots = n
	err = p.call(r, &obtained)
	return obtained, err
}

// LeaseVersion makes one attempt with a NonBlockingLease that reads and writes
// records of another version, as a future kazoo may.
func (p *Peer) LeaseVersion(version int, path, holder string, d time.Duration, now time.Time) (obtained bool, err error) {
	r := attempt(path, holder, d, now)
	r.Version = version
	err = p.call(r, &obtained)
	return obtained, err
}

func attempt(path, holder string, d time.Duration, now time.Time) request {
	r := request{Op: "lease", Path: path, Holder: holder, Microseconds: d.Microseconds(), Version: 1}
	if !now.IsZero() {
		r.Now = now.UTC().Format("2006-01-02T15:04:05.000000")
	}
	return r
}

// A Step is a request that NonBlockingLease makes, in this order. Those with
// an old record in mind are not made where there is none.
type Step string

const (
	LockStep   Step = "lock"   // create the lock node
	ExistsStep Step = "exists" // look whether there is a record
	GetStep    Step = "get"    // read the old record
	DeleteStep Step = "delete" // delete the old record
	CreateStep Step = "create" // create the new record
	UnlockStep Step = "unlock" // delete the lock node
)

// A Stalled is an attempt that stands still in the middle, in a session of its
// own that is kept alive.
type Stalled struct {
	peer   *Peer
	handle int
}

// Stall starts an attempt as Lease does and returns when it is about to make
// the request of the given step. It is an error if the attempt ends before.
func (p *Peer) Stall(before Step, path, holder string, d time.Duration, now time.Time) (*Stalled, error) {
	r := attempt(path, holder, d, now)
	r.Op, r.Before = "stall", before
	s := &Stalled{peer: p}
	return s, p.call(r, &s.handle)
}

// Resume lets the attempt go on and reports whether the lease was obtained.
func (s *Stalled) Resume() (obtained bool, err error) {
	err = s.peer.call(request{Op: "resume", Handle: s.handle}, &obtained)
	return obtained, err
}

// Racers are kazoo clients with a session each.
type Racers struct {
	peer   *Peer
	handle int
}

// Racers connects one client for each holder.
func (p *Peer) Racers(holders ...string) (*Racers, error) {
	r := &Racers{peer: p}
	return r, p.call(request{Op: "racers", Holders: holders}, &r.handle)
}

// Race lets all of them make one attempt at once, when the wall clock shows
// start, and returns the holders that obtained the lease.
func (r *Racers) Race(path string, d time.Duration, now, start time.Time) (obtained []string, err error) {
	ask := attempt(path, "", d, now)
	ask.Op, ask.Handle, ask.Start = "race", r.handle, float64(start.UnixMicro())/1e6
	err = r.peer.call(ask, &obtained)
	return obtained, err
}
