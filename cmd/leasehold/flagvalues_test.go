package main

import (
	"testing"
	"time"
)

func TestDuration(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"1d": 24 * time.Hour, "2d12h": 60 * time.Hour, "0d": 0, "1d0s": 24 * time.Hour,
		"90m": 90 * time.Minute, "-1s": -time.Second, "106751d": 106751 * 24 * time.Hour,
	} {
		var d duration
		if err := d.Set(s); err != nil || time.Duration(d) != want {
			t.Errorf("%q: got %v, %v, want %v", s, time.Duration(d), err, want)
		}
	}
	for _, s := range []string{"", "d", "-1d", "1.5d", "1d-1h", "1d+1h", "1d1d", "1h1d", "1d1", "106752d", "106751d47h", "99999999999d"} {
		var d duration
		if err := d.Set(s); err == nil {
			t.Errorf("%q: got %v, want an error", s, time.Duration(d))
		}
	}
}
