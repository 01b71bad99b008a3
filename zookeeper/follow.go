package zookeeper

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/kazoo"
	"leasehold.example/leasehold/zookeeper/internal/zk"
)

const (
	// A change comes as several, such as the deletion of a record and the creation of
	// the next: gatherTime is how long Follow waits for the others, and minRound from
	// one reading to the next. What changes again and again is read once in a round.
	gatherTime = 20 * time.Millisecond
	minRound   = 100 * time.Millisecond

	syncTime  = time.Second     // from one sync to the next
	retryTime = time.Minute     // until what could not be read is asked for again
	patience  = 2 * time.Second // with servers, until it is told why there is no session

	// How long it waits to begin anew.
	minDelay = 20 * time.Millisecond
	maxDelay = 2 * time.Second
)

// Follow costs a request for each node at and below prefix, one for each record and
// each node whose data may be a run log, one for the watch and a sync, whenever it has
// connected. From then on a change of a record or of a run log costs one, and nothing
// else but a sync each second: a ping that the leader answers, so that a server that is
// behind, or cut off, is noticed. Run logs that have stayed the same beside their records
// while there was no connection are not read again, and another program's data that has
// changed is every minute.
//
// A watch of all nodes below a path needs servers of ZooKeeper 3.6 or later. It stays
// on the connection when Follow has returned. Servers tell nobody when an ACL
// changes: what could not be read is asked for again every minute, and what may no
// longer be read stays as it was until the next connection.
func (s *Store) Follow(ctx context.Context, prefix string, tell func(leasehold.News)) error {
	f := &follower{
		reader: reader{store: s, leases: map[string]*followed{}, tell: tell},
		prefix: strings.TrimSuffix(prefix, "/"), wake: make(chan struct{}, 1),
	}
	defer f.end()
	delay := minDelay
	for {
		begun, err := f.follow(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case isFinal(err):
			return s.storeError(err, "read", f.root())
		case begun:
			delay = minDelay
		}
		tell(leasehold.News{Err: fmt.Errorf("ZooKeeper at %s: %w", strings.Join(s.url.Hosts, ","), err)})
		sleep(ctx, delay)
		delay = min(2*delay, maxDelay)
	}
}

// A follower is one call of Follow.
type follower struct {
	reader
	prefix string // of lease paths; "" for all

	mu      sync.Mutex
	changed map[question]bool // what is to be read again; nil when Follow has returned
	wake    chan struct{}     // has one element if something is
}

// follow follows until the connection is lost, and returns why it has ended. begun
// reports whether it has told everything.
func (f *follower) follow(ctx context.Context) (begun bool, err error) {
	if err := f.connect(ctx); err != nil {
		return false, err
	}
	f.take() // of former connections
	watch, err := f.session.do(ctx, zk.AddWatch(f.root(), f.note))
	if errors.Is(err, zk.ErrUnimplemented) {
		return false, fmt.Errorf("its servers can't tell of changes: they are not ZooKeeper 3.6 or later: %w", err)
	}
	if err != nil {
		return false, err
	}
	asOf, err := f.sync(ctx)
	if err != nil {
		return false, err
	}
	if err := f.readAll(ctx, f.prefix); err != nil {
		return false, err
	}
	return true, f.followChanges(ctx, asOf, watch.Watch)
}

// followChanges tells what changes until the watch is lost. Everything until asOf has
// been told.
func (f *follower) followChanges(ctx context.Context, asOf leasehold.Instant, lost <-chan struct{}) error {
	second, retry := time.NewTicker(syncTime), time.NewTicker(f.store.retryUnread)
	defer second.Stop()
	defer retry.Stop()
	for {
		select {
		case <-lost: // what was read since, and a sync, may have had the next connection
			return zk.ErrConnectionLost
		default:
		}
		if !asOf.IsZero() {
			f.tell(leasehold.News{AsOf: asOf})
		}
		asOf = leasehold.Instant{}
		read := time.Now()
		var more []question
		isDue := false // a sync
		select {
		case <-f.wake:
			sleep(ctx, max(gatherTime, time.Until(read.Add(minRound))))
		case <-second.C:
			isDue = true
		case <-retry.C:
			more = f.unread()
		case <-lost:
			return zk.ErrConnectionLost
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case <-second.C: // which select may have left aside, again and again
			isDue = true
		default:
		}
		if isDue {
			var err error
			if asOf, err = f.sync(ctx); err != nil {
				return err
			}
		}
		if err := f.read(ctx, append(more, f.take()...)); err != nil {
			return err
		}
	}
}

// sync returns a moment until when the server has all that was committed, as far as the
// leader knew, and has told of it on a connection with the watch.
func (f *follower) sync(ctx context.Context) (leasehold.Instant, error) {
	asOf := leasehold.ReadInstant()
	_, err := f.session.Send(zk.Sync(cmp.Or(f.store.url.Chroot, "/"))).Wait(ctx)
	return asOf, fromClient(err)
}

// connect waits for a connected session, and tells why there is none.
func (f *follower) connect(ctx context.Context) (err error) {
	for {
		short, cancel := context.WithTimeout(ctx, patience)
		f.session, err = f.store.session(short)
		cancel()
		if ctx.Err() != nil || !errors.Is(err, leasehold.ErrUnreachable) {
			return err
		}
		f.tell(leasehold.News{Err: err})
	}
}

// sleep returns after d, or when ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// root is the path of the node that is watched.
func (f *follower) root() string { return cmp.Or(f.store.nodePath(f.prefix), "/") }

// note takes note that the node at full has changed. Lock nodes and grant nodes
// don't count: no record is written without a change of its own node.
func (f *follower) note(full string) {
	q := question{about: aLog, path: strings.TrimPrefix(full, f.store.url.Chroot)}
	if path, ok := strings.CutSuffix(q.path, "/"+kazoo.RecordName); ok {
		q = question{about: aRecord, path: path}
	}
	if leasehold.CheckPath(q.path) != nil {
		return
	}
	f.mu.Lock()
	if f.changed != nil {
		f.changed[q] = true
	}
	f.mu.Unlock()
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// end lets go of what is known: the watch stays, and keeps f.
func (f *follower) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changed, f.leases, f.others = nil, nil, nil
}

// take returns what is to be read again.
func (f *follower) take() []question {
	f.mu.Lock()
	defer f.mu.Unlock()
	taken := slices.Collect(maps.Keys(f.changed))
	f.changed = map[question]bool{}
	return slices.DeleteFunc(taken, func(q question) bool {
		if _, isOther := f.others[q.path]; !isOther || q.about != aLog {
			return false
		}
		f.others[q.path] = true
		return true
	})
}
