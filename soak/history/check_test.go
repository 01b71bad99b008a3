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

// A builder is a history made by hand. All its times are in seconds since it
// began; both its clocks are the same.
type builder struct {
	history.History
	calls int64
	zxid  int64
}

const (
	path  = "/x"
	start = 1_800_000_000 // seconds since 1970
)

func at(seconds float64) int64 { return int64(seconds * 1e9) }

func (b *builder) event(seconds float64, holder string, e history.Event) {
	e.At, e.Wall = at(seconds), start*1e9+at(seconds)
	e.Run, e.Holder = holder, holder
	b.Events = append(b.Events, e)
}

// call logs a call and its result, a tenth of a second later.
func (b *builder) call(seconds float64, holder string, e history.Event) {
	b.calls++
	e.Call = b.calls
	if e.Path == "" {
		e.Path = path
	}
	begun := e
	begun.Kind, begun.Outcome, begun.Token = history.Call, "", 0
	b.event(seconds, holder, begun)
	e.Kind = history.Result
	b.event(seconds+0.1, holder, e)
}

func (b *builder) change(seconds float64, session int64, kind txnlog.Kind, node, data string) int64 {
	b.zxid++
	b.Changes = append(b.Changes, txnlog.Change{
		Zxid: b.zxid, Time: start*1000 + int64(seconds*1000),
		Session: session, Kind: kind, Path: node, Data: []byte(data),
	})
	return b.zxid
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
func (b *builder) commit(seconds float64, holder string, end float64) int64 {
	token := b.change(seconds, 1, txnlog.Deleted, path+"/lease_holder", "")
	b.zxid--
	b.change(seconds, 1, txnlog.Created, path+"/lease_holder", record(holder, end))
	b.zxid--
	b.change(seconds, 1, txnlog.Set, path+"/lease_holder", record(holder, end))
	return token
}

func (b *builder) set(seconds float64, holder string, end float64) {
	b.change(seconds, 1, txnlog.Set, path+"/lease_holder", record(holder, end))
}

// grant is all that belongs to a grant at a time, up to an end.
func (b *builder) grant(seconds float64, holder string, end float64) (lease, token int64) {
	token = b.commit(seconds+0.05, holder, end)
	b.told(seconds, holder, token, end)
	return b.calls, token
}

func (b *builder) told(seconds float64, holder string, token int64, end float64) {
	b.call(seconds, holder, history.Event{
		Op: "try", Outcome: history.Granted, Duration: at(5),
		Lease: b.calls + 1, Token: token, End: start + int64(end),
	})
}

func (b *builder) about(lease, token int64, e history.Event) history.Event {
	e.Lease, e.Token, e.Path, e.Duration = lease, token, path, at(5)
	return e
}

func (b *builder) sample(seconds float64, holder string, lease, token int64, left float64) {
	b.event(seconds, holder, b.about(lease, token, history.Event{Kind: history.Sample, Left: at(left)}))
}

// good has most of what may happen: grants, a renewal, a denial, a takeover
// after the end, a release, a process that dies, and kazoo.
func good() *builder {
	b := &builder{}
	lease, token := b.grant(1, "a", 6)
	b.sample(1.2, "a", lease, token, 4)
	b.call(2, "b", history.Event{Op: "try", Outcome: history.Denied, By: "a", End: start + 6})
	b.set(3, "a", 8)
	b.call(3, "a", b.about(lease, token, history.Event{Op: "renew", Outcome: history.Renewed, End: start + 8}))
	b.sample(3.2, "a", lease, token, 4)
	b.sample(7.9, "a", lease, token, 0)
	b.call(7.9, "a", b.about(lease, token, history.Event{Op: "renew", Outcome: history.Lost}))
	lease, token = b.grant(8, "b", 13)
	b.sample(8.3, "b", lease, token, 4)
	b.event(9, "b", b.about(lease, token, history.Event{Kind: history.Stop}))
	b.set(9.1, "b", -1)
	b.call(9, "b", b.about(lease, token, history.Event{Op: "release", Outcome: history.Released}))
	lease, token = b.grant(9.5, "c", 14)
	b.sample(9.7, "c", lease, token, 4)
	b.event(10, "c", history.Event{Kind: history.Ended})
	b.change(14, 7, txnlog.Created, path+"/"+strings.Repeat("0", 32)+"__lock__0000000001", "k")
	b.change(14.02, 7, txnlog.Deleted, path+"/lease_holder", "")
	b.change(14.05, 7, txnlog.Created, path+"/lease_holder", record("k", 19))
	b.call(14, "k", history.Event{Op: "try", Outcome: history.Granted, Lease: b.calls + 1, End: start + 19})
	b.sample(14.5, "k", b.calls, 0, 4)
	b.Progress = 10 * time.Second
	b.event(15, "test", history.Event{Kind: history.Quiet})
	lease, token = b.grant(19.1, "a", 24)
	b.sample(19.3, "a", lease, token, 4)
	b.event(26, "test", history.Event{Kind: history.Ended})
	return b
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
		write func(b *builder)
	}{
		{"two at once", "overlap", func(b *builder) {
			lease, token := b.grant(30, "a", 35)
			b.sample(30.2, "a", lease, token, 4)
			lease, token = b.grant(35, "b", 40)
			b.sample(33, "b", lease, token, 4)
		}},
		{"one samples late, and was allowed all the time", "overlap", func(b *builder) {
			a, token := b.grant(30, "a", 35)
			b.sample(30.2, "a", a, token, 1)
			lease, other := b.grant(35, "b", 40)
			b.sample(35.2, "b", lease, other, 4)
			b.sample(36, "a", a, token, 1)
		}},
		{"one goes on after it was told to stop", "overlap", func(b *builder) {
			lease, token := b.grant(30, "a", 35)
			b.sample(30.2, "a", lease, token, 5.5)
			lease, token = b.grant(35, "b", 40)
			b.sample(35.2, "b", lease, token, 4)
		}},
		{"three on two slots", "overlap", func(b *builder) {
			b.Slots = map[string]int{"/pool": 2}
			for i, holder := range []string{"a", "b", "c"} {
				e := history.Event{Kind: history.Sample, Left: at(4), Lease: 99, Token: 1, Path: fmt.Sprintf("/pool/%d", i)}
				b.event(30, holder, e)
			}
		}},
		{"a later grant with a smaller token", "token", func(b *builder) {
			_, token := b.grant(30, "a", 35)
			b.grant(35.1, "a", 40)
			b.told(41, "a", token, 35)
		}},
		{"a later interval with a smaller token", "token", func(b *builder) {
			a, token := b.grant(30, "a", 35)
			lease, other := b.grant(35.1, "b", 40)
			b.sample(35.3, "b", lease, other, 1)
			b.sample(37, "a", a, token, 1)
		}},
		{"a grant that no server knows", "no record", func(b *builder) { b.told(30, "a", 4711, 35) }},
		{"a grant of another's record", "no record", func(b *builder) {
			token := b.commit(30, "b", 35)
			b.told(30, "a", token, 35)
		}},
		{"a grant before its commit", "no record", func(b *builder) {
			token := b.commit(31, "a", 35)
			b.told(30, "a", token, 35)
		}},
		{"a grant with another end", "no record", func(b *builder) {
			token := b.commit(30, "a", 35)
			b.told(30, "a", token, 36)
		}},
		{"a grant to kazoo that no server knows", "no record", func(b *builder) {
			b.call(30, "k", history.Event{Op: "try", Outcome: history.Granted, Lease: b.calls + 1, End: start + 35})
		}},
		{"a renewal that no server knows", "no record", func(b *builder) {
			lease, token := b.grant(30, "a", 35)
			b.call(31, "a", b.about(lease, token, history.Event{Op: "renew", Outcome: history.Renewed, End: start + 36}))
		}},
		{"a release that no server knows", "no record", func(b *builder) {
			lease, token := b.grant(30, "a", 35)
			b.call(31, "a", b.about(lease, token, history.Event{Op: "release", Outcome: history.Released}))
		}},
		{"a denial that names nobody's lease", "no record", func(b *builder) {
			b.call(30, "a", history.Event{Op: "try", Outcome: history.Denied, By: "nobody", End: start + 35})
		}},
		{"a denial that names another", "no record", func(b *builder) {
			b.grant(30, "a", 35)
			b.call(31, "c", history.Event{Op: "try", Outcome: history.Denied, By: "b", End: start + 35})
		}},
		{"taken over too early", "lost record", func(b *builder) {
			b.grant(30, "a", 35)
			b.grant(34, "b", 39)
		}},
		{"overwritten by a late renewal", "lost record", func(b *builder) {
			b.grant(30, "a", 35)
			b.grant(35, "b", 40)
			b.set(36, "a", 41)
		}},
		{"shortened", "lost record", func(b *builder) {
			b.grant(30, "a", 35)
			b.set(31, "a", 34)
		}},
		{"deleted by kazoo for another", "lost record", func(b *builder) {
			b.grant(30, "a", 35)
			b.change(31, 7, txnlog.Deleted, path+"/lease_holder", "")
		}},
		{"not a record", "unreadable record", func(b *builder) {
			b.change(31, 7, txnlog.Set, path+"/lease_holder", "{}")
		}},
		{"taken over early by kazoo, before a renewal that it had seen", "lost record", func(b *builder) {
			b.grant(30, "a", 35)
			b.set(31, "a", 40)
			b.change(32, 7, txnlog.Created, path+"/"+strings.Repeat("1", 32)+"__lock__0000000002", "k")
			b.change(36, 7, txnlog.Deleted, path+"/lease_holder", "")
		}},
		{"told of a loss that nobody caused", "lost record", func(b *builder) {
			lease, token := b.grant(30, "a", 35)
			b.sample(30.2, "a", lease, token, 4)
			b.call(31, "a", b.about(lease, token, history.Event{Op: "renew", Outcome: history.Lost}))
		}},
		{"nobody gets the lease after the faults", "progress", func(b *builder) {
			b.event(30, "test", history.Event{Kind: history.Quiet})
			b.event(50, "test", history.Event{Kind: history.Ended})
		}},
		{"no quiet end", "progress", func(b *builder) { b.event(30, "test", history.Event{Kind: history.Quiet}) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := good()
			test.write(b)
			got := history.Check(b.History)
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

// What seems wrong and is not.
func TestHistoriesThatAreGood(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		write func(b *builder)
	}{
		{"a takeover that was early and undone", func(b *builder) {
			b.grant(30, "a", 35)
			b.commit(34, "b", 39)
			b.set(34.1, "a", 35)
		}},
		{"a renewal that kazoo, on a server that lags, has not seen", func(b *builder) {
			b.grant(30, "a", 35)
			b.change(33, 7, txnlog.Created, path+"/"+strings.Repeat("1", 32)+"__lock__0000000002", "k")
			b.set(34, "a", 39)
			b.change(36, 7, txnlog.Deleted, path+"/lease_holder", "")
		}},
		{"one that was stopped past its lease", func(b *builder) {
			a, token := b.grant(30, "a", 35)
			b.sample(30.2, "a", a, token, 4)
			lease, other := b.grant(35, "b", 40)
			b.sample(35.2, "b", lease, other, 4)
			b.sample(36, "a", a, token, 0)
		}},
		{"the same holder acquires anew", func(b *builder) {
			a, token := b.grant(30, "a", 35)
			b.sample(30.2, "a", a, token, 4)
			lease, other := b.grant(31, "a", 36)
			b.sample(31.2, "a", lease, other, 4)
		}},
		{"a loss by one's own other grant", func(b *builder) {
			a, token := b.grant(30, "a", 35)
			b.sample(30.2, "a", a, token, 4)
			b.grant(31, "a", 36)
			b.call(32, "a", b.about(a, token, history.Event{Op: "renew", Outcome: history.Lost}))
		}},
		{"Hold gives up after a renewal that was long under way", func(b *builder) {
			a, token := b.grant(30, "a", 35)
			b.sample(30.2, "a", a, token, 4)
			b.set(30.5, "a", 35)
			b.call(32, "a", b.about(a, token, history.Event{Op: "hold", Outcome: history.Lost}))
		}},
		{"released by force, which its holder sees late", func(b *builder) {
			a, token := b.grant(30, "a", 35)
			b.sample(30.2, "a", a, token, 4)
			b.set(31, "a", -1)
			lease, other := b.grant(31.1, "b", 36)
			b.sample(31.3, "b", lease, other, 4)
			b.sample(31.5, "a", a, token, 0)
		}},
		{"released for one that was killed", func(b *builder) {
			a, token := b.grant(30, "d", 35)
			b.sample(30.2, "d", a, token, 4)
			b.event(30.5, "d", history.Event{Kind: history.Ended})
			b.set(31, "d", -1)
			lease, other := b.grant(31.1, "b", 36)
			b.sample(31.3, "b", lease, other, 4)
		}},
		{"Hold gives up before the end", func(b *builder) {
			a, token := b.grant(30, "a", 35)
			b.sample(30.2, "a", a, token, 4)
			b.call(33.4, "a", b.about(a, token, history.Event{Op: "hold", Outcome: history.Lost}))
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := good()
			b.Progress = 0
			test.write(b)
			if got := history.Check(b.History); len(got) > 0 {
				t.Errorf("got %v, want no violation", got)
			}
		})
	}
}

func TestSummarize(t *testing.T) {
	t.Parallel()
	b := good()
	b.event(6.5, "test", history.Event{Kind: history.Fault, Fault: "cut a client off", On: "a"})
	b.event(7.5, "test", history.Event{Kind: history.Healed, Fault: "cut a client off", On: "a"})
	f := history.Summarize(b.History)
	if got := f.Outcomes[history.Granted]; got != 5 {
		t.Errorf("got %d grants, want 5", got)
	}
	if got := f.Faults["cut a client off"]; got != 1 {
		t.Errorf("got %d faults, want 1", got)
	}
	// a acts until 7.2, and b from 8.3; nobody between 10 and 14.5.
	want := map[string]time.Duration{"cut a client off": 1100 * time.Millisecond, "no fault": 4500 * time.Millisecond}
	for fault, long := range want {
		if got := f.LongestGap[fault].Duration; (got - long).Abs() > time.Millisecond {
			t.Errorf("longest time without a holder, %s: got %s, want %s", fault, got, long)
		}
	}
	if text := f.String(); !strings.Contains(text, "5 granted") || !strings.Contains(text, "1 cut a client off") {
		t.Errorf("got %s, want the numbers in it", text)
	}
}
