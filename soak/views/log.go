// Package views compares what "leasehold serve" shows of jobs with what the commands
// say of them at that time.
package views

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// MostStale is how old what a server shows may be while it does not say so.
const MostStale = 2 * time.Second

// mostApart is how far apart two commands are at most between which no value goes
// unseen. On a busy machine they are, and a job takes 3 s.
const mostApart = time.Second

// A Log has what all sources have said. It is safe for concurrent use.
type Log struct {
	mu       sync.Mutex
	commands map[Kind][]seen
	server   []seen
	away     []span
	others   []string // disagreements that were found at once
}

// A seen is a View, of some moment in a span.
type seen struct {
	View
	span
}

type span struct{ from, to time.Time }

// Commands notes what a command has said that was asked at that time.
func (l *Log) Commands(asked time.Time, v View) {
	if !v.Known {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.commands == nil {
		l.commands = map[Kind][]seen{}
	}
	l.commands[v.Kind] = append(l.commands[v.Kind], seen{v, span{asked, time.Now()}})
}

// Server notes what the server has said.
func (l *Log) Server(asked time.Time, v View) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.server = append(l.server, seen{v, span{asked, time.Now()}})
}

// Away notes that there was no store between those times.
func (l *Log) Away(from, to time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.away = append(l.away, span{from, to})
}

// Disagree notes what was found to be wrong.
func (l *Log) Disagree(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.others = append(l.others, fmt.Sprintf(format, args...))
}

// Has reports whether a command has ever said value of a job.
func (l *Log) Has(kind Kind, value string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.commands[kind], func(c seen) bool {
		return slices.Contains(slices.Collect(maps.Values(c.Values)), value)
	})
}

// A disagreement is what a source has shown of a job from one time to another, at
// least, and no command has said then.
type disagreement struct {
	source, path, value string
	from, to            time.Time
	want                []string
}

// Disagreements returns what was shown for longer than MostStale and is not what the
// commands have said from MostStale before until then; and when the server claimed to
// know though there was no store.
func (l *Log) Disagreements() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := slices.Clone(l.others)
	open := map[[2]string]*disagreement{} // by source and path
	for _, s := range l.server {
		if !s.Known {
			for key := range open {
				if key[0] == s.Source {
					delete(open, key)
				}
			}
			continue
		}
		for _, a := range l.away {
			if s.from.After(a.from.Add(MostStale)) && s.to.Before(a.to) {
				all = append(all, fmt.Sprintf("%s claims to know at %s, %s after the store was gone", s.Source, clock(s.from), s.from.Sub(a.from)))
			}
		}
		for path, value := range s.Values {
			key := [2]string{s.Source, path}
			want := l.wanted(s, path)
			if len(want) == 0 || slices.Contains(want, value) {
				delete(open, key)
				continue
			}
			d := open[key]
			if d == nil {
				d = &disagreement{source: s.Source, path: path, value: value, from: s.to}
				open[key] = d
			}
			wasLong := d.to.Sub(d.from) > MostStale
			if d.to, d.want = s.from, want; !wasLong && d.to.Sub(d.from) > MostStale {
				all = append(all, fmt.Sprintf("%s shows %q of %s from %s to %s at least, want one of %q", d.source, value, path, clock(d.from), clock(d.to), want))
			}
		}
	}
	return all
}

// wanted returns what commands have said of the job that may be so at s: the newest
// before, all that were asked meanwhile, and the first one after.
func (l *Log) wanted(s seen, path string) []string {
	all := l.commands[s.Kind]
	first, _ := slices.BinarySearchFunc(all, s.from.Add(-MostStale), func(c seen, t time.Time) int { return cmp.Compare(c.to.UnixNano(), t.UnixNano()) })
	var values []string
	var asked time.Time
	for _, c := range all[max(0, first-1):] {
		if value, ok := c.Values[path]; ok {
			if n := len(values); n > 0 && values[n-1] != value && c.to.Sub(asked) > mostApart {
				return nil // there may have been others in between
			}
			values, asked = append(values, value), c.from
		}
		if c.from.After(s.to) {
			break
		}
	}
	return values
}

// Summary says how often what was asked.
func (l *Log) Summary() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	unknown := 0
	for _, s := range l.server {
		if !s.Known {
			unknown++
		}
	}
	said := map[string]int{}
	for _, kind := range l.commands {
		for _, c := range kind {
			for _, v := range c.Values {
				if c.Kind == Problem && v != "" {
					said[v]++
				}
			}
		}
	}
	return fmt.Sprintf("%d views of the server, %d of them not up to date; %d of status, %d of check, which has said %v",
		len(l.server), unknown, len(l.commands[Tick]), len(l.commands[Problem]), said)
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05.000") }
