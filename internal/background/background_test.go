package background_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"leasehold.example/leasehold/internal/background"
)

// Run returns what its function does, be it a little after ctx's end; else
// ctx's error, and what the function returns is unclaimed. The group is idle
// when the function has returned.
func TestRun(t *testing.T) {
	t.Parallel()
	failed := errors.New("failed")
	for name, c := range map[string]struct {
		takes     time.Duration // until f returns; ctx ends after 10 s
		fails     error
		want      error
		after     time.Duration
		unclaimed bool
	}{
		"at once":                  {0, nil, nil, 0, false},
		"in time":                  {9 * time.Second, failed, failed, 9 * time.Second, false},
		"a little after ctx's end": {11 * time.Second, nil, nil, 11 * time.Second, false},
		"later":                    {13 * time.Second, nil, context.DeadlineExceeded, 12 * time.Second, true},
		"later, and in vain":       {13 * time.Second, failed, context.DeadlineExceeded, 12 * time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				var g background.Group
				unclaimed := 0
				begin := time.Now()
				got, err := background.Run(ctx, &g, 2*time.Second, func() (int, error) {
					time.Sleep(c.takes)
					return 7, c.fails
				}, func(v int) { unclaimed = v })
				if after := time.Since(begin); err != c.want || after != c.after || err == nil && got != 7 {
					t.Errorf("got %d, %v after %s, want %v after %s", got, err, after, c.want, c.after)
				}
				<-g.Idle()
				if total := time.Since(begin); total != c.takes {
					t.Errorf("got the group idle after %s, want %s", total, c.takes)
				}
				if (unclaimed == 7) != c.unclaimed {
					t.Errorf("got %d unclaimed, want the result there: %t", unclaimed, c.unclaimed)
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
