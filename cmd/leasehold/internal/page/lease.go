package page

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/jobs"
)

// A Lease is what a lease's own page is made of.
type Lease struct {
	View
	Path   string
	Job    *jobs.Job   // with its whole log; nil where there is none
	Jobs   []*jobs.Job // all, in the order of their paths: its slots are among them
	Record []byte      // as it is stored; nil if there is none, or it is not known
	Query  url.Values  // confirm, an action that is asked for; done, one that was done

	Failure string // why the action that was asked for was not done
	Reason  string // that was given with it
}

type leaseBody struct {
	Path    string
	Parents []parent
	Row     *row // nil where only slots are
	Slots   []*row
	Record  string
	history
	Upcoming []upcoming
	Actions  []action // that may be asked for
	Confirm  *action  // that is asked for
	Done     string
	Failure  string
	Reason   string
}

// Self is the link to the page itself, without a query.
func (b leaseBody) Self() string { return root(b.Path) + leaseLink(b.Path) }

// A parent is a part of a path, and the link to what is below it.
type parent struct{ Name, Link string }

// Lease writes the page of one lease. Its status is 404 where nothing is known of the
// path, 409 with a Failure.
func (p *Pages) Lease(w http.ResponseWriter, l Lease) {
	now := l.judgedAt()
	body := leaseBody{Path: l.Path, Parents: parents(l.Path), Failure: l.Failure, Reason: typed(l.Reason)}
	if l.AllowWrite {
		body.Done = done[l.Query.Get("done")]
	}
	if l.Record != nil {
		body.Record = whole(string(l.Record))
	}
	page := layout{View: l.View, Root: root(l.Path), Title: l.Path}
	for _, j := range slots(l.Jobs, l.Path) {
		r := newRow(j, l.Policy, now)
		body.Slots = append(body.Slots, r)
		page.Next = earlier(page.Next, r.changes)
	}
	if l.Job != nil {
		body.Row = newRow(l.Job, l.Policy, now)
		page.Next = earlier(page.Next, body.Row.changes)
		body.history = newHistory(body.Row, now)
		body.Upcoming = next(l.Job, now)
		if problem := body.Row.Judgement.Problem; problem != "" {
			page.Title = string(problem) + ": " + l.Path
		}
	}
	if l.AllowWrite && body.Row != nil {
		body.Actions = actions(body.Row)
		for i, a := range body.Actions {
			if a.Name == l.Query.Get("confirm") {
				body.Confirm = &body.Actions[i]
			}
		}
	}
	status := http.StatusOK
	switch {
	case l.Failure != "":
		status = http.StatusConflict
	case body.Row == nil && len(body.Slots) == 0:
		status = http.StatusNotFound
	}
	page.Body = body
	begin(w, status, page)
	write(w, "lease.html", page)
}

// slots returns the leases below path whose names are numbers, or, where path is such
// a lease, it and those beside it.
func slots(all []*jobs.Job, path string) []*jobs.Job {
	if i := strings.LastIndexByte(path, '/'); isNumber(path[i+1:]) {
		path = path[:i]
	}
	first, _ := slices.BinarySearchFunc(all, path+"/", func(j *jobs.Job, path string) int { return strings.Compare(j.Path, path) })
	var found []*jobs.Job
	for _, j := range all[first:] {
		name, ok := strings.CutPrefix(j.Path, path+"/")
		if !ok {
			break
		}
		if isNumber(name) {
			found = append(found, j)
		}
	}
	slices.SortFunc(found, func(a, b *jobs.Job) int { // 10 comes after 9
		return cmp.Or(cmp.Compare(len(a.Path), len(b.Path)), strings.Compare(a.Path, b.Path))
	})
	return found
}

func isNumber(name string) bool { return name != "" && strings.Trim(name, "0123456789") == "" }

func parents(path string) []parent {
	components := strings.SplitAfter(path, "/")
	var ps []parent
	for i := 1; i < len(components)-1; i++ {
		ps = append(ps, parent{components[i], root(path) + link(strings.Join(components[:i+1], ""), "", 1)})
	}
	return ps
}

// An upcoming tick, in UTC and in the schedule's zone.
type upcoming struct {
	Time  time.Time
	There string // "" where that is UTC
}

// next returns the next ticks of j.
func next(j *jobs.Job, now time.Time) []upcoming {
	const most = 5
	s, ok := j.Schedule()
	if !ok {
		return nil
	}
	zone, err := time.LoadLocation(s.Zone())
	var ticks []upcoming
	for t, ok := s.Next(now); ok && len(ticks) < most; t, ok = s.Next(t) {
		u := upcoming{Time: t}
		if err == nil && s.Zone() != "UTC" {
			u.There = t.In(zone).Format("Mon 15:04 MST")
		}
		ticks = append(ticks, u)
	}
	return ticks
}

// An action is what may be done by hand.
type action struct {
	Name   string // in the form
	Title  string // of the button
	Effect string
	Token  int64     // 0 where it needs none
	Tick   time.Time // zero likewise
}

// done says what was done.
var done = map[string]string{
	"release": "Released.",
	"again":   "The newest tick may be run once more.",
	"pause":   "Paused.",
	"resume":  "Resumed.",
}

// actions returns what may be done with a lease as it is.
func actions(r *row) []action {
	var as []action
	head := r.Log.Head
	if head.Paused != nil {
		as = append(as, action{Name: "resume", Title: "Resume", Effect: "Hosts run its ticks again, from the newest that is due on. Older ones were missed."})
	} else if head.Schedule != "" {
		as = append(as, action{Name: "pause", Title: "Pause", Effect: "No host begins a tick until it is resumed. A run that goes on is not stopped."})
	}
	if !head.Tick.IsZero() {
		as = append(as, action{Name: "again", Title: "Run again", Tick: head.Tick, Effect: "One more run of the tick of " + utc(head.Tick) + " is allowed, also if it has succeeded. The next host that asks runs it: nothing is started from here."})
	}
	if r.State == leasehold.Held {
		as = append(as, action{Name: "release", Title: "Release", Token: r.Token, Effect: "The grant with the token " + strconv.FormatInt(r.Token, 10) +
			" ends, and another host may have the lease at once. What runs under it is not stopped by this, but by its host when that notices: for a moment two may run."})
	}
	return as
}
