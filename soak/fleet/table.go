package fleet

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
)

// Table returns a row for each run, by ticks, for people.
func (h *History) Table() string {
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "TICK\tATTEMPT\tBY\tBEGUN AFTER\tTOOK\tHOW\tREFUSED\tCLOCK OFF")
	for tick := h.First.Add(-h.Period); !tick.After(h.Last); tick = tick.Add(h.Period) {
		refused, clock := h.refusals(tick)
		counts := fmt.Sprintf("%d\t%d", refused, clock)
		runs := h.OfTick(tick)
		if len(runs) == 0 {
			fmt.Fprintf(table, "%s\t-\t-\t-\t-\tnot begun\t%s\n", clockTime(tick), counts)
		}
		for i, r := range runs {
			name, how, took := clockTime(tick), "ended", seconds(r.Ended-r.Begun)
			switch {
			case r.Kazoo:
				how, took = "kazoo's lease", seconds(h.KazooLease)
			case r.Died:
				how = "host died"
			}
			if i > 0 {
				name, counts = "", "\t"
			}
			fmt.Fprintf(table, "%s\t%d\t%s\t%s\t%s\t%s\t%s\n", name, i+1, r.Host, seconds(r.Wall.Sub(tick)), took, how, counts)
		}
	}
	table.Flush() // to memory: never fails
	return b.String()
}

// refusals counts the firings that were refused while the tick was the newest, and
// those of them that were told that their clock is off.
func (h *History) refusals(tick time.Time) (refused, clock int) {
	for _, f := range h.firings {
		if f.planned.Before(tick) || !f.planned.Before(tick.Add(h.Period)) {
			continue
		}
		switch f.exit {
		case exitConflict:
			refused++
		case exitClock:
			clock++
		}
	}
	return refused, clock
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2fs", d.Seconds()) }
