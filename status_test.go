package leasehold_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/leasetest"
)

func TestStatus(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := leasetest.NewStore()
		a := client(s, "host-a")
		b := client(s, "host-b")
		status := func() leasehold.Status {
			t.Helper()
			st, err := b.Status(t.Context(), path)
			wantNil(t, "Status", err)
			if st.Path != path || st.Slot != -1 {
				t.Fatalf("got path %q, slot %d, want %q and -1", st.Path, st.Slot, path)
			}
			return st
		}
		free := leasehold.Status{Path: path, Slot: -1}
		if got := status(); got != free {
			t.Fatalf("before the first grant: got %+v, want %+v", got, free)
		}

		granted := time.Now().UTC().Round(0)
		l := acquire(t, a, time.Minute)
		time.Sleep(10 * time.Second)
		want := leasehold.Status{
			Path: path, Slot: -1, State: leasehold.Held, Holder: "host-a", End: l.End(),
			Remaining: time.Until(l.End()), Since: granted, Token: l.Token(),
		}
		if got := status(); got != want {
			t.Fatalf("while held: got %+v, want %+v", got, want)
		}
		time.Sleep(time.Minute)
		want.State, want.Remaining = leasehold.Expired, 0
		if got := status(); got != want {
			t.Fatalf("past the end: got %+v, want %+v", got, want)
		}
		wantNil(t, "Release", acquire(t, a, time.Minute).Release(t.Context()))
		if got := status(); got != free {
			t.Fatalf("after a release: got %+v, want %+v", got, free)
		}
		put(t, s, path, "gone fishing")
		if got := status(); got.State != leasehold.Unreadable || got.Reason == "" || got.Holder != "" || got.Token != 0 {
			t.Fatalf("unreadable: got %+v, want that, and a reason alone", got)
		}
		put(t, s, path, `{"version": 2}`)
		if got := status(); got.State != leasehold.Newer || !strings.Contains(got.Reason, "2") {
			t.Fatalf("newer: got %+v, want that, and the version in the reason", got)
		}
	})
}

func TestStateNames(t *testing.T) {
	t.Parallel()
	for state, want := range map[leasehold.State]string{
		leasehold.Free: "free", leasehold.Held: "held", leasehold.Expired: "expired",
		leasehold.Unreadable: "unreadable", leasehold.Newer: "newer", -1: "State(-1)", 5: "State(5)",
	} {
		if got := state.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// partial is a Store that can't look into everything.
type partial struct{ *faulty }

var errHidden = errors.New("no look into /jobs/b")

func (p partial) List(ctx context.Context, prefix string) ([]string, error) {
	paths, err := p.faulty.List(ctx, prefix)
	return paths, errors.Join(err, errHidden)
}

func (p partial) Read(ctx context.Context, path string) (leasehold.Entry, error) {
	if path == "/jobs/a" {
		return leasehold.Entry{}, leasehold.ErrPermission
	}
	return p.faulty.Read(ctx, path)
}

func TestList(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFaulty()
		put(t, s, "/jobs/c", record(t, "host-c", time.Now().Add(time.Hour)))
		put(t, s, "/jobs/a", record(t, "host-a", time.Now().Add(-time.Hour)))
		put(t, s, "/jobs/b", "gone fishing")
		put(t, s, "/other", record(t, "host-a", time.Now().Add(time.Hour)))
		wantNil(t, "Pause", client(s, "host-a").Pause(t.Context(), "/never/run", "ann", "a test"))
		for path, data := range map[string]string{"/never/newer": `{"leasehold_run_log": 9}`, "/never/foreign": "another program's"} {
			wantNil(t, "EditLog", s.EditLog(t.Context(), path, func([]byte) ([]byte, error) { return []byte(data), nil }))
		}
		for _, test := range []struct {
			store  leasehold.Store
			prefix string
			want   []string
			errs   []error
		}{
			{s, "/", []string{"/jobs/a expired", "/jobs/b unreadable", "/jobs/c held", "/never/newer free", "/never/run free", "/other held"}, nil},
			{s, "/jobs", []string{"/jobs/a expired", "/jobs/b unreadable", "/jobs/c held"}, nil},
			{s, "/jobs/c", []string{"/jobs/c held"}, nil},
			{s, "/nothing", nil, nil},
			{partial{s}, "/jobs", []string{"/jobs/b unreadable", "/jobs/c held"}, []error{errHidden, leasehold.ErrPermission}},
		} {
			statuses, err := client(test.store, "host-a").List(t.Context(), test.prefix)
			wantErr(t, "List", err, test.errs...)
			if test.errs == nil {
				wantNil(t, "List", err)
			}
			var got []string
			for _, st := range statuses {
				if st.Slot != -1 {
					t.Errorf("%s: got slot %d, want -1", st.Path, st.Slot)
				}
				got = append(got, st.Path+" "+st.State.String())
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("List(%q): got %q, want %q", test.prefix, got, test.want)
			}
		}
	})
}

func TestClientRelease(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFaulty()
		a, b := client(s, "host-a"), client(s, "host-b")
		wantNil(t, "Release of nothing", a.Release(t.Context(), path))
		l := acquire(t, a, time.Minute)
		held := wantHeld(t, b.Release(t.Context(), path), "host-a")
		if held.Path != path || held.Token != l.Token() || !held.End.Equal(l.End()) {
			t.Fatalf("got %+v, want token %d and end %s", *held, l.Token(), l.End())
		}
		wantNil(t, "Renew", l.Renew(t.Context()))

		wantNil(t, "Release by another process", client(s, "host-a").Release(t.Context(), path))
		wantErr(t, "Renew", l.Renew(t.Context()), leasehold.ErrLost)
		writes := s.requests("release")
		wantNil(t, "Release once more", a.Release(t.Context(), path))
		acquire(t, b, time.Minute)
		time.Sleep(time.Hour)
		wantNil(t, "Release of what has ended", a.Release(t.Context(), path))
		if got := s.requests("release"); got != writes {
			t.Fatalf("got %d releases that change nothing, want none", got-writes)
		}

		s.fail(func(context.Context, string) error { return leasehold.ErrUnreachable })
		wantErr(t, "Release", a.Release(t.Context(), path), leasehold.ErrUnreachable)
	})
}

// The record changes between the look at it and the release: look again.
func TestClientReleaseLooksAgain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFaulty()
		a := client(s, "host-a")
		l := acquire(t, a, time.Minute)
		meanwhile := func(happen func()) {
			s.fail(func(_ context.Context, request string) error {
				if request == "release" {
					s.fail(nil)
					happen()
				}
				return nil
			})
		}
		time.Sleep(2 * time.Second)
		meanwhile(func() { wantNil(t, "Renew", l.Renew(t.Context())) })
		wantNil(t, "Release of what was just renewed", a.Release(t.Context(), path))
		if st, err := a.Status(t.Context(), path); err != nil || st.State != leasehold.Free {
			t.Fatalf("got %v, error %v, want a free lease", st.State, err)
		}

		l = acquire(t, a, time.Minute)
		meanwhile(func() {
			wantNil(t, "Release", l.Release(t.Context()))
			acquire(t, client(s, "host-b"), time.Minute)
		})
		wantHeld(t, a.Release(t.Context(), path), "host-b")
		b, err := a.Status(t.Context(), path)
		wantNil(t, "Status", err)

		meanwhile(func() { acquire(t, client(s, "host-b"), time.Minute) })
		err = a.ForceRelease(t.Context(), path, b.Token)
		wantErr(t, "ForceRelease of a token that is past", err, leasehold.ErrLost)
		if st, err := a.Status(t.Context(), path); err != nil || st.Holder != "host-b" || st.State != leasehold.Held {
			t.Fatalf("got %+v, error %v, want it held by host-b", st, err)
		}
	})
}

func TestForceRelease(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := leasetest.NewStore()
		admin := client(s, "admin")
		wantNil(t, "ForceRelease of nothing", admin.ForceRelease(t.Context(), path, 1))
		l := acquire(t, client(s, "host-a"), time.Minute)
		wantErr(t, "ForceRelease with another token", admin.ForceRelease(t.Context(), path, l.Token()+1), leasehold.ErrLost)
		wantNil(t, "Renew", l.Renew(t.Context()))
		wantNil(t, "ForceRelease", admin.ForceRelease(t.Context(), path, l.Token()))
		const want = `{"version": 1, "holder": "host-a", "end": "1970-01-01T00:00:00"}`
		if got := raw(t, s, path); got != want {
			t.Fatalf("record: got %s, want %s", got, want)
		}
		wantErr(t, "Renew", l.Renew(t.Context()), leasehold.ErrLost)
		wantNil(t, "ForceRelease again", admin.ForceRelease(t.Context(), path, l.Token()))
	})
}
