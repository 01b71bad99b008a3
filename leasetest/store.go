package leasetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"leasehold.example/leasehold"
)

// A Store keeps leases in memory. It is safe for concurrent use. All Clients
// that are to compete need the same Store.
type Store struct {
	// Now, if set, is the Store's clock, which stamps grants and renewals;
	// nil means time.Now. Set it before the first use.
	Now func() time.Time

	mu     sync.Mutex // guards what is below
	leases map[string]*lease
	stamp  leasehold.Stamp // of the newest commit
}

var _ leasehold.Store = (*Store)(nil)

// A lease is what the Store knows of one path. It stays for good, so that
// tokens go on increasing.
type lease struct {
	data     []byte
	token    int64
	since    time.Time
	written  time.Time
	released bool
	log      leasehold.Log
	watches  map[chan struct{}]func() bool // each with what stops it from closing with its context
}

// granted is the Private of entries that Grant and Renew returned.
type granted struct{}

// NewStore returns an empty Store.
func NewStore() *Store { return &Store{} }

// Read returns the record at path.
func (s *Store) Read(ctx context.Context, path string) (leasehold.Entry, error) {
	if err := unended(ctx); err != nil {
		return leasehold.Entry{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.read(path), nil
}

// Grant makes a new grant. decide is called with the Store locked: it must not
// use the Store.
func (s *Store) Grant(ctx context.Context, known leasehold.Entry, decide func(leasehold.Entry) (leasehold.Proposal, error)) (granted, replaced leasehold.Entry, err error) {
	if err := unended(ctx); err != nil {
		return granted, replaced, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	path := known.Path
	old := s.read(path)
	p, err := decide(old)
	if errors.Is(err, leasehold.ErrNeedsLog) {
		old.Log = s.readLog(path)
		p, err = decide(old)
	}
	if err != nil {
		return granted, replaced, err
	}
	if err := unended(ctx); err != nil { // decide may have taken its time
		return granted, replaced, err
	}
	l := s.lease(path)
	l.token++
	l.released = false
	s.commit(l, p.Data)
	l.since = s.stamp.At
	e := s.own(path)
	if p.Log != nil {
		s.setLog(l, p.Log)
		e.Log = s.readLog(path)
	}
	return e, old, nil
}

// Renew replaces the data of the grant that held belongs to.
func (s *Store) Renew(ctx context.Context, held leasehold.Entry, data []byte) (leasehold.Entry, error) {
	if err := unended(ctx); err != nil {
		return leasehold.Entry{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.still(held); err != nil {
		return leasehold.Entry{}, err
	}
	s.commit(s.lease(held.Path), data)
	return s.own(held.Path), nil
}

// Release ends the grant that held belongs to and leaves data as the record.
func (s *Store) Release(ctx context.Context, held leasehold.Entry, data []byte, edit leasehold.LogEdit) error {
	if err := unended(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.still(held); err != nil {
		return err
	}
	l := s.lease(held.Path)
	if edit != nil {
		log, err := edit(slices.Clone(l.log.Data))
		if err != nil {
			return err
		}
		s.setLog(l, log)
	}
	l.released = true
	s.commit(l, data)
	return nil
}

// ReadLog returns known with the run log of its path.
func (s *Store) ReadLog(ctx context.Context, known leasehold.Entry) (leasehold.Entry, error) {
	if err := unended(ctx); err != nil {
		return known, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	known.Log = s.readLog(known.Path)
	return known, nil
}

// EditLog changes the run log of path.
func (s *Store) EditLog(ctx context.Context, path string, edit leasehold.LogEdit) error {
	if err := unended(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lease(path)
	log, err := edit(slices.Clone(l.log.Data))
	if err == nil {
		s.setLog(l, log)
	}
	return err
}

// setLog replaces the run log of l.
func (s *Store) setLog(l *lease, data []byte) {
	if !bytes.Equal(l.log.Data, data) {
		l.log = leasehold.Log{Data: slices.Clone(data), Written: s.now()}
	}
}

// now is the time by the Store's clock.
func (s *Store) now() time.Time {
	if s.Now != nil {
		return s.Now().Round(0).UTC()
	}
	return time.Now().Round(0).UTC()
}

// Watch returns what Read does, and a channel that is closed with the next
// commit at path, or when ctx ends.
func (s *Store) Watch(ctx context.Context, path string) (leasehold.Entry, <-chan struct{}, error) {
	if err := unended(ctx); err != nil {
		return leasehold.Entry{}, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lease(path)
	changed := make(chan struct{})
	l.watches[changed] = context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if _, open := l.watches[changed]; open {
			delete(l.watches, changed)
			close(changed)
		}
	})
	return s.read(path), changed, nil
}

// List returns the paths of all leases and run logs at and below prefix.
func (s *Store) List(ctx context.Context, prefix string) ([]string, error) {
	if err := unended(ctx); err != nil {
		return nil, err
	}
	prefix = strings.TrimSuffix(prefix, "/")
	s.mu.Lock()
	defer s.mu.Unlock()
	var paths []string
	for path, l := range s.leases {
		if (l.data != nil || len(l.log.Data) > 0) && (path == prefix || strings.HasPrefix(path, prefix+"/")) {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return paths, nil
}

// LastStamp returns the stamp of the newest commit.
func (s *Store) LastStamp() leasehold.Stamp {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stamp
}

// TimeMissing returns the zero Instant: no time was ever found missing.
func (s *Store) TimeMissing() leasehold.Instant { return leasehold.Instant{} }

// Connection returns a context that never ends.
func (s *Store) Connection() context.Context { return context.Background() }

// Close does nothing: the Store can be used on, by whoever else has it.
func (s *Store) Close() error { return nil }

func unended(ctx context.Context) error {
	if ctx.Err() != nil {
		return fmt.Errorf("store in memory: %w: %w", leasehold.ErrUnreachable, ctx.Err())
	}
	return nil
}

func (s *Store) lease(path string) *lease {
	l := s.leases[path]
	if s.leases == nil {
		s.leases = map[string]*lease{}
	}
	if l == nil {
		l = &lease{watches: map[chan struct{}]func() bool{}}
		s.leases[path] = l
	}
	return l
}

func (s *Store) read(path string) leasehold.Entry {
	e := leasehold.Entry{Path: path}
	if l := s.leases[path]; l != nil && l.data != nil {
		e.Data, e.Token, e.Since, e.Written = slices.Clone(l.data), l.token, l.since, l.written
	}
	return e
}

// readLog returns the run log of path.
func (s *Store) readLog(path string) *leasehold.Log {
	log := s.lease(path).log
	log.Data = slices.Clone(log.Data)
	return &log
}

// own returns the record at path for the one who has just written it.
func (s *Store) own(path string) leasehold.Entry {
	e := s.read(path)
	e.Stamp, e.Private = s.stamp, granted{}
	return e
}

// still returns ErrLost unless held is what is there: for whoever was granted
// it, the same grant; for whoever has read it, the same record.
func (s *Store) still(held leasehold.Entry) error {
	l := s.lease(held.Path)
	switch {
	case l.data == nil || l.token != held.Token:
		return fmt.Errorf("%w: its token is %d, the newest is %d", leasehold.ErrLost, held.Token, l.token)
	case held.Private == granted{} && l.released:
		return fmt.Errorf("%w: it was released", leasehold.ErrLost)
	case held.Private != granted{} && !slices.Equal(l.data, held.Data):
		return fmt.Errorf("%w: the record was replaced", leasehold.ErrLost)
	}
	return nil
}

func (s *Store) commit(l *lease, data []byte) {
	stamp := leasehold.Stamp{Resolution: time.Nanosecond, Sent: leasehold.ReadInstant()}
	stamp.At = s.now()
	stamp.Received = leasehold.ReadInstant()
	s.stamp = stamp
	l.written = stamp.At
	l.data = append([]byte{}, data...) // never nil: there is a record
	for changed, stop := range l.watches {
		stop()
		close(changed)
	}
	clear(l.watches)
}
