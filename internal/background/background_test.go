package background_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"leasehold.example/leasehold/internal/background"
)

var errLate = errors.New("late")

// Run returns what its function does, be it a little after ctx's end; else
// ctx's error, and the result goes to unclaimed. The group is idle afterwards.
func TestRun(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		takes     time.Duration // until f returns; ctx ends after 10 s, own after 15 s
		want      error
		after     time.Duration
		unclaimed bool
	}{
		"at once":                    {0, errLate, 0, false},
		"in time":                    {9 * time.Second, errLate, 9 * time.Second, false},
		"a little after ctx's end":   {11 * time.Second, errLate, 11 * time.Second, false},
		"later":                      {13 * time.Second, context.DeadlineExceeded, 12 * time.Second, true},
		"only when its context ends": {time.Hour, context.DeadlineExceeded, 12 * time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				var g background.Group
				unclaimed := false
				begin := time.Now()
				_, err := background.Run(ctx, &g, 15*time.Second, 2*time.Second, func(own context.Context) (int, error) {
					select {
					case <-time.After(c.takes):
					case <-own.Done():
					}
					return 0, errLate
				}, func(_ int, err error) { unclaimed = err == errLate })
				if after := time.Since(begin); err != c.want || after != c.after {
					t.Errorf("got %v after %s, want %v after %s", err, after, c.want, c.after)
				}
				<-g.Idle()
				if total := time.Since(begin); total > 15*time.Second {
					t.Errorf("got f's end after %s, want it after 15 s at most", total)
				}
				if unclaimed != c.unclaimed {
					t.Errorf("got the result unclaimed: %t, want %t", unclaimed, c.unclaimed)
				}
			})
		})
	}
}

// A group may grow from zero while somebody waits.
func TestGroup(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var g background.Group
		<-g.Idle()
		g.Add(1)
		idle := g.Idle()
		g.Go(func() { time.Sleep(time.Second) })
		g.Add(-1)
		begin := time.Now()
		<-idle
		if after := time.Since(begin); after != time.Second {
			t.Errorf("got it idle after %s, want 1s", after)
		}
	})
}
