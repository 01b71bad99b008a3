package fleet

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// A Plan says what the hosts were to do. A tick is due at each multiple of Period.
type Plan struct {
	Period      time.Duration
	First, Last time.Time     // the ticks that are judged
	Attempts    int           // of a tick
	Lease       time.Duration // what a host that died leaves
	KazooLease  time.Duration
	Skew        time.Duration // by how much clocks may disagree
	WrongClock  string        // the host whose clock is off by more: it runs nothing
}

// Exit codes of leasehold.
const (
	exitConflict = 75
	exitClock    = 71
)

// A Run is one run of the job, by a host or by kazoo.
type Run struct {
	Tick    time.Time
	Attempt int // 0: kazoo, which doesn't count
	Host    string
	Fire    int
	Kazoo   bool
	Died    bool // its host did, midway

	Fired time.Duration // when the host started leasehold
	Begun time.Duration
	Ended time.Duration // what begins before overlaps
	Over  time.Duration // who asks from then on is not refused because of it
	Wall  time.Time     // of Begun
}

// A firing is one start of leasehold.
type firing struct {
	host    string
	planned time.Time
	fired   time.Duration
	exited  time.Duration // 0: its host died before
	exit    int
	stderr  string
}

type key struct {
	host string
	fire int
}

// History is what the events tell.
type History struct {
	Plan
	Runs    []Run    // in the order in which they began
	Broken  []string // what must not be
	firings map[key]*firing
	died    map[string]time.Duration
	start   Event
}

// Judge returns what the events tell, and what of that breaks a rule.
func Judge(events []Event, p Plan) *History {
	h := &History{Plan: p, firings: map[key]*firing{}, died: map[string]time.Duration{}}
	if len(events) == 0 {
		h.broken("got no events")
		return h
	}
	h.start = events[0]
	h.collect(events)
	h.judgeOverlaps()
	h.judgeExits()
	for tick := p.First; !tick.After(p.Last); tick = tick.Add(p.Period) {
		h.judgeTick(tick)
	}
	return h
}

func (h *History) broken(format string, args ...any) {
	h.Broken = append(h.Broken, fmt.Sprintf(format, args...))
}

// at returns what the steady clock shows at t.
func (h *History) at(t time.Time) time.Duration { return h.start.At + t.Sub(h.start.Wall) }

func (h *History) collect(events []Event) {
	runs := map[key]*Run{}
	for _, e := range events {
		k := key{e.Host, e.Fire}
		switch e.Kind {
		case Fired:
			h.firings[k] = &firing{host: e.Host, planned: e.Planned, fired: e.At}
		case Exited:
			f := h.firings[k]
			f.exited, f.exit, f.stderr = e.At, e.Exit, e.Stderr
		case Begun:
			if runs[k] != nil {
				h.broken("%s has begun the job twice for its firing %d", e.Host, e.Fire)
			}
			if e.Wall.Before(e.Tick) {
				h.broken("%s has begun the tick %s at %s", e.Host, clockTime(e.Tick), e.Wall)
			}
			runs[k] = &Run{Tick: e.Tick, Attempt: e.Attempt, Host: e.Host, Fire: e.Fire, Fired: h.firings[k].fired, Begun: e.At, Wall: e.Wall}
		case Ended:
			runs[k].Ended = e.At
		case Died:
			h.died[e.Host] = e.At
		case Asked:
			if !e.Got {
				continue
			}
			tick := e.Wall.Add(h.Skew).Truncate(h.Period)
			// The record's end has whole seconds.
			h.Runs = append(h.Runs, Run{Tick: tick, Host: e.Host, Kazoo: true, Fired: e.Since, Begun: e.At, Wall: e.Wall, Ended: e.Since + h.KazooLease - time.Second, Over: e.At + h.KazooLease})
		}
	}
	for k, r := range runs {
		at, died := h.died[r.Host]
		switch r.Over = h.firings[k].exited; {
		case r.Ended != 0 && r.Over != 0:
		case died:
			r.Died, r.Ended, r.Over = true, at, at+h.Lease
		default:
			h.broken("the job that %s has begun for the tick %s has not ended", r.Host, clockTime(r.Tick))
		}
		h.Runs = append(h.Runs, *r)
	}
	slices.SortFunc(h.Runs, func(a, b Run) int { return cmp.Compare(a.Begun, b.Begun) })
}

func (h *History) judgeOverlaps() {
	for i, r := range h.Runs {
		for _, earlier := range h.Runs[:i] {
			if r.Begun < earlier.Ended {
				h.broken("%s has begun the tick %s while %s ran the tick %s", r.Host, clockTime(r.Tick), earlier.Host, clockTime(earlier.Tick))
			}
		}
	}
}

func (h *History) judgeExits() {
	ran := map[key]bool{}
	for _, r := range h.Runs {
		ran[key{r.Host, r.Fire}] = !r.Kazoo
		if r.Host == h.WrongClock {
			h.broken("%s, whose clock is off, has run the tick %s", r.Host, clockTime(r.Tick))
		}
	}
	for k, f := range h.firings {
		switch {
		case f.exited == 0: // it died; what was run is judged elsewhere
		case ran[k] && f.exit == 0:
		case !ran[k] && f.exit == exitConflict:
		case !ran[k] && f.exit == exitClock && f.host == h.WrongClock:
		default:
			h.broken("leasehold that %s has fired at %s has exit code %d, having run the job: %t; it said %s", f.host, clockTime(f.planned), f.exit, ran[k], f.stderr)
		}
	}
}

// judgeTick judges whether each attempt of the tick may be begun, and whether one
// more should have been.
func (h *History) judgeTick(tick time.Time) {
	attempts := h.OfTick(tick)
	for i, r := range attempts {
		if r.Kazoo {
			continue
		}
		if r.Attempt != i+1 {
			h.broken("the attempt %d of the tick %s, by %s, is numbered %d", i+1, clockTime(tick), r.Host, r.Attempt)
		}
		if i >= h.Attempts || !h.mayRetry(attempts[:i]) {
			h.broken("%s has begun the tick %s, attempt %d, though that was not to be begun again", r.Host, clockTime(tick), i+1)
		}
		for _, f := range h.shouldRun(tick, attempts[:i]) {
			if f.exited < r.Fired {
				h.broken("%s was refused the tick %s at %s, though nobody has begun attempt %d until %s", f.host, clockTime(tick), clockTime(f.planned), i+1, clockTime(r.Wall))
			}
		}
	}
	if n := len(attempts); n < h.Attempts && h.mayRetry(attempts) {
		for _, f := range h.shouldRun(tick, attempts) {
			h.broken("%s was refused the tick %s at %s, though nobody has begun attempt %d at all", f.host, clockTime(tick), clockTime(f.planned), n+1)
		}
	}
}

// OfTick returns the runs of the tick, in the order in which they began.
func (h *History) OfTick(tick time.Time) (of []Run) {
	for _, r := range h.Runs {
		if r.Tick.Equal(tick) {
			of = append(of, r)
		}
	}
	return of
}

// mayRetry reports whether nobody knows that one of the attempts has succeeded.
// kazoo never tells.
func (h *History) mayRetry(attempts []Run) bool {
	return !slices.ContainsFunc(attempts, func(r Run) bool { return !r.Died && !r.Kazoo })
}

// shouldRun returns the firings that have asked for the tick when these attempts
// of it had been made, while nobody ran anything, nor had a lease: one of them,
// or one before, should have been granted it.
func (h *History) shouldRun(tick time.Time, attempts []Run) (of []*firing) {
	from, to := h.at(tick), h.at(tick.Add(h.Period-h.Skew))
	for _, r := range attempts {
		from = max(from, r.Over)
	}
	for _, r := range h.Runs { // one of an earlier tick may go on
		if r.Tick.Before(tick) && r.Over < to {
			from = max(from, r.Over)
		} else if r.Tick.Before(tick) {
			return nil
		}
	}
	for _, f := range h.firings {
		if f.host != h.WrongClock && f.exited != 0 && f.fired >= from && f.exited <= to {
			of = append(of, f)
		}
	}
	return of
}

func clockTime(t time.Time) string { return t.UTC().Format("15:04:05") }

// Planned returns when the firing of a host's run was to be.
func (h *History) Planned(r Run) time.Time { return h.firings[key{r.Host, r.Fire}].planned }
