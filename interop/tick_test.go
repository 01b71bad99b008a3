package interop_test

import (
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/runlog"
)

// What kazoo ran is entered by the next grant, also where that is of a later tick.
func TestRunOfKazooIsInTheLog(t *testing.T) {
	t.Parallel()
	const path = "/kazoo-ran-it"
	first := time.Now().UTC().Truncate(time.Second).Add(-30 * time.Minute)
	second := first.Add(time.Hour)
	hourly := leasehold.Schedule{Name: "hourly", Timezone: "UTC", CatchUp: first, Ticks: func(t time.Time) (due, next time.Time, ok bool) {
		due = first.Add(t.Sub(first).Truncate(time.Hour))
		return due, due.Add(time.Hour), true
	}}
	if got, err := newLab(t).peer.Lease(path, "kazoo", time.Minute, time.Time{}); err != nil || !got {
		t.Fatalf("kazoo: got %t and error %v, want the lease", got, err)
	}
	host := goHost(t, "host", func() time.Time { return second.Add(time.Minute) }, "")
	if _, err := host.TryAcquireTick(t.Context(), path, hourly, time.Minute); err != nil {
		t.Fatal(err)
	}
	log, err := host.Runs(t.Context(), path)
	if err != nil || len(log.Runs) != 2 {
		t.Fatalf("got %+v and error %v, want two runs", log, err)
	}
	if got := log.Runs[0]; got.Holder != "host" || !got.Tick.Equal(second) || got.Attempt != 1 {
		t.Errorf("got %+v, want the first attempt of the second tick", got)
	}
	got := log.Runs[1]
	want := runlog.Run{ID: got.ID, Tick: first, Attempt: 1, Holder: "kazoo", Started: got.Started, Result: runlog.Unknown}
	if got != want || got.Started.Before(first) || got.Started.After(second) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
