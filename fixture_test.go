package leasehold_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/kazoo"
	"leasehold.example/leasehold/leasetest"
)

const path = "/db_leases/hourly_cleanup"

// inBubble runs f where time passes only while everybody waits. It also fails
// if f leaves a goroutine behind.
func inBubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(250 * time.Millisecond) // the bubble's clock begins at a whole second
		f(t)
	})
}

func client(s leasehold.Store, holder string) *leasehold.Client {
	return &leasehold.Client{Store: s, Holder: holder}
}

func acquire(t *testing.T, c *leasehold.Client, d time.Duration) *leasehold.Lease {
	t.Helper()
	l, err := c.TryAcquire(t.Context(), path, d)
	if err != nil {
		t.Fatalf("TryAcquire by %q: got error %v, want a lease", c.Holder, err)
	}
	return l
}

func acquireSlot(t *testing.T, c *leasehold.Client, n int, d time.Duration) *leasehold.Lease {
	t.Helper()
	l, err := c.TryAcquireSlot(t.Context(), path, n, d)
	if err != nil {
		t.Fatalf("TryAcquireSlot by %q of %d: got error %v, want a lease", c.Holder, n, err)
	}
	return l
}

// wantHeld fails unless err is a denial because of holder, and returns it.
func wantHeld(t *testing.T, err error, holder string) *leasehold.HeldError {
	t.Helper()
	var held *leasehold.HeldError
	if !errors.As(err, &held) || !errors.Is(err, leasehold.ErrHeld) {
		t.Fatalf("got error %v, want a HeldError", err)
	}
	if held.Holder != holder {
		t.Fatalf("denied because of holder %q, want %q", held.Holder, holder)
	}
	return held
}

func wantErr(t *testing.T, what string, err error, want ...error) {
	t.Helper()
	for _, w := range want {
		if !errors.Is(err, w) {
			t.Fatalf("%s: got error %v, want one that matches %q", what, err, w)
		}
	}
}

func wantNil(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: got error %v, want nil", what, err)
	}
}

// wantTime fails unless got is want, give or take what real time has passed in
// a bubble meanwhile: package leasehold counts that in, by CLOCK_BOOTTIME.
func wantTime(t *testing.T, what string, got, want time.Duration) {
	t.Helper()
	if diff := got - want; diff < -200*time.Millisecond || diff > time.Millisecond {
		t.Fatalf("%s: got %s, want %s", what, got, want)
	}
}

// put makes raw the record at path, whatever is there, as some other program
// would.
func put(t *testing.T, s leasehold.Store, path, raw string) leasehold.Entry {
	t.Helper()
	e, _, err := s.Grant(t.Context(), leasehold.Entry{Path: path}, func(leasehold.Entry) (leasehold.Proposal, error) {
		return leasehold.Proposal{Data: []byte(raw), Undo: []byte(raw)}, nil
	})
	wantNil(t, "put a record", err)
	return e
}

// record returns what holder's record says that ends at end.
func record(t *testing.T, holder string, end time.Time) string {
	t.Helper()
	raw, err := kazoo.Record{Holder: holder, End: end}.Marshal()
	wantNil(t, "marshal a record", err)
	return string(raw)
}

func raw(t *testing.T, s leasehold.Store, path string) string {
	t.Helper()
	e, err := s.Read(t.Context(), path)
	wantNil(t, "read the record", err)
	return string(e.Data)
}

// A faulty is a Store in memory whose requests can be made to go wrong.
type faulty struct {
	*leasetest.Store

	mu     sync.Mutex
	count  map[string]int
	before func(ctx context.Context, request string) error // an error replaces the request
	after  func(e *leasehold.Entry) error                  // of Grant and Renew

	missing    leasehold.Instant
	connection context.Context
	disconnect context.CancelFunc
}

func newFaulty() *faulty {
	f := &faulty{Store: leasetest.NewStore(), count: map[string]int{}}
	f.connection, f.disconnect = context.WithCancel(context.Background())
	return f
}

// loseConnection ends what Connection has returned. If stoodStill, it turns out
// that this host's clocks had stood still.
func (f *faulty) loseConnection(stoodStill bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if stoodStill {
		f.missing = leasehold.ReadInstant()
	}
	lost := f.disconnect
	f.connection, f.disconnect = context.WithCancel(context.Background())
	lost()
}

func (f *faulty) TimeMissing() leasehold.Instant {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.missing
}

func (f *faulty) Connection() context.Context {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.connection
}

// fail makes requests fail with what before returns; nil ends that.
func (f *faulty) fail(before func(ctx context.Context, request string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before = before
}

// alter lets after change the replies to Grant and Renew.
func (f *faulty) alter(after func(e *leasehold.Entry) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.after = after
}

// requests returns how many of the kind were made, whatever became of them.
func (f *faulty) requests(kind string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count[kind]
}

func (f *faulty) begin(ctx context.Context, request string) error {
	f.mu.Lock()
	f.count[request]++
	before := f.before
	f.mu.Unlock()
	if before == nil {
		return nil
	}
	return before(ctx, request)
}

func (f *faulty) finish(e leasehold.Entry, err error) (leasehold.Entry, error) {
	f.mu.Lock()
	after := f.after
	f.mu.Unlock()
	if err == nil && after != nil {
		err = after(&e)
	}
	return e, err
}

func (f *faulty) Read(ctx context.Context, path string) (leasehold.Entry, error) {
	if err := f.begin(ctx, "read"); err != nil {
		return leasehold.Entry{}, err
	}
	return f.Store.Read(ctx, path)
}

func (f *faulty) Grant(ctx context.Context, known leasehold.Entry, decide func(leasehold.Entry) (leasehold.Proposal, error)) (granted, replaced leasehold.Entry, err error) {
	sent := leasehold.ReadInstant()
	if err := f.begin(ctx, "grant"); err != nil {
		return granted, replaced, err
	}
	granted, replaced, err = f.Store.Grant(ctx, known, decide)
	granted.Stamp.Sent = sent
	granted, err = f.finish(granted, err)
	return granted, replaced, err
}

func (f *faulty) Renew(ctx context.Context, held leasehold.Entry, data []byte) (leasehold.Entry, error) {
	sent := leasehold.ReadInstant()
	if err := f.begin(ctx, "renew"); err != nil {
		return leasehold.Entry{}, err
	}
	e, err := f.Store.Renew(ctx, held, data)
	e.Stamp.Sent = sent
	return f.finish(e, err)
}

func (f *faulty) Release(ctx context.Context, held leasehold.Entry, data []byte, edit leasehold.LogEdit) error {
	if err := f.begin(ctx, "release"); err != nil {
		return err
	}
	return f.Store.Release(ctx, held, data, edit)
}

func (f *faulty) Watch(ctx context.Context, path string) (leasehold.Entry, <-chan struct{}, error) {
	if err := f.begin(ctx, "watch"); err != nil {
		return leasehold.Entry{}, nil, err
	}
	return f.Store.Watch(ctx, path)
}

func (f *faulty) List(ctx context.Context, prefix string) ([]string, error) {
	if err := f.begin(ctx, "list"); err != nil {
		return nil, err
	}
	return f.Store.List(ctx, prefix)
}

func wantRecordError(t *testing.T, what string, err error, path string, newer bool) {
	t.Helper()
	var bad *leasehold.RecordError
	if !errors.As(err, &bad) || bad.Path != path || bad.Newer != newer {
		t.Fatalf("%s: got error %v, want a RecordError for %q with Newer %t", what, err, path, newer)
	}
}

func wantRemaining(t *testing.T, l *leasehold.Lease, want time.Duration) {
	t.Helper()
	wantTime(t, "Remaining", l.Remaining(), want)
}
