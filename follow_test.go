package leasehold_test

import (
	"errors"
	"testing"
	"time"

	"leasehold.example/leasehold"
)

// What a sighting says of a lease, when it was seen and later.
func TestSighting(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 26, 2, 0, 0, 0, time.UTC)
	held := leasehold.Sighting{Entry: leasehold.Entry{Path: path, Data: []byte(record(t, "host-a", now.Add(time.Minute))), Token: 7}}
	s := held.Status(now)
	if s.State != leasehold.Held || s.Holder != "host-a" || s.Remaining != time.Minute || s.Token != 7 || s.Slot != -1 || held.IsGone() {
		t.Errorf("got %+v, want held by host-a for a minute, with token 7 and no slot", s)
	}
	if later := s.At(now.Add(time.Minute)); later.State != leasehold.Expired || later.Remaining != 0 || later.Holder != "host-a" {
		t.Errorf("at its end: got %+v, want expired", later)
	}
	if earlier := s.At(now.Add(time.Minute)).At(now); earlier != s {
		t.Errorf("and back: got %+v, want %+v", earlier, s)
	}
	closed := leasehold.Sighting{Entry: leasehold.Entry{Path: path}, Err: leasehold.ErrPermission}
	if s := closed.Status(now).At(now.Add(time.Hour)); s.State != leasehold.Unreadable || s.Reason != leasehold.ErrPermission.Error() || closed.IsGone() {
		t.Errorf("not to be read: got %+v, want unreadable, and why", s)
	}
	if gone := (leasehold.Sighting{Entry: leasehold.Entry{Path: path}}); !gone.IsGone() || gone.Status(now).State != leasehold.Free {
		t.Errorf("nothing there: got %+v, want it gone", gone)
	}

	if log, err := held.Runs(); err != nil || len(log.Runs) != 0 {
		t.Errorf("a log that was not read: got %+v, %v, want an empty one", log, err)
	}
	held.Log = &leasehold.Log{Data: []byte("gone fishing")}
	var bad *leasehold.LogError
	if _, err := held.Runs(); !errors.As(err, &bad) {
		t.Errorf("no log: got error %v, want a LogError", err)
	}
	held.LogErr = leasehold.ErrPermission
	if _, err := held.Runs(); !errors.Is(err, leasehold.ErrPermission) {
		t.Errorf("a log that is not to be read: got error %v, want ErrPermission", err)
	}
}
