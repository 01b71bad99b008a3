//go:build unix

package localdir_test

import (
	"errors"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/localdir"
)

// Whoever reads without the lock may see the former record with a new token,
// but never a new record with a former token, which would not be fenced. Nor does
// it then see a log from before the record.
func TestReadsDuringGrants(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writer, reader := openIn(t, dir), openIn(t, dir)
	grant(t, writer, "/jobs/a", "1")
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
			}
			_, _, err := writer.Grant(t.Context(), leasehold.Entry{Path: "/jobs/a"}, func(old leasehold.Entry) (leasehold.Proposal, error) {
				number := []byte(strconv.FormatInt(old.Token+1, 10))
				return leasehold.Proposal{Data: number, Undo: []byte("0"), Log: number}, nil
			})
			if err != nil {
				t.Errorf("Grant: got error %v, want a grant", err)
				return
			}
		}
	}()
	newest := int64(0)
	for start := time.Now(); time.Since(start) < 300*time.Millisecond || newest < 5 && time.Since(start) < 10*time.Second; {
		e, err := reader.Read(t.Context(), "/jobs/a")
		if err != nil {
			t.Fatalf("Read: got error %v, want nil", err)
		}
		number, err := strconv.ParseInt(string(e.Data), 10, 64)
		if err != nil || e.Token < number || e.Token > number+1 || e.Token < newest {
			t.Fatalf("Read: got the record of grant %q with the token %d after %d, want its own token or the next", e.Data, e.Token, newest)
		}
		newest = e.Token
		log, err := strconv.ParseInt("0"+readLog(t, reader, "/jobs/a"), 10, 64)
		if err != nil || number > 1 && log < number {
			t.Fatalf("ReadLog: got the log of grant %d and error %v after the record of grant %d, want none before it", log, err, number)
		}
	}
	close(stop)
	<-stopped
	if newest < 5 {
		t.Fatalf("got %d grants during the reads, want some", newest)
	}
}

// What was read in the middle of a grant is not that grant.
func TestReleaseOfWhatWasReadDuringGrant(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	reader := openIn(t, dir)
	grant(t, reader, "/jobs/a", "first")
	var seen leasehold.Entry
	writer, err := localdir.OpenHooked(dir, 0, func(op, name string, call func() error) error {
		if op == "rename" && filepath.Base(name) == "lease_holder" && seen.Data == nil {
			var err error
			if seen, err = reader.Read(t.Context(), "/jobs/a"); err != nil || string(seen.Data) != "first" || seen.Token != 2 {
				t.Errorf("Read: got data %q, token %d and error %v, want %q, 2", seen.Data, seen.Token, err, "first")
			}
		}
		return call()
	})
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	second := grant(t, writer, "/jobs/a", "second")
	if err := reader.Release(t.Context(), seen, []byte("wrong"), nil); !errors.Is(err, leasehold.ErrLost) {
		t.Fatalf("Release: got error %v, want ErrLost", err)
	}
	if _, err := writer.Renew(t.Context(), second, []byte("renewed")); err != nil {
		t.Fatalf("Renew: got error %v, want nil", err)
	}
}

// The stamp on a commit is exact: it does not contain the calls before the rename
// of the record, or after it.
func TestStampIsNarrow(t *testing.T) {
	t.Parallel()
	var before, after time.Time
	renamed := false
	s, err := localdir.OpenHooked(t.TempDir(), 0, func(op, name string, call func() error) error {
		if renamed && after.IsZero() {
			after = time.Now()
		}
		err := call()
		if op == "rename" && filepath.Base(name) == "lease_holder" {
			renamed = true
		} else if !renamed {
			before = time.Now()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	stamp := grant(t, s, "/jobs/a", "data").Stamp
	if sent, received := stamp.Sent.Wall(), stamp.Received.Wall(); sent.Before(before.Round(0)) || received.After(after.Round(0)) {
		t.Errorf("Grant: got a stamp from %s to %s, want it between the calls at %s and %s", sent, received, before, after)
	}
	if lo, hi := stamp.At.Sub(stamp.Sent.Wall()), stamp.Received.Wall().Sub(stamp.At); lo < -stamp.Resolution || hi < 0 {
		t.Errorf("Grant: got a stamp at %s after it was sent and %s before it was received, want neither negative", lo, hi)
	}
}
