package kazoo_test

import (
	"testing"
	"time"

	"leasehold.example/leasehold/kazoo"
)

// decide is what a client does with a record: one that can't be read is never
// a free lease.
func decide(raw []byte, holder string, now time.Time) (obtained bool, err error) {
	r, err := kazoo.Parse(raw)
	if err != nil {
		return false, err
	}
	return kazoo.Decide(&r, holder, now) == kazoo.Grant, nil
}

// TestDecideAsKazooDoes compares with verdicts of kazoo's own
// NonBlockingLease. Where kazoo refuses or raises, nothing may be granted.
func TestDecideAsKazooDoes(t *testing.T) {
	t.Parallel()
	counts := map[string]int{}
	for _, v := range load[parseVector](t, "parse") {
		for _, rule := range v.Rule {
			obtained, err := decide(v.raw(), rule.Holder, rule.Now)
			if obtained && rule.Verdict != "obtained" {
				t.Errorf("%s, asked by %q at %v: got a grant, want what kazoo says: %s", v.Name, rule.Holder, rule.Now, rule.Verdict)
			}
			if err != nil {
				continue // TestParseAsKazooDoes tells which may fail
			}
			want := map[bool]string{true: "obtained", false: "refused"}[obtained]
			if want != rule.Verdict {
				t.Errorf("%s, asked by %q at %v: got %s, want %s", v.Name, rule.Holder, rule.Now, want, rule.Verdict)
			}
			counts[want]++
		}
	}
	if counts["obtained"] < 100 || counts["refused"] < 100 {
		t.Errorf("got %v, want at least 100 verdicts of each kind", counts)
	}
}

func TestDecide(t *testing.T) {
	t.Parallel()
	end := time.Date(2026, 11, 22, 18, 34, 12, 0, time.UTC)
	record := &kazoo.Record{Holder: "host-a", End: end}
	released := record.Released()
	for _, test := range []struct {
		name   string
		record *kazoo.Record
		holder string
		now    time.Time
		want   kazoo.Verdict
	}{
		{"no record", nil, "host-a", end, kazoo.Grant},
		{"same holder, before the end", record, "host-a", end.Add(-time.Hour), kazoo.Grant},
		{"same holder, after the end", record, "host-a", end.Add(time.Hour), kazoo.Grant},
		{"another, just before the end", record, "host-b", end.Add(-1), kazoo.Held},
		{"another, at the end", record, "host-b", end, kazoo.Grant},
		{"another, at the end in another zone", record, "host-b", end.In(time.FixedZone("", 3600)), kazoo.Grant},
		{"holder in another case", record, "HOST-A", end.Add(-1), kazoo.Held},
		{"released, another", &released, "host-b", end.Add(-time.Hour), kazoo.Grant},
	} {
		if got := kazoo.Decide(test.record, test.holder, test.now); got != test.want {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}

func TestVerdictString(t *testing.T) {
	t.Parallel()
	for v, want := range map[kazoo.Verdict]string{
		kazoo.Grant: "grant", kazoo.Held: "held", -1: "invalid verdict", 2: "invalid verdict",
	} {
		if got := v.String(); got != want {
			t.Errorf("Verdict(%d): got %q, want %q", int(v), got, want)
		}
	}
}
