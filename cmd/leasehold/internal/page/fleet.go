package page

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/jobs"
)

// A Fleet is what the fleet's page is made of.
type Fleet struct {
	View
	Jobs  []*jobs.Job // in the order of their paths
	Query url.Values  // q, text in a path or a holder; state; page
}

// pageSize is how many leases a page has: what a screen shows, since each row delays
// the first paint.
const pageSize = 25

// States are the words that leases are found by, as they are shown.
var States = []string{
	string(jobs.IsLate), string(jobs.HasFailed), string(jobs.IsUnreadable), string(jobs.WasRetried),
	string(jobs.Running), string(jobs.Retrying), string(jobs.IsPaused), string(jobs.Idle),
	leasehold.Held.String(), leasehold.Expired.String(), leasehold.Free.String(), leasehold.Newer.String(),
}

// always are those of them that are shown when no lease is found by them.
var always = States[:3]

// A filter is a link that shows some of the leases.
type filter struct {
	State   string // "" for all
	Count   int
	Link    string
	Current bool
}

// Bad reports whether it shows what somebody should look at.
func (f filter) Bad() bool { return slices.Contains(always, f.State) }

type fleetBody struct {
	Text, State string
	Filters     []filter
	Rows        []*row
	First, Last int // of the rows on this page, from 1
	Found       int
	Previous    string // link, "" for none
	NextPage    string // link, "" for none
}

// Fleet writes the page of all leases.
func (p *Pages) Fleet(w http.ResponseWriter, f Fleet) {
	l := layout{View: f.View, Title: "Leases"}
	begin(w, http.StatusOK, l)
	rows := p.rows.of(f.Jobs, f.Policy, f.judgedAt())
	body := fleetBody{Text: typed(f.Query.Get("q")), State: typed(f.Query.Get("state"))}
	var problems []string
	counts := make(map[string]int)
	var found [ranks][]*row
	searched := strings.ToLower(strings.TrimSpace(body.Text))
	total := 0
	for _, r := range rows {
		l.Next = earlier(l.Next, r.changes)
		if !strings.Contains(r.key, searched) {
			continue
		}
		total++
		for _, word := range r.words {
			counts[word]++
		}
		if body.State == "" || slices.Contains(r.words[:], body.State) {
			found[r.rank] = append(found[r.rank], r)
		}
	}
	body.Filters = []filter{{Count: total, Link: link(body.Text, "", 1), Current: body.State == ""}}
	for _, state := range States {
		current := state == body.State
		if n := counts[state]; n > 0 || current || slices.Contains(always, state) {
			body.Filters = append(body.Filters, filter{state, n, link(body.Text, state, 1), current})
			if n > 0 && slices.Contains(always, state) {
				problems = append(problems, fmt.Sprintf("%s %s", count(n), state))
			}
		}
	}
	if len(problems) > 0 {
		l.Title = strings.Join(problems, ", ")
	}
	body.show(slices.Concat(found[:]...), f.Query.Get("page"))
	l.Body = body
	write(w, "fleet.html", l)
}

// show puts the rows of the page of that number, from 1, into b.
func (b *fleetBody) show(rows []*row, number string) {
	pages := max(1, (len(rows)+pageSize-1)/pageSize)
	n, _ := strconv.Atoi(number) // that of no number is the first page
	n = min(max(1, n), pages)
	b.Found = len(rows)
	b.Rows = rows[(n-1)*pageSize : min(n*pageSize, len(rows))]
	b.First, b.Last = (n-1)*pageSize+1, (n-1)*pageSize+len(b.Rows)
	if n > 1 {
		b.Previous = link(b.Text, b.State, n-1)
	}
	if n < pages {
		b.NextPage = link(b.Text, b.State, n+1)
	}
}

// link returns the link to a page of the fleet, relative to its first one.
func link(text, state string, number int) string {
	query := url.Values{}
	if text != "" {
		query.Set("q", text)
	}
	if state != "" {
		query.Set("state", state)
	}
	if number > 1 {
		query.Set("page", strconv.Itoa(number))
	}
	if len(query) == 0 {
		return "./"
	}
	return "./?" + query.Encode()
}
