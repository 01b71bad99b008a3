package history_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"leasehold.example/leasehold/soak/history"
	"leasehold.example/leasehold/soak/txnlog"
)

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
		{"taken over too early, by a name that has another end", "lost record", func(b *builder) {
			b.grant(30, "a", 36)
			b.takeEarly(34, "b", 39, 35)
		}},
		{"taken over too early, on top of an early takeover", "lost record", func(b *builder) {
			b.grant(30, "a", 35)
			b.takeEarly(31, "b", 60, 35)
			b.commit(32, "b", 61)
		}},
		{"told of an early grant", "early grant", func(b *builder) {
			b.grant(30, "a", 35)
			b.told(34, "b", b.takeEarly(34, "b", 39, 35), 39)
		}},
		{"taken back from one that was not early", "lost record", func(b *builder) {
			b.grant(30, "a", 35)
			b.grant(35.1, "b", 40)
			b.setWith(txnlog.Created, 36, "a", 41)
		}},
		{"taken back with an earlier end", "lost record", func(b *builder) {
			b.grant(30, "a", 35)
			b.takeEarly(31, "b", 60, 35)
			b.setWith(txnlog.Created, 33, "a", 34)
		}},
		{"taken back by a third", "lost record", func(b *builder) {
			b.grant(30, "a", 35)
			b.takeEarly(31, "b", 60, 35)
			b.setWith(txnlog.Created, 33, "c", 38)
		}},
		{"clocks that stood still, and it is not noticed", "overlap", func(b *builder) {
			a, token := b.grant(30, "a", 35)
			b.sample(30.2, "a", a, token, 4)
			b.event(30.5, "test", history.Event{Kind: history.Fault, Fault: history.StoodStill, On: "a"})
			lease, other := b.grant(35, "b", 45)
			b.sample(35.2, "b", lease, other, 9)
			b.event(40, "test", history.Event{Kind: history.Healed, Fault: history.StoodStill, On: "a"})
			b.sample(42.5, "a", a, token, 1)
		}},
		{"acquired after the clocks stood still", "overlap", func(b *builder) {
			lease, other := b.grant(35, "b", 45)
			b.sample(35.2, "b", lease, other, 9)
			b.event(40, "test", history.Event{Kind: history.Healed, Fault: history.StoodStill, On: "a"})
			a, token := b.grant(40.1, "a", 46)
			b.sample(40.3, "a", a, token, 3)
		}},
		{"told of a loss that nobody caused", "lost record", func(b *builder) {
			lease, token := b.grant(30, "a", 35)
			b.sample(30.2, "a", lease, token, 4)
			b.call(31, "a", b.about(lease, token, history.Event{Op: "renew", Outcome: history.Lost}))
		}},
		{"told of a loss by an early takeover", "lost record", func(b *builder) {
			lease, token := b.grant(30, "a", 35)
			b.sample(30.2, "a", lease, token, 4)
			b.takeEarly(30.5, "b", 60, 35)
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
			a, token := b.grant(30, "a", 35)
			b.takeEarly(34, "b", 39, 35)
			b.setWith(txnlog.Deleted, 34.1, "a", 35)
			b.setWith(txnlog.Created, 34.2, "a", 39)
			b.call(34.2, "a", b.about(a, token, history.Event{Op: "renew", Outcome: history.Renewed, End: start + 39}))
			b.setWith(txnlog.Deleted, 34.5, "a", -1)
			b.call(34.5, "a", b.about(a, token, history.Event{Op: "release", Outcome: history.Released}))
		}},
		{"early takeovers that nobody undid", func(b *builder) {
			a, token := b.grant(30, "a", 35)
			b.sample(30.2, "a", a, token, 4)
			b.takeEarly(31, "b", 60, 35)
			b.call(31.5, "b", history.Event{Op: "try", Outcome: history.Denied, By: "b", End: start + 35})
			b.takeEarly(32, "b", 61, 35)
			b.set(32.1, "b", 60) // taken back on top of another
			b.setWith(txnlog.Created, 33, "a", 38)
			b.call(33, "a", b.about(a, token, history.Event{Op: "renew", Outcome: history.Renewed, End: start + 38}))
			b.takeEarly(37, "b", 62, 38)
			lease, other := b.grant(38, "b", 62)
			b.sample(38.2, "b", lease, other, 20)
		}},
		{"a grant that was undone, and whose former holder goes on", func(b *builder) {
			a, token := b.grant(30, "a", 35)
			b.commit(35.1, "b", 41)
			b.setWith(txnlog.Deleted, 35.2, "a", 35)
			b.setWith(txnlog.Created, 35.3, "a", 40)
			b.call(35.3, "a", b.about(a, token, history.Event{Op: "renew", Outcome: history.Renewed, End: start + 40}))
		}},
		{"clocks that stood still, until it is noticed", func(b *builder) {
			b.call(29.9, "a", history.Event{Op: "try", Outcome: history.Unreachable})
			a, token := b.grant(30, "a", 35)
			b.sample(30.2, "a", a, token, 4)
			b.event(30.5, "test", history.Event{Kind: history.Fault, Fault: history.StoodStill, On: "a"})
			lease, other := b.grant(35, "b", 45)
			b.sample(35.2, "b", lease, other, 9)
			b.event(40, "test", history.Event{Kind: history.Healed, Fault: history.StoodStill, On: "a"})
			b.sample(40.1, "a", a, token, 3)
			b.sample(42.2, "a", a, token, 1)
			b.sample(42.5, "a", a, token, 0)
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
	b.takeEarly(23, "b", 60, 24)
	b.setWith(txnlog.Created, 23.5, "a", 28)
	f := history.Summarize(b.History)
	if f.Early != 1 || f.TakenBack != 1 {
		t.Errorf("got %d early takeovers and %d taken back, want one of each", f.Early, f.TakenBack)
	}
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
