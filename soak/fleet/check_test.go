package fleet_test

import (
	"strings"
	"testing"
	"time"

	"leasehold.example/leasehold/soak/fleet"
)

// tick is when the first tick is due, by both clocks.
var tick = time.Date(2026, 11, 25, 2, 0, 0, 0, time.UTC)

// A story is what a fleet does, in seconds after tick.
type story []fleet.Event

func (s *story) add(at float64, e fleet.Event) {
	after := time.Duration(at * float64(time.Second))
	e.At, e.Wall = time.Hour+after, tick.Add(after)
	*s = append(*s, e)
}

func number(at float64) int { return int(at) + 100 }

// refused: a host asks, and is told no.
func (s *story) refused(at float64, host string, exit int) {
	s.add(at, fleet.Event{Kind: fleet.Fired, Host: host, Fire: number(at), Planned: tick.Add(time.Duration(at) * time.Second)})
	s.add(at+0.5, fleet.Event{Kind: fleet.Exited, Host: host, Fire: number(at), Exit: exit})
}

// begin: a host runs the tick that is due minute minutes after the first.
func (s *story) begin(at float64, host string, minute, attempt int) {
	s.add(at, fleet.Event{Kind: fleet.Fired, Host: host, Fire: number(at), Planned: tick.Add(time.Duration(at) * time.Second)})
	s.add(at+0.2, fleet.Event{Kind: fleet.Begun, Host: host, Fire: number(at), Tick: tick.Add(time.Duration(minute) * time.Minute), Attempt: attempt})
}

// run: and comes to the end of it, 10 s later.
func (s *story) run(at float64, host string, minute, attempt int) {
	s.begin(at, host, minute, attempt)
	s.add(at+10, fleet.Event{Kind: fleet.Ended, Host: host, Fire: number(at)})
	s.add(at+10.1, fleet.Event{Kind: fleet.Exited, Host: host, Fire: number(at)})
}

func (s *story) dies(at float64, host string) { s.add(at, fleet.Event{Kind: fleet.Died, Host: host}) }

func (s *story) kazoo(at float64) {
	s.add(at, fleet.Event{Kind: fleet.Asked, Host: "kazoo", Got: true, Since: time.Hour + time.Duration(at*float64(time.Second))})
}

func TestJudge(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		tell func(s *story)
		want string // part of what is broken; "" for nothing
	}{
		{"each tick once", func(s *story) { s.run(0, "a", 0, 1); s.refused(20, "b", 75); s.run(60, "b", 1, 1) }, ""},
		{"a host died", func(s *story) { s.begin(0, "a", 0, 1); s.dies(5, "a"); s.refused(10, "b", 75); s.run(20, "b", 0, 2) }, ""},
		{"kazoo ran it", func(s *story) { s.kazoo(-0.5); s.refused(40, "b", 75); s.run(50, "b", 0, 2) }, ""},
		{"a clock is off", func(s *story) { s.run(0, "a", 0, 1); s.refused(33, "off", 71) }, ""},
		{"a run goes on when the next tick is due", func(s *story) { s.run(55, "a", 0, 1); s.refused(60, "b", 75); s.run(70, "b", 1, 1) }, ""},
		{"several ask at once", func(s *story) { s.refused(0, "b", 75); s.run(0.3, "a", 0, 1) }, ""},

		{"twice", func(s *story) { s.run(0, "a", 0, 1); s.run(20, "b", 0, 2) }, "b has begun the tick 02:00:00, attempt 2, though"},
		{"three times", func(s *story) {
			for i, host := range []string{"a", "b", "c"} {
				s.begin(float64(20*i), host, 0, i+1)
				s.dies(float64(20*i+5), host)
			}
		}, "c has begun the tick 02:00:00, attempt 3, though"},
		{"two at once", func(s *story) { s.run(0, "a", 0, 1); s.run(9, "b", 1, 1) }, "b has begun the tick 02:01:00 while a ran the tick 02:00:00"},
		{"beside kazoo", func(s *story) { s.kazoo(-0.5); s.run(40, "b", 0, 2) }, "b has begun the tick 02:00:00 while kazoo ran the tick 02:00:00"},
		{"kazoo beside us", func(s *story) { s.run(0, "a", 0, 1); s.kazoo(5) }, "kazoo has begun the tick 02:00:00 while a ran"},
		{"too early", func(s *story) { s.run(50, "a", 1, 1) }, "a has begun the tick 02:01:00 at"},
		{"wrongly numbered", func(s *story) { s.run(0, "a", 0, 2) }, "attempt 1 of the tick 02:00:00, by a, is numbered 2"},
		{"by a clock that is off", func(s *story) { s.run(0, "off", 0, 1) }, "off, whose clock is off, has run the tick 02:00:00"},
		{"missed", func(s *story) { s.refused(10, "b", 75) }, "b was refused the tick 02:00:00 at 02:00:10, though nobody has begun attempt 1 at all"},
		{"late", func(s *story) { s.refused(0, "b", 75); s.run(10, "a", 0, 1) }, "b was refused the tick 02:00:00 at 02:00:00, though nobody has begun attempt 1 until"},
		{"nobody takes over", func(s *story) { s.begin(0, "a", 0, 1); s.dies(5, "a"); s.refused(20, "b", 75) }, "though nobody has begun attempt 2 at all"},
		{"not ended", func(s *story) { s.begin(0, "a", 0, 1) }, "the job that a has begun for the tick 02:00:00 has not ended"},
		{"another exit code", func(s *story) { s.run(0, "a", 0, 1); s.refused(20, "b", 70) }, "b has fired at 02:00:20 has exit code 70"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var s story
			test.tell(&s)
			h := fleet.Judge(s, fleet.Plan{
				Period: time.Minute, First: tick, Last: tick.Add(time.Minute), Attempts: 2,
				Lease: 8 * time.Second, KazooLease: 50 * time.Second, Skew: 800 * time.Millisecond, WrongClock: "off",
			})
			got := strings.Join(h.Broken, "\n")
			if test.want == "" && got != "" || !strings.Contains(got, test.want) {
				t.Errorf("got %q, want %q\n%s", got, test.want, h.Table())
			}
		})
	}
}
