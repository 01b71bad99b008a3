package interop_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/kazoo"
	"leasehold.example/leasehold/runlog"
)

const (
	tickTime = 20 * time.Second // of a lease for a tick
	skew     = time.Second
)

// A fleet is a path with a schedule, where kazoo runs the job, too.
type fleet struct {
	*lab
	path string
	host *leasehold.Client
}

func newFleet(t *testing.T) fleet {
	t.Helper()
	f := fleet{lab: newLab(t), path: freshPath(t), host: goHost(t, "host-a", nil, "")}
	f.host.MaxClockSkew = skew
	return f
}

// another returns a host like the first one, with a clock of its own if now is
// not nil.
func (f fleet) another(holder string, now func() time.Time) *leasehold.Client {
	c := *f.host
	c.Holder, c.Now = holder, now
	return &c
}

// dueAt is a schedule that is due at these times, and an hour after the last.
func dueAt(attempts int, ticks ...time.Time) leasehold.Schedule {
	ticks = append(ticks, ticks[len(ticks)-1].Add(time.Hour))
	return leasehold.Schedule{
		Name: "of a test", Timezone: "UTC", Attempts: attempts, RetryAfter: time.Millisecond,
		Ticks: func(t time.Time) (due, next time.Time, ok bool) {
			for i, tick := range ticks[:len(ticks)-1] {
				if !t.Before(tick) {
					due, next, ok = tick, ticks[i+1], true
				}
			}
			return due, next, ok
		},
	}
}

// kazooRuns has kazoo run the job now, and returns when its record was made. Its
// clock is a minute behind, so that its lease has ended by ours.
func (f fleet) kazooRuns(t *testing.T, holder string) time.Time {
	t.Helper()
	f.wantKazoo(t, true, holder, time.Second, time.Now().Add(-time.Minute))
	return f.created(t)
}

func (f fleet) wantKazoo(t *testing.T, want bool, holder string, d time.Duration, now time.Time) {
	t.Helper()
	if got, err := f.peer.Lease(f.path, holder, d, now); got != want || err != nil {
		t.Fatalf("kazoo for %s: got %v and error %v, want %v", holder, got, err, want)
	}
}

// created returns when the record's node was made.
func (f fleet) created(t *testing.T) time.Time {
	t.Helper()
	_, stat, err := f.conn.Exists(f.path + "/" + kazoo.RecordName)
	if err != nil {
		t.Fatal(err)
	}
	return time.UnixMilli(stat.Ctime).UTC()
}

// tick acquires the tick that is due, which must be the attempt n.
func (f fleet) tick(t *testing.T, s leasehold.Schedule, n int) *leasehold.Lease {
	t.Helper()
	l, err := f.host.TryAcquireTick(t.Context(), f.path, s, tickTime)
	if err != nil {
		t.Fatal(err)
	}
	if l.Attempt() != n {
		t.Errorf("got attempt %d, want %d", l.Attempt(), n)
	}
	return l
}

func finish(t *testing.T, l *leasehold.Lease, r runlog.Result) {
	t.Helper()
	if err := l.Finish(t.Context(), leasehold.Outcome{Result: r}); err != nil {
		t.Fatal(err)
	}
}

// wantVerdict fails the test unless err is a refusal with this verdict, because
// of a run of holder's.
func wantVerdict(t *testing.T, err error, want runlog.Verdict, holder string) {
	t.Helper()
	denial, ok := errors.AsType[*leasehold.TickError](err)
	if !ok || denial.Verdict != want {
		t.Fatalf("got error %v, want the verdict %q", err, want)
	}
	if holder != "" && (denial.Run == nil || denial.Run.Holder != holder) {
		t.Errorf("got the run %+v in the way, want one of %s", denial.Run, holder)
	}
}

// wantRefused fails the test unless the tick that is due is refused so.
func (f fleet) wantRefused(t *testing.T, s leasehold.Schedule, want runlog.Verdict, holder string) {
	t.Helper()
	_, err := f.host.TryAcquireTick(t.Context(), f.path, s, tickTime)
	wantVerdict(t, err, want, holder)
}

// An entry is what a test wants to know of one in the run log.
type entry struct {
	holder  string
	tick    time.Time
	attempt int
	result  runlog.Result
}

func (f fleet) wantRuns(t *testing.T, want ...entry) {
	t.Helper()
	l, err := f.host.Runs(t.Context(), f.path)
	if err != nil {
		t.Fatal(err)
	}
	var got []entry
	for _, r := range l.Runs {
		got = append(got, entry{r.Holder, r.Tick, r.Attempt, r.Result})
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got the runs %+v, want %+v", got, want)
	}
}

func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// TestRunOfKazooIsAnAttempt of the tick if it began when that was due, or since:
// by the servers' clock, from which kazoo's may differ by the skew.
func TestRunOfKazooIsAnAttempt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		after  time.Duration // of the tick, after kazoo's run
		counts bool
	}{
		{"after the tick", -skew, true},
		{"within the skew before it", skew / 2, true},
		{"earlier", skew + 100*time.Millisecond, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t)
			ran := f.kazooRuns(t, "kazoo-a")
			due := ran.Add(c.after)
			time.Sleep(time.Until(due))
			if !c.counts {
				finish(t, f.tick(t, dueAt(1, due), 1), runlog.Success)
				f.wantRuns(t, entry{"host-a", due, 1, runlog.Success}, entry{holder: "kazoo-a", result: runlog.Unknown})
				return
			}
			before := f.record(t, f.path)
			f.wantRefused(t, dueAt(1, due), runlog.IsSpent, "kazoo-a")
			f.wantRecord(t, f.path, before)

			finish(t, f.tick(t, dueAt(2, due), 2), runlog.Success)
			f.wantRuns(t, entry{"host-a", due, 2, runlog.Success}, entry{"kazoo-a", due, 1, runlog.Unknown})
			l, err := f.host.Runs(t.Context(), f.path)
			if err != nil || !l.Runs[1].Started.Equal(ran) {
				t.Errorf("got kazoo's run %+v and error %v, want it started at %s", l.Runs[1], err, ran)
			}
		})
	}
}

// TestTickKeepsKazooAway while it runs and, after a success or the last attempt,
// until the next one less the skew.
func TestTickKeepsKazooAway(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		attempts int
		result   runlog.Result
		away     bool
	}{
		{"success", 2, runlog.Success, true},
		{"last failure", 1, runlog.Failure, true},
		{"failure with an attempt left", 2, runlog.Failure, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f, due := newFleet(t), now()
			s := dueAt(c.attempts, due)
			l := f.tick(t, s, 1)
			f.wantKazoo(t, false, "kazoo-a", time.Minute, now())
			finish(t, l, c.result)
			if !c.away {
				f.kazooRuns(t, "kazoo-a")
				f.wantRefused(t, s, runlog.IsSpent, "kazoo-a")
				return
			}
			until := due.Add(time.Hour - skew).Truncate(time.Second)
			f.wantKazoo(t, false, "kazoo-a", time.Minute, until.Add(-time.Microsecond))
			f.wantKazoo(t, true, "kazoo-a", time.Minute, until)
		})
	}
}

// TestKazooAfterDeath: a host of ours that dies has used an attempt, but nothing
// keeps kazoo away longer than its lease.
func TestKazooAfterDeath(t *testing.T) {
	t.Parallel()
	f, due := newFleet(t), now()
	s := dueAt(1, due)
	end := f.tick(t, s, 1).End()
	f.wantKazoo(t, false, "kazoo-a", time.Second, end.Add(-time.Microsecond))
	f.wantKazoo(t, true, "kazoo-a", time.Second, end)
	err := f.another("host-b", nil).CheckTick(t.Context(), f.path, s, tickTime)
	wantVerdict(t, err, runlog.IsHeld, "kazoo-a")
	err = f.another("host-b", func() time.Time { return end.Add(time.Minute) }).CheckTick(t.Context(), f.path, s, tickTime)
	wantVerdict(t, err, runlog.IsSpent, "kazoo-a")
}

// TestTickBehindKazoo: a lease of kazoo's from before the tick, longer than the
// period, makes it late. If the next one is due by then, that is run.
func TestTickBehindKazoo(t *testing.T) {
	t.Parallel()
	for _, period := range []time.Duration{time.Hour, time.Second} {
		t.Run(period.String(), func(t *testing.T) {
			t.Parallel()
			f := newFleet(t)
			began := now()
			f.wantKazoo(t, true, "kazoo-a", 4*time.Second, began)
			end := began.Add(4 * time.Second).Truncate(time.Second)
			due := f.created(t).Add(skew + 100*time.Millisecond)
			want := due
			ticks := []time.Time{due}
			for period < time.Hour && want.Add(period).Before(end) {
				want = want.Add(period)
				ticks = append(ticks, want)
			}
			s := dueAt(1, ticks...)
			time.Sleep(time.Until(due))
			_, err := f.host.TryAcquireTick(t.Context(), f.path, s, tickTime)
			wantDenied(t, outcome{nil, err}, "kazoo-a")
			l, err := f.host.AcquireTick(t.Context(), f.path, s, tickTime)
			if err != nil {
				t.Fatal(err)
			}
			if l.Since().Before(end) || !l.Tick().Equal(want) || l.Attempt() != 1 {
				t.Errorf("got the tick %s, attempt %d, at %s, want %s, 1, at or after %s", l.Tick(), l.Attempt(), l.Since(), want, end)
			}
		})
	}
}

// TestLateSuccessBesideKazoo: our host was slow, kazoo has taken over. The success
// counts, and kazoo's record stays.
func TestLateSuccessBesideKazoo(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	s := dueAt(3, now())
	l := f.tick(t, s, 1)
	f.wantKazoo(t, true, "kazoo-a", time.Minute, l.End())
	before := f.record(t, f.path)
	finish(t, l, runlog.Success)
	f.wantRecord(t, f.path, before)
	f.wantKazoo(t, true, "kazoo-a", time.Minute, l.End())
	wantVerdict(t, f.host.CheckTick(t.Context(), f.path, s, tickTime), runlog.IsDone, "host-a")
}

// TestKazooUnderOurName is granted the lease of a run of ours. That run is stopped,
// but with Adopt both go on. Nobody else runs the tick.
func TestKazooUnderOurName(t *testing.T) {
	t.Parallel()
	for _, adopt := range []bool{false, true} {
		f := newFleet(t)
		f.host.Adopt = adopt
		s := dueAt(2, now())
		l := f.tick(t, s, 1)
		working, stop := l.KeepAlive(t.Context())
		defer stop()
		f.wantKazoo(t, true, "host-a", time.Minute, now())
		f.wantRefused(t, s, runlog.IsHeld, "")
		_, err := f.another("host-b", nil).TryAcquireTick(t.Context(), f.path, s, tickTime)
		wantDenied(t, outcome{nil, err}, "host-a")
		if adopt {
			stop()
			finish(t, l, runlog.Lost)
			continue
		}
		select {
		case <-working.Done():
		case <-time.After(within):
			t.Fatal("got no loss of the lease, want one")
		}
		finish(t, l, runlog.Lost)
		f.wantRuns(t, entry{"host-a", l.Tick(), 1, runlog.Lost})
		wantVerdict(t, f.another("host-b", func() time.Time { return now().Add(2 * time.Minute) }).CheckTick(t.Context(), f.path, s, tickTime), runlog.IsSpent, "host-a")
	}
}
