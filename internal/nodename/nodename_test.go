package nodename_test

import (
	"testing"
	"time"

	"leasehold.example/leasehold/internal/nodename"
)

func TestGrant(t *testing.T) {
	end := time.Date(2026, 11, 22, 18, 34, 12, 0, time.UTC)
	for name, want := range map[string]nodename.Grant{
		"grant-0123456789abcdef-0000000042":                       {Unique: "0123456789abcdef"},
		"grant-0123456789abcdef---0000000042":                     {Unique: "0123456789abcdef"},
		"grant-0123456789abcdef-0a1b2c3d--0000000042":             {Unique: "0123456789abcdef", Machine: "0a1b2c3d"},
		"grant-0123456789abcdef--1795372452-0000000042":           {Unique: "0123456789abcdef", FormerEnd: end},
		"grant-0123456789abcdef-0a1b2c3d-1795372452-0000000042":   {Unique: "0123456789abcdef", Machine: "0a1b2c3d", FormerEnd: end},
		"grant-0123456789abcdef-0a1b2c3d-253402300799-0000000042": {Unique: "0123456789abcdef", Machine: "0a1b2c3d", FormerEnd: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)},
	} {
		if got, ok := nodename.ParseGrant(name); !ok || got != want {
			t.Errorf("%s: got %+v, %t, want %+v", name, got, ok, want)
		}
	}
	for _, name := range []string{
		"", "grant-", "lease_holder", "grant-0123456789abcdef-000000004", "grant-0123456789ABCDEF-0000000042",
		"grant-0123456789abcdef-0a1b2c3d-0000000042", "grant-0123456789abcdef-0a1b2c3-1-0000000042",
		"grant-0123456789abcdef--1234567890123-0000000042", "grant-0123456789abcdef---0000000042\n", "xgrant-0123456789abcdef---0000000042",
	} {
		if got, ok := nodename.ParseGrant(name); ok {
			t.Errorf("%q: got %+v, want no grant node's name", name, got)
		}
	}
}

func FuzzPrefix(f *testing.F) {
	f.Add(int64(0), true)
	f.Add(int64(1795372452), false)
	f.Fuzz(func(t *testing.T, seconds int64, known bool) {
		seconds = int64(uint64(seconds) % 253402300800) // up to the year 9999
		g := nodename.Grant{Unique: "0123456789abcdef", FormerEnd: time.Unix(seconds, 0).UTC()}
		if known {
			g.Machine = "0a1b2c3d"
		}
		if seconds == 0 {
			g.FormerEnd = time.Time{}
		}
		if got, ok := nodename.ParseGrant(g.Prefix() + "0000000001"); !ok || got != g {
			t.Errorf("got %+v, %t, want %+v", got, ok, g)
		}
	})
}
