package history_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"leasehold.example/leasehold/kazoo"
	"leasehold.example/leasehold/soak/history"
	"leasehold.example/leasehold/soak/txnlog"
)

// A story is a history made by hand. All its times are in seconds since it
// began; both its clocks are the same.
type story struct {
	history.History
	calls int64
	zxid  int64
}

const (
	path  = "/x"
	start = 1_800_000_000 // seconds since 1970
)

func at(seconds float64) int64 { return int64(seconds * 1e9) }

func (s *story) event(seconds float64, holder string, e history.Event) {
	e.At, e.Wall = at(seconds), start*1e9+at(seconds)
	e.Run, e.Holder = holder, holder
	s.Events = append(s.Events, e)
}

// call logs a call and its answer, a tenth of a second later.
func (s *story) call(seconds float64, holder string, e history.Event) {
	s.calls++
	e.Call = s.calls
	if e.Path == "" {
		e.Path = path
	}
	asked := e
	asked.Kind, asked.Outcome, asked.Token = history.Call, "", 0
	s.event(seconds, holder, asked)
	e.Kind = history.Answer
	s.event(seconds+0.1, holder, e)
}

func (s *story) change(seconds float64, session int64, kind txnlog.Kind, node, data string) int64 {
	s.zxid++
	s.Changes = append(s.Changes, txnlog.Change{
		Zxid: s.zxid, Time: start*1000 + int64(seconds*1000),
		Session: session, Kind: kind, Path: node, Data: []byte(data),
	})
	return s.zxid
}

func record(holder string, end float64) string {
	r := kazoo.Record{Holder: holder, End: time.Unix(start+int64(end), 0)}
	if end < 0 {
		r = r.Released()
	}
	data, err := r.Marshal()
	if err != nil {
		panic(err)
	}
	return string(data)
}

// commit replaces the record, in one transaction.
func (s *story) commit(seconds float64, holder string, end float64) int64 {
	token := s.change(seconds, 1, txnlog.Deleted, path+"/lease_holder", "")
	s.zxid--
	s.change(seconds, 1, txnlog.Created, path+"/lease_holder", record(holder, end))
	s.zxid--
	s.change(seconds, 1, txnlog.Set, path+"/lease_holder", record(holder, end))
	return token
}

func (s *story) set(seconds float64, holder string, end float64) {
	s.change(seconds, 1, txnlog.Set, path+"/lease_holder", record(holder, end))
}

// grant is all that belongs to a grant at a time, up to an end.
func (s *story) grant(seconds float64, holder string, end float64) (lease, token int64) {
	token = s.commit(seconds+0.05, holder, end)
	s.told(seconds, holder, token, end)
	return s.calls, token
}

func (s *story) told(seconds float64, holder string, token int64, end float64) {
	s.call(seconds, holder, history.Event{
		Op: "try", Outcome: history.Granted, Duration: at(5),
		Lease: s.calls + 1, Token: token, End: start + int64(end),
	})
}

func (s *story) about(lease, token int64, e history.Event) history.Event {
	e.Lease, e.Token, e.Path, e.Duration = lease, token, path, at(5)
	return e
}

func (s *story) look(seconds float64, holder string, lease, token int64, left float64) {
	s.event(seconds, holder, s.about(lease, token, history.Event{Kind: history.Look, Left: at(left)}))
}

// good has most of what may happen: grants, a renewal, a denial, a takeover
// after the end, a release, a process that dies, and kazoo.
func good() *story {
	s := &story{}
	lease, token := s.grant(1, "a", 6)
	s.look(1.2, "a", lease, token, 4)
	s.call(2, "b", history.Event{Op: "try", Outcome: history.Denied, By: "a", End: start + 6})
	s.set(3, "a", 8)
	s.call(3, "a", s.about(lease, token, history.Event{Op: "renew", Outcome: history.Renewed, End: start + 8}))
	s.look(3.2, "a", lease, token, 4)
	s.look(7.9, "a", lease, token, 0)
	s.call(7.9, "a", s.about(lease, token, history.Event{Op: "renew", Outcome: history.Lost}))
	lease, token = s.grant(8, "b", 13)
	s.look(8.3, "b", lease, token, 4)
	s.event(9, "b", s.about(lease, token, history.Event{Kind: history.Stop}))
	s.set(9.1, "b", -1)
	s.call(9, "b", s.about(lease, token, history.Event{Op: "release", Outcome: history.Released}))
	lease, token = s.grant(9.5, "c", 14)
	s.look(9.7, "c", lease, token, 4)
	s.event(10, "c", history.Event{Kind: history.Ended})
	s.change(14, 7, txnlog.Created, path+"/"+strings.Repeat("0", 32)+"__lock__0000000001", "k")
	s.change(14.02, 7, txnlog.Deleted, path+"/lease_holder", "")
	s.change(14.05, 7, txnlog.Created, path+"/lease_holder", record("k", 19))
	s.call(14, "k", history.Event{Op: "try", Outcome: history.Granted, Lease: s.calls + 1, End: start + 19})
	s.look(14.5, "k", s.calls, 0, 4)
	s.Progress = 10 * time.Second
	s.event(15, "test", history.Event{Kind: history.Quiet})
	lease, token = s.grant(19.1, "a", 24)
	s.look(19.3, "a", lease, token, 4)
	s.event(26, "test", history.Event{Kind: history.Ended})
	return s
}

func TestGoodHistory(t *testing.T) {
	t.Parallel()
	if got := history.Check(good().History); len(got) > 0 {
		t.Errorf("got %v, want no violation", got)
	}
}

// Each history differs from a good one in what its name says.
func TestBadHistories(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		rule  string
		write func(s *story)
	}{
		{"two at once", "overlap", func(s *story) {
			lease, token := s.grant(30, "a", 35)
			s.look(30.2, "a", lease, token, 4)
			lease, token = s.grant(35, "b", 40)
			s.look(33, "b", lease, token, 4)
		}},
		{"one looks late, and was allowed all the time", "overlap", func(s *story) {
			a, token := s.grant(30, "a", 35)
			s.look(30.2, "a", a, token, 1)
			lease, other := s.grant(35, "b", 40)
			s.look(35.2, "b", lease, other, 4)
			s.look(36, "a", a, token, 1)
		}},
		{"one goes on after it was told to stop", "overlap", func(s *story) {
			lease, token := s.grant(30, "a", 35)
			s.look(30.2, "a", lease, token, 5.5)
			lease, token = s.grant(35, "b", 40)
			s.look(35.2, "b", lease, token, 4)
		}},
		{"three on two slots", "overlap", func(s *story) {
			s.Slots = map[string]int{"/pool": 2}
			for i, holder := range []string{"a", "b", "c"} {
				e := history.Event{Kind: history.Look, Left: at(4), Lease: 99, Token: 1, Path: fmt.Sprintf("/pool/%d", i)}
				s.event(30, holder, e)
			}
		}},
		{"a later grant with a smaller token", "token", func(s *story) {
			_, token := s.grant(30, "a", 35)
			s.grant(35.1, "a", 40)
			s.told(41, "a", token, 35)
		}},
		{"a later interval with a smaller token", "token", func(s *story) {
			a, token := s.grant(30, "a", 35)
			lease, other := s.grant(35.1, "b", 40)
			s.look(35.3, "b", lease, other, 1)
			s.look(37, "a", a, token, 1)
		}},
		{"a grant that no server knows", "no record", func(s *story) { s.told(30, "a", 4711, 35) }},
		{"a grant of another's record", "no record", func(s *story) {
			token := s.commit(30, "b", 35)
			s.told(30, "a", token, 35)
		}},
		{"a grant before its commit", "no record", func(s *story) {
			token := s.commit(31, "a", 35)
			s.told(30, "a", token, 35)
		}},
		{"a grant with another end", "no record", func(s *story) {
			token := s.commit(30, "a", 35)
			s.told(30, "a", token, 36)
		}},
		{"a grant to kazoo that no server knows", "no record", func(s *story) {
			s.call(30, "k", history.Event{Op: "try", Outcome: history.Granted, Lease: s.calls + 1, End: start + 35})
		}},
		{"a renewal that no server knows", "no record", func(s *story) {
			lease, token := s.grant(30, "a", 35)
			s.call(31, "a", s.about(lease, token, history.Event{Op: "renew", Outcome: history.Renewed, End: start + 36}))
		}},
		{"a release that no server knows", "no record", func(s *story) {
			lease, token := s.grant(30, "a", 35)
			s.call(31, "a", s.about(lease, token, history.Event{Op: "release", Outcome: history.Released}))
		}},
		{"a denial that names nobody's lease", "no record", func(s *story) {
			s.call(30, "a", history.Event{Op: "try", Outcome: history.Denied, By: "nobody", End: start + 35})
		}},
		{"a denial that names another", "no record", func(s *story) {
			s.grant(30, "a", 35)
			s.call(31, "c", history.Event{Op: "try", Outcome: history.Denied, By: "b", End: start + 35})
		}},
		{"taken over too early", "lost record", func(s *story) {
			s.grant(30, "a", 35)
			s.grant(34, "b", 39)
		}},
		{"overwritten by a late renewal", "lost record", func(s *story) {
			s.grant(30, "a", 35)
			s.grant(35, "b", 40)
			s.set(36, "a", 41)
		}},
		{"shortened", "lost record", func(s *story) {
			s.grant(30, "a", 35)
			s.set(31, "a", 34)
		}},
		{"deleted by kazoo for another", "lost record", func(s *story) {
			s.grant(30, "a", 35)
			s.change(31, 7, txnlog.Deleted, path+"/lease_holder", "")
		}},
		{"not a record", "unreadable record", func(s *story) {
			s.change(31, 7, txnlog.Set, path+"/lease_holder", "{}")
		}},
		{"taken over early by kazoo, before a renewal that it had seen", "lost record", func(s *story) {
			s.grant(30, "a", 35)
			s.set(31, "a", 40)
			s.change(32, 7, txnlog.Created, path+"/"+strings.Repeat("1", 32)+"__lock__0000000002", "k")
			s.change(36, 7, txnlog.Deleted, path+"/lease_holder", "")
		}},
		{"told of a loss that nobody caused", "lost record", func(s *story) {
			lease, token := s.grant(30, "a", 35)
			s.look(30.2, "a", lease, token, 4)
			s.call(31, "a", s.about(lease, token, history.Event{Op: "renew", Outcome: history.Lost}))
		}},
		{"nobody gets the lease after the faults", "progress", func(s *story) {
			s.event(30, "test", history.Event{Kind: history.Quiet})
			s.event(50, "test", history.Event{Kind: history.Ended})
		}},
		{"no quiet end", "progress", func(s *story) { s.event(30, "test", history.Event{Kind: history.Quiet}) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := good()
			test.write(s)
			got := history.Check(s.History)
			found := false
			for _, v := range got {
				found = found || v.Rule == test.rule
			}
			if !found {
				t.Errorf("got %v, want a violation of %q", got, test.rule)
			}
		})
	}
}

// What looks wrong and is not.
func TestHistoriesThatAreGood(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		write func(s *story)
	}{
		{"a takeover that was early and undone", func(s *story) {
			s.grant(30, "a", 35)
			s.commit(34, "b", 39)
			s.set(34.1, "a", 35)
		}},
		{"a renewal that kazoo, on a server that lags, has not seen", func(s *story) {
			s.grant(30, "a", 35)
			s.change(33, 7, txnlog.Created, path+"/"+strings.Repeat("1", 32)+"__lock__0000000002", "k")
			s.set(34, "a", 39)
			s.change(36, 7, txnlog.Deleted, path+"/lease_holder", "")
		}},
		{"one that was stopped past its lease", func(s *story) {
			a, token := s.grant(30, "a", 35)
			s.look(30.2, "a", a, token, 4)
			lease, other := s.grant(35, "b", 40)
			s.look(35.2, "b", lease, other, 4)
			s.look(36, "a", a, token, 0)
		}},
		{"the same holder acquires anew", func(s *story) {
			a, token := s.grant(30, "a", 35)
			s.look(30.2, "a", a, token, 4)
			lease, other := s.grant(31, "a", 36)
			s.look(31.2, "a", lease, other, 4)
		}},
		{"a loss by one's own other grant", func(s *story) {
			a, token := s.grant(30, "a", 35)
			s.look(30.2, "a", a, token, 4)
			s.grant(31, "a", 36)
			s.call(32, "a", s.about(a, token, history.Event{Op: "renew", Outcome: history.Lost}))
		}},
		{"Hold gives up after a renewal that was long under way", func(s *story) {
			a, token := s.grant(30, "a", 35)
			s.look(30.2, "a", a, token, 4)
			s.set(30.5, "a", 35)
			s.call(32, "a", s.about(a, token, history.Event{Op: "hold", Outcome: history.Lost}))
		}},
		{"released by force, which its holder sees late", func(s *story) {
			a, token := s.grant(30, "a", 35)
			s.look(30.2, "a", a, token, 4)
			s.set(31, "a", -1)
			lease, other := s.grant(31.1, "b", 36)
			s.look(31.3, "b", lease, other, 4)
			s.look(31.5, "a", a, token, 0)
		}},
		{"released for one that was killed", func(s *story) {
			a, token := s.grant(30, "d", 35)
			s.look(30.2, "d", a, token, 4)
			s.event(30.5, "d", history.Event{Kind: history.Ended})
			s.set(31, "d", -1)
			lease, other := s.grant(31.1, "b", 36)
			s.look(31.3, "b", lease, other, 4)
		}},
		{"Hold gives up before the end", func(s *story) {
			a, token := s.grant(30, "a", 35)
			s.look(30.2, "a", a, token, 4)
			s.call(33.4, "a", s.about(a, token, history.Event{Op: "hold", Outcome: history.Lost}))
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := good()
			s.Progress = 0
			test.write(s)
			if got := history.Check(s.History); len(got) > 0 {
				t.Errorf("got %v, want no violation", got)
			}
		})
	}
}

func TestFigures(t *testing.T) {
	t.Parallel()
	s := good()
	s.event(6.5, "test", history.Event{Kind: history.Fault, Fault: "cut a client off", On: "a"})
	s.event(7.5, "test", history.Event{Kind: history.Healed, Fault: "cut a client off", On: "a"})
	f := history.Count(s.History)
	if got := f.Outcomes[history.Granted]; got != 5 {
		t.Errorf("got %d grants, want 5", got)
	}
	if got := f.Faults["cut a client off"]; got != 1 {
		t.Errorf("got %d faults, want 1", got)
	}
	// a acts until 7.2, and b from 8.3; nobody between 10 and 14.5.
	want := map[string]time.Duration{"cut a client off": 1100 * time.Millisecond, "no fault": 4500 * time.Millisecond}
	for fault, long := range want {
		if got := f.Without[fault].Long; (got - long).Abs() > time.Millisecond {
			t.Errorf("longest time without a holder, %s: got %s, want %s", fault, got, long)
		}
	}
	if text := f.String(); !strings.Contains(text, "5 granted") || !strings.Contains(text, "1 cut a client off") {
		t.Errorf("got %s, want the numbers in it", text)
	}
}
