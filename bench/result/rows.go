package result

import (
	"cmp"
	"fmt"
)

// The kinds of work.
const (
	Get       = "get"    // the floor: one read,
	Set       = "set"    // one write,
	Create    = "create" // one creation through the same client library
	Deny      = "deny"
	Renew     = "renew"
	Grant     = "grant" // of a lease that this peer has given up
	GrantNew  = "grant, new path"
	Takeover  = "takeover" // of a lease that another let expire
	Release   = "release"
	Cycle     = "acquire+release"
	DenySlots = "deny on slots"

	ProcessDenied  = "process, denied"
	ProcessGranted = "process, granted"
	ProcessConnect = "process, connects and closes"
	ProcessStart   = "process, says its version" // what starting it takes
)

// The peers.
const (
	Bare      = "bare request"
	Leasehold = "Leasehold"
	Kazoo     = "kazoo"
	Mutex     = "Curator mutex"
	Semaphore = "Curator semaphore"
	Etcd      = "etcd"
)

// Peers are all of them, in the order of tables.
var Peers = []string{Bare, Leasehold, Kazoo, Mutex, Semaphore, Etcd}

// A Row is one thing that must hold.
type Row struct {
	Work  string  `json:"work"`
	Must  string  `json:"must"`
	Got   float64 `json:"got"`
	Limit float64 `json:"limit"`
	Least bool    `json:"least,omitempty"` // Limit is the least, not the most
	OK    bool    `json:"ok"`
	Why   string  `json:"why,omitempty"` // why there is no figure
}

// Verdict is "ok", "missed" or "not measured".
func (r Row) Verdict() string {
	switch {
	case r.Why != "":
		return "not measured"
	case r.OK:
		return "ok"
	}
	return "missed"
}

// Held reports whether every row holds.
func (f *File) Held() bool {
	for _, r := range f.Rows {
		if !r.OK {
			return false
		}
	}
	return len(f.Rows) > 0
}

// Judge evaluates the table of what must hold: that for one server, and what
// of it concerns single requests for three as well.
func (f *File) Judge() {
	j := &judge{file: f, servers: 1}
	j.requests()
	j.herd()
	j.processes()
	j.holding()
	j.servers = 3
	j.requests()
	f.Rows = j.rows
}

type judge struct {
	file    *File
	servers int
	rows    []Row
}

// requests judges what a few requests on an open session take.
func (j *judge) requests() {
	lease := func(work string) figure { return j.median(work, Leasehold, 0) }
	kazoo := func(work string) figure { return j.median(work, Kazoo, 0) }
	get, set := j.median(Get, Bare, 0), j.median(Set, Bare, 0)

	j.most(Deny, "× a bare get", lease(Deny).over(get), 1.15)
	j.least(Deny, "× faster than kazoo", kazoo(Deny).over(lease(Deny)), 10)
	for _, peer := range []string{Etcd, Mutex, Semaphore} {
		j.least(Deny, "× faster than "+peer, j.median(Deny, peer, 0).over(lease(Deny)), 1)
	}
	j.most(Renew, "× a bare set", lease(Renew).over(set), 1.25)
	j.least(Renew, "× faster than kazoo", kazoo(Renew).over(lease(Renew)), 8)
	for _, work := range []string{Takeover, Grant, GrantNew} {
		j.most(work, "× (bare get + bare set)", lease(work).over(get.plus(set)), 2.2)
		j.least(work, "× faster than kazoo", kazoo(work).over(lease(work)), 3)
		j.most(work, "× Curator's acquire+release", lease(work).over(j.median(Cycle, Mutex, 0)), 1.1)
	}
	const slots = 100
	j.least("deny on 100 slots", "× faster than kazoo", j.median(DenySlots, Kazoo, slots).over(j.median(DenySlots, Leasehold, slots)), 30)
	fit, ok := j.file.Fit("deny on slots, ms"+on(j.servers), Slots, Leasehold)
	j.most("deny on slots", "is the exponent of its growth", figure{fit.Exponent, missing(ok, "growth of deny on slots")}, 1)
}

func (j *judge) herd() {
	const contenders = 200
	ours, ok := j.file.Herd(Leasehold, j.servers, contenders)
	theirs, ok2 := j.file.Herd(Kazoo, j.servers, contenders)
	got := figure{ours.Median, missing(ok, "herd of 200, Leasehold")}
	j.least("herd of 200", "× faster than kazoo until all have an answer",
		figure{theirs.Median, missing(ok2, "herd of 200, kazoo")}.over(got), 8)
	j.most("herd of 200", "committed writes, for 1 + contenders", figure{float64(ours.Commits), got.why}, 1+contenders)
	j.most("herd of 200", "committed writes of losers that come later", figure{float64(ours.Late), got.why}, 0)
}

func (j *judge) processes() {
	ours := j.median(ProcessDenied, Leasehold, 0)
	j.most(ProcessDenied, "of Python with kazoo", ours.over(j.median(ProcessDenied, Kazoo, 0)), 0.125)
	j.most(ProcessDenied, "× one that only connects and closes", ours.over(j.median(ProcessConnect, Bare, 0)), 1.3)
}

func (j *judge) holding() {
	const work = "10,000 leases"
	for _, h := range j.file.Holds {
		if h.Leases == 10_000 {
			j.most(work, "renewed late", figure{value: float64(h.Late)}, 0)
			j.most(work, "lost", figure{value: float64(h.Lost)}, 0)
			why := missing(h.Lost == 0, "leases that were lost")
			j.most(work, "bytes of memory for each", figure{float64(h.Bytes) / float64(h.Leases), why}, 4096)
			j.most(work, "goroutines for each", figure{float64(h.Goroutines) / float64(h.Leases), why}, 1)
			return
		}
	}
	j.most(work, "renewed late, lost, memory and goroutines", figure{why: missing(false, work)}, 0)
}

func (j *judge) most(work, must string, got figure, limit float64) {
	j.rows = append(j.rows, Row{
		Work: work + on(j.servers), Must: fmt.Sprintf("≤ %g %s", limit, must),
		Got: got.value, Limit: limit, OK: got.why == "" && got.value <= limit, Why: got.why,
	})
}

func (j *judge) least(work, must string, got figure, limit float64) {
	j.rows = append(j.rows, Row{
		Work: work + on(j.servers), Must: fmt.Sprintf("≥ %g %s", limit, must),
		Got: got.value, Limit: limit, Least: true, OK: got.why == "" && got.value >= limit, Why: got.why,
	})
}

// A figure is a value, or why there is none.
type figure struct {
	value float64
	why   string
}

func missing(ok bool, what string) string {
	if ok {
		return ""
	}
	return "no figures for " + what
}

func (j *judge) median(work, peer string, slots int) figure {
	m, ok := j.file.Measure(work, peer, j.servers, slots)
	return figure{m.Median, missing(ok, fmt.Sprintf("%s, %s%s", work, peer, on(j.servers)))}
}

func (f figure) over(g figure) figure {
	why := cmp.Or(f.why, g.why)
	if why != "" {
		return figure{why: why}
	}
	return figure{value: f.value / g.value}
}

func (f figure) plus(g figure) figure {
	return figure{f.value + g.value, cmp.Or(f.why, g.why)}
}
