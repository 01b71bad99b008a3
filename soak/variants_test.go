package soak_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/soak/history"
)

// A variant is a weakness, and the events in which it shows.
type variant struct {
	name     string
	weakness []edit
	setting  []edit // what the control has too, besides stops
	run      func(s *scenario)
	rule     string // that the checker must find broken
	lags     bool   // it needs a follower that lags
	skew     time.Duration
}

// stops are places where a process can be made to stop, and clocks that can be
// wrong. They weaken nothing: a holder with them alone is the control.
var stops = []edit{
	{".", "Client.wallNow", `return time.Now()`, `return points.Now()`},
	{".", "ReadInstant", `time.Now()`, `points.Now()`},
	{".", "ReadInstant", `clock.SinceBoot()`, `points.Steady(clock.SinceBoot())`},
	// Both of a host's steady clocks stand still at the same time.
	{".", "Instant.Since", `i.wall.Sub(earlier.wall)`, `i.boot - earlier.boot`},
	{"zookeeper/internal/zk", "Open", `config.Clock = clock.Shared`, `config.Clock = func() time.Duration { return points.Steady(clock.Shared()) }`},
	{".", "Lease.undoPromptly", ``, `points.Stop("undo")`},
	{"zookeeper", "exclusiveWrite.attempt", `seen, err = w.list(`, `points.Stop("children"); seen, err = w.list(`},
	{"zookeeper", "exclusiveWrite.queue", `record, err := w.recordInQueue(`, `points.Stop("queue"); record, err := w.recordInQueue(`},
	{"zookeeper", "exclusiveWrite.commit", ``, `points.Stop("commit")`},
	// What stopped counts as sent: the end of its context does not keep it back.
	{
		"zookeeper", "heldGrant.write", `if hook := h.store.beforeCommit; hook != nil {`,
		`if points.Stop("renew") { ctx = context.WithoutCancel(ctx) }
		if hook := h.store.beforeCommit; hook != nil {`,
	},
	{"zookeeper", "heldGrant.write", `received = leasehold.ReadInstant()`, `points.Stop("renewed"); received = leasehold.ReadInstant()`},
}

var variants = []variant{
	{
		// The guarded transaction does not check the name of its grant node, by
		// which it fails if anything was created since the children were read.
		name: "no-guard", run: kazooBetweenReadAndCommit, rule: "overlap",
		weakness: []edit{{"zookeeper", "exclusiveWrite.attempt", `, &zk.Check{Path: guard, Version: 0}`, ``}},
	},
	{
		// The record that was read before the children counts.
		name: "record-before-children", run: kazooBetweenTheReads, rule: "overlap",
		weakness: []edit{{"zookeeper", "exclusiveWrite.attempt", `seen.below.isLatest(seen.record)`, `true`}},
	},
	{
		// A renewal checks the version of the record only, not the grant node.
		name: "renew-by-version", run: renewalArrivesLate, rule: "overlap",
		weakness: []edit{{"zookeeper", "heldGrant.write", `slices.Concat(claim, `, `slices.Concat(claim[:0], `}},
	},
	{
		// The commit from the queue does not delete its own lock node, so that
		// it can be carried out after the session, and the lock, are gone. For
		// that it has to go out in a later session, as with a client that sends
		// again what it could not send before.
		name: "no-session-fence", run: pausedPastTheSession, rule: "overlap",
		setting: []edit{{
			"zookeeper", "exclusiveWrite.commit", `points.Stop("commit")`,
			`if points.Stop("commit") {
				<-sess.Over()
				var err error
				if sess, err = w.store.session(ctx); err != nil {
					panic(err)
				}
			}`,
		}},
		weakness: []edit{
			{"zookeeper", "exclusiveWrite.commitQueued", `t.ops = append(t.ops, &zk.Delete{Path: w.below(lock), Version: zk.AnyVersion})`, ``},
			{"zookeeper", "exclusiveWrite.commitQueued", `if err != nil {`, `if true {`}, // so the lock node goes afterwards
		},
	},
	{
		// The record is read in another session than the children are.
		name: "two-sessions", run: takenBehindALaggingServer, rule: "overlap", lags: true,
		weakness: []edit{
			{"zookeeper", "", "", `package zookeeper

import (
	"context"
	"os"
)

// second is a Store at the server that $LEASEHOLD_SECOND names.
var second = openSecond()

func openSecond() *Store {
	host := os.Getenv("LEASEHOLD_SECOND")
	if host == "" {
		return nil
	}
	s, err := Open(context.Background(), "zk://"+host, nil)
	if err != nil {
		panic(err)
	}
	return s
}
`},
			{"zookeeper", "session.record", ``, `if second != nil {
				var err error
				if sess, err = second.session(ctx); err != nil {
					return nil, err
				}
			}`},
		},
	},
	{
		// A renewal counts however late it is sent, without another look for a
		// client of kazoo that is taking the lease over.
		name: "late-renewal", run: kazooHasReadBeforeTheRenewal, rule: "overlap", lags: true,
		weakness: []edit{{"zookeeper", "Store.Renew", `< s.options.Lag`, `< 0`}},
	},
	{
		// A takeover stands though the former lease had not ended by the
		// store's clock.
		name: "early-takeover", run: clockRunsAhead, rule: "overlap",
		weakness: []edit{{".", "Lease.judge", `l.entry.Stamp.At.Before(formerEnd)`, `false`}},
	},
	{
		// An early takeover that nobody undid counts for its holder.
		name: "held-until-ignored", run: earlyTakeoverThatNobodyUndid, rule: "overlap",
		weakness: []edit{{"zookeeper", "readState.entry", `g.FormerEnd.After(e.Since)`, `false`}},
	},
	{
		// A holder whose grant node is gone takes the lease back from whoever has it.
		name: "reclaim-anything", run: renewalArrivesLate, rule: "overlap",
		weakness: []edit{{"zookeeper", "heldGrant.reclaim", `(early.IsZero() || !early.Equal(endOf(h.own)))`, `early.IsZero() && !early.IsZero()`}},
	},
	{
		// Remaining goes by the host's clocks, though they are known to have
		// stood still.
		name: "missing-time-ignored", run: clocksStoodStill, rule: "overlap",
		weakness: []edit{{".", "Lease.doubt", `missing.IsZero()`, `true`}},
	},
	{
		// Remaining counts up to End, without MaxClockSkew.
		name: "no-margin", run: kazooClockRunsAhead, rule: "overlap", skew: kazooAhead,
		weakness: []edit{{".", "Lease.margin", `l.request.skew + `, ``}},
	},
	{
		// Remaining counts from when the reply came, not from when the request
		// was sent.
		name: "from-receiving", run: replyComesLate, rule: "overlap",
		weakness: []edit{{".", "Lease.remaining", `stamp.Sent.Elapsed()`, `stamp.Received.Elapsed()`}},
	},
}

// TestVariants weakens Leasehold in one place at a time. The checker must find
// a violation in the history of each, and none in that of the same events
// without the weakness.
func TestVariants(t *testing.T) {
	t.Parallel()
	control := goBuild(t, "soak/holder", stops)
	server := zktest.Start(t)
	dirs := []string{dataDir(t, server.Addr())}
	lagging := startLagging(t)
	turn := make(chan struct{}, 1) // the ensemble lags for one scenario at a time
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			control := control
			if len(v.setting) > 0 {
				control = goBuild(t, "soak/holder", slices.Concat(stops, v.setting))
			}
			weak := goBuild(t, "soak/holder", slices.Concat(stops, v.setting, v.weakness))
			for _, c := range []struct{ name, binary string }{{"control", control}, {"weak", weak}} {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					s := &scenario{T: t, binary: c.binary, hosts: server.Addr(), dirs: dirs, points: t.TempDir(), skew: v.skew}
					if v.lags {
						turn <- struct{}{}
						defer func() { <-turn }()
						s.hosts, s.lagging, s.dirs = lagging.leader, lagging, lagging.dirs
					}
					got := s.check(v.run)
					if c.name == "control" {
						wantNone(t, got)
					} else {
						wantRule(t, got, v.rule)
					}
				})
			}
		})
	}
	t.Run("kazoo alone", func(t *testing.T) {
		t.Parallel()
		s := &scenario{T: t, hosts: server.Addr(), dirs: dirs, points: t.TempDir()}
		wantRule(t, s.check(kazooPausedPastTheSession), "overlap")
	})
}

func logHistory(t *testing.T, events []history.Event) {
	t.Helper()
	for _, e := range events {
		if e.Kind != history.Sample {
			t.Log(e)
		}
	}
}

func wantNone(t *testing.T, got []history.Violation) {
	t.Helper()
	for _, v := range got {
		t.Errorf("got %s; want no violation", v)
	}
}

func wantRule(t *testing.T, got []history.Violation, rule string) {
	t.Helper()
	found := map[string]int{}
	for _, v := range got {
		found[v.Rule]++
		if found[v.Rule] == 1 {
			t.Logf("found: %s", v)
		}
	}
	if found[rule] == 0 {
		t.Errorf("got the violations %v, want one of %q", found, rule)
	}
}

// dataDir asks a server where its logs are.
func dataDir(t *testing.T, addr string) string {
	t.Helper()
	answer, err := zktest.Ask(addr, "conf", 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(answer) {
		if dir, ok := strings.CutPrefix(strings.TrimSpace(line), "dataLogDir="); ok {
			return strings.TrimSuffix(dir, "/version-2")
		}
	}
	t.Fatalf("no dataLogDir in %q", answer)
	return ""
}
