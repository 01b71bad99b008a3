package history_test

import (
	"testing"
	"time"

	"leasehold.example/leasehold/soak/history"
)

// tickRun logs that holder asks for a tick and is granted it, acts until it ends,
// and says how.
func (b *builder) tickRun(from, until float64, holder string, tick int64, attempt int, success bool) {
	e := history.Event{Op: "tick", Outcome: history.Granted, Lease: b.calls + 1, Token: b.calls + 1, Tick: start + tick, Attempt: attempt}
	b.call(from, holder, e)
	lease := b.calls
	for t := from + 0.2; t < until; t += 0.5 {
		b.sample(t, holder, lease, lease, 1)
	}
	b.event(until, holder, b.about(lease, lease, history.Event{Kind: history.Stop}))
	b.call(until, holder, history.Event{Op: "finish", Outcome: history.Finished, Tick: start + tick, Attempt: attempt, Success: success, Lease: lease})
}

func TestCheckTicks(t *testing.T) {
	t.Parallel()
	good := func() *builder {
		b := &builder{}
		b.tickRun(1, 2, "a", 0, 1, false)
		b.tickRun(3, 4, "b", 0, 2, true)
		b.event(9, "test", history.Event{Kind: history.Quiet})
		b.tickRun(10, 12, "a", 10, 1, true)
		b.tickRun(21, 22, "b", 20, 1, true)
		b.event(31, "test", history.Event{Kind: history.Ended})
		return b
	}
	for name, c := range map[string]struct {
		spoil func(b *builder)
		want  string
	}{
		"good":                    {func(*builder) {}, ""},
		"an attempt too many":     {func(b *builder) { b.tickRun(5, 5.5, "a", 0, 3, false) }, "attempts"},
		"two at once":             {func(b *builder) { b.tickRun(11, 11.5, "b", 10, 2, false) }, "overlap"},
		"two ticks at once":       {func(b *builder) { b.tickRun(3.1, 5, "a", 0, 2, false) }, "overlap"},
		"begun after its success": {func(b *builder) { b.tickRun(13, 14, "b", 10, 2, true) }, "after success"},
		"missed": {func(b *builder) {
			b.Events = b.Events[:len(b.Events)-1]
			b.event(45, "test", history.Event{Kind: history.Ended})
		}, "missed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := good()
			c.spoil(b)
			bad := history.CheckTicks(b.Events, history.Ticks{Path: path, Period: 10 * time.Second, Attempts: 2, Recover: time.Second})
			found := c.want == "" && len(bad) == 0
			for _, v := range bad {
				found = found || v.Rule == c.want
			}
			if !found {
				t.Errorf("got %v, want %q", bad, c.want)
			}
		})
	}
}
