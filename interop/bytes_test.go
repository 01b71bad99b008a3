package interop_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"leasehold.example/leasehold"
)

var holders = []string{
	"host-a",
	"DB hourly cleanup on db1.example.com",
	`quotes " and \ backslashes /`,
	"<tags> & ampersands",
	"\x00\x01\b\t\n\v\f\r\x1b\x7f",
	"Jürgen's Überrechner",
	"日本語ホスト",
	"مضيف",
	"\u0080\u00a0\u00ad\u2028\u2029\ufeff\ufffd\uffff",
	"𝔥𝔬𝔰𝔱 🦀 \U0010ffff",
	"e\u0301 is not \u00e9",
	" ",
	strings.Repeat("x", 1024),
	strings.Repeat("🦀", 256),
}

// TestSameBytes lets Go and kazoo make the same grant: nobody can tell from
// the record who did.
func TestSameBytes(t *testing.T) {
	t.Parallel()
	w := newWriters(t)
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for _, holder := range holders {
		for _, now := range []time.Time{noon, noon.Add(999_999 * time.Microsecond)} {
			if goBytes, kazooBytes := w.write(t, holder, now, 70*time.Minute); goBytes != kazooBytes {
				t.Errorf("holder %q at %v: Go writes %s, kazoo %s; want the same", holder, now, goBytes, kazooBytes)
			}
		}
	}
}

func TestSameBytesForAnyGrant(t *testing.T) {
	t.Parallel()
	w := newWriters(t)
	whole := rapid.StringN(1, -1, 1024).Filter(utf8.ValidString)
	rapid.Check(t, func(t *rapid.T) {
		holder := whole.Draw(t, "holder")
		// Python's clock has microseconds.
		now := time.UnixMicro(rapid.Int64Range(0, 250_000_000_000_000_000).Draw(t, "now")) // until 9892
		d := time.Duration(rapid.Int64Range(1_000_000, 3_000_000_000_000_000).Draw(t, "duration")) * time.Microsecond
		goBytes, kazooBytes := w.write(t, holder, now, d)
		if goBytes != kazooBytes {
			t.Errorf("Go writes %s, kazoo %s; want the same", goBytes, kazooBytes)
		}
	})
}

// writers make the same grant from both sides, at paths never used before.
type writers struct {
	*lab
	clock *clock
	host  *leasehold.Client
	base  string
	count int
}

func newWriters(t *testing.T) *writers {
	w := &writers{lab: newLab(t), clock: &clock{}, base: freshPath(t)}
	w.host = goHost(t, "", w.clock.Now, "")
	return w
}

func (w *writers) write(t rapid.TB, holder string, now time.Time, d time.Duration) (byGo, byKazoo string) {
	t.Helper()
	w.count++
	goPath, kazooPath := fmt.Sprintf("%s/%d/go", w.base, w.count), fmt.Sprintf("%s/%d/kazoo", w.base, w.count)
	w.clock.set(now)
	host := *w.host
	host.Holder = holder
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	if _, err := host.TryAcquire(ctx, goPath, d); err != nil {
		t.Fatalf("Go for %q: %v", holder, err)
	}
	if ok, err := w.peer.Lease(kazooPath, holder, d, now); !ok || err != nil {
		t.Fatalf("kazoo for %q: got %v and error %v, want the lease", holder, ok, err)
	}
	records := make([]string, 2)
	for i, path := range []string{goPath, kazooPath} {
		data, _, err := w.conn.Get(path + "/lease_holder")
		if err != nil {
			t.Fatalf("get the record of %s: %v", path, err)
		}
		records[i] = string(data)
	}
	return records[0], records[1]
}
