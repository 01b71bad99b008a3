package interop_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"leasehold.example/leasehold"
)

// badRecords may not be replaced by anybody, although their ends, where they
// have some, are long past and their holder is the one who asks.
var badRecords = []struct {
	name, data string
	newer      bool
}{
	{name: "empty", data: ""},
	{name: "blank", data: " \n"},
	{name: "not JSON", data: "locked by bob"},
	{name: "truncated", data: `{"version": 1, "holder": "me", "end": "2001-01-0`},
	{name: "followed by more", data: `{"version": 1, "holder": "me", "end": "2001-01-01T00:00:00"} {}`},
	{name: "null", data: `null`},
	{name: "a list", data: `[1, "me", "2001-01-01T00:00:00"]`},
	{name: "no keys", data: `{}`},
	{name: "no version", data: `{"holder": "me", "end": "2001-01-01T00:00:00"}`},
	{name: "no holder", data: `{"version": 1, "end": "2001-01-01T00:00:00"}`},
	{name: "no end", data: `{"version": 1, "holder": "me"}`},
	{name: "keys in another case", data: `{"Version": 1, "Holder": "me", "End": "2001-01-01T00:00:00"}`},
	{name: "version is a string", data: `{"version": "1", "holder": "me", "end": "2001-01-01T00:00:00"}`},
	{name: "version is a fraction", data: `{"version": 1.5, "holder": "me", "end": "2001-01-01T00:00:00"}`},
	{name: "version is null", data: `{"version": null, "holder": "me", "end": "2001-01-01T00:00:00"}`},
	{name: "holder is a number", data: `{"version": 1, "holder": 5, "end": "2001-01-01T00:00:00"}`},
	{name: "holder is null", data: `{"version": 1, "holder": null, "end": "2001-01-01T00:00:00"}`},
	{name: "holder is not UTF-8", data: "{\"version\": 1, \"holder\": \"me\xff\", \"end\": \"2001-01-01T00:00:00\"}"},
	{name: "end is a number", data: `{"version": 1, "holder": "me", "end": 978307200}`},
	{name: "end with Z", data: `{"version": 1, "holder": "me", "end": "2001-01-01T00:00:00Z"}`},
	{name: "end with an offset", data: `{"version": 1, "holder": "me", "end": "2001-01-01T00:00:00+00:00"}`},
	{name: "end with a fraction", data: `{"version": 1, "holder": "me", "end": "2001-01-01T00:00:00.5"}`},
	{name: "end is no date", data: `{"version": 1, "holder": "me", "end": "2001-02-29T00:00:00"}`},
	{name: "huge", data: `{"version": 1, "holder": "me", "end": "` + strings.Repeat("2", 900_000)},
	{name: "version 2", data: `{"version": 2, "holder": "me", "end": "2001-01-01T00:00:00"}`, newer: true},
	{name: "version 2 and all else unknown", data: `{"version": 2, "until": 0}`, newer: true},
	{name: "version 0", data: `{"version": 0, "holder": "me", "end": "2001-01-01T00:00:00"}`, newer: true},
}

func TestBadRecordsAreNeverTouched(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	const d = time.Minute
	for _, c := range badRecords {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			me := goHost(t, "me", nil, "")
			// Each attempt gets a bad record of its own, at path, and says
			// whether it had a lease there before.
			attempts := map[string]func(ctx context.Context, path string) (err error, held bool){
				"TryAcquire": func(ctx context.Context, path string) (error, bool) {
					l.put(t, path, []byte(c.data))
					_, err := me.TryAcquire(ctx, path, d)
					return err, false
				},
				"Acquire": func(ctx context.Context, path string) (error, bool) {
					l.put(t, path, []byte(c.data))
					_, err := me.Acquire(ctx, path, d)
					return err, false
				},
				"TryAcquireSlot/0": func(ctx context.Context, path string) (error, bool) {
					l.put(t, path, []byte(c.data))
					_, err := me.TryAcquireSlot(ctx, strings.TrimSuffix(path, "/0"), 1, d)
					return err, false
				},
				"Client.Release": func(ctx context.Context, path string) (error, bool) {
					l.put(t, path, []byte(c.data))
					return me.Release(ctx, path), false
				},
				"ForceRelease": func(ctx context.Context, path string) (error, bool) {
					l.put(t, path, []byte(c.data))
					return me.ForceRelease(ctx, path, 1), false
				},
				"Lease.Renew": func(ctx context.Context, path string) (error, bool) {
					return l.acquireAndSpoil(t, me, path, c.data).Renew(ctx), true
				},
				"Lease.Release": func(ctx context.Context, path string) (error, bool) {
					return l.acquireAndSpoil(t, me, path, c.data).Release(ctx), true
				},
			}
			for name, attempt := range attempts {
				path := freshPath(t) + "/" + name
				ctx, cancel := context.WithTimeout(t.Context(), within)
				err, held := attempt(ctx, path)
				cancel()
				bad, ok := errors.AsType[*leasehold.RecordError](err)
				if !ok || bad.Path != path || bad.Newer != c.newer {
					t.Errorf("%s: got error %v, want a RecordError of %s with Newer %v", name, err, path, c.newer)
				}
				if held != errors.Is(err, leasehold.ErrLost) {
					t.Errorf("%s: got error %v, which is ErrLost: %v, want %v", name, err, !held, held)
				}
				if err != nil && len(err.Error()) > 500 {
					t.Errorf("%s: got a message of %d bytes, want a readable one", name, len(err.Error()))
				}
				l.wantRecord(t, path, []byte(c.data))
				l.wantNoDebris(t, path)
			}
		})
	}
}

// acquireAndSpoil overwrites the record of a lease that was just acquired.
func (l *lab) acquireAndSpoil(t *testing.T, host *leasehold.Client, path, data string) *leasehold.Lease {
	t.Helper()
	lease, err := host.TryAcquire(t.Context(), path, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	l.put(t, path, []byte(data))
	return lease
}

// TestGoodSlotBesidesBadOnes: a bad record takes one slot out of use, not all.
func TestGoodSlotBesidesBadOnes(t *testing.T) {
	t.Parallel()
	l, path := newLab(t), freshPath(t)
	for slot, data := range []string{"?", `{"version": 2}`} {
		l.put(t, slotPath(path, slot), []byte(data))
	}
	lease, err := goHost(t, "me", nil, "").TryAcquireSlot(t.Context(), path, 3, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if lease.Slot() != 2 {
		t.Errorf("got slot %d, want 2", lease.Slot())
	}
	names, _, err := l.conn.Children(path)
	slices.Sort(names)
	if want := []string{"0", "1", "2"}; !slices.Equal(names, want) || err != nil {
		t.Errorf("below %s: got %q and error %v, want %q", path, names, err, want)
	}
}
