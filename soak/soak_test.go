package soak_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"leasehold.example/leasehold/internal/faultlab"
	"leasehold.example/leasehold/internal/testpair"
	"leasehold.example/leasehold/soak/history"
	"leasehold.example/leasehold/soak/points"
	"leasehold.example/leasehold/soak/txnlog"
)

const (
	goHolders    = 6
	kazooHolders = 2
	plan         = "/soak/one,/soak/two,/soak/pool:2"
	leases       = 4

	// alwaysQueues is the Go holder that takes kazoo's queue for every grant.
	alwaysQueues = 1

	// stalls makes every other Go holder stop, one time in ten, between two
	// steps of the protocol (package points).
	stalls = "LEASEHOLD_STALLS=0.1"

	// progressTime is how soon after the faults each lease must be granted
	// again: the longest duration, the longest time for which a holder keeps a
	// lease, and as much again until the others try that lease. A record may end
	// later by farAhead.
	progressTime = 30*time.Second + farAhead
)

// ticks are run by the Go holders, beside their leases. While all is well one of
// them asks for each tick.
var ticks = history.Ticks{Path: "/soak/ticks", Period: 8 * time.Second, Attempts: 2, Recover: 20 * time.Second}

// TestSoak runs for a minute, or for SOAK_MINUTES. SOAK_SEED repeats the faults
// of another run, as far as they depend on the test. With SOAK_VARIANT, the name
// of a variant, the holders have that weakness, to see how soon it shows by
// chance.
func TestSoak(t *testing.T) {
	t.Parallel()
	length := time.Minute
	if s := os.Getenv("SOAK_MINUTES"); s != "" {
		minutes, err := strconv.ParseFloat(s, 64)
		if err != nil {
			t.Fatalf("SOAK_MINUTES: %v", err)
		}
		length = time.Duration(minutes * float64(time.Minute))
	}
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("SOAK_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("SOAK_SEED: %v", err)
		}
	}
	t.Logf("SOAK_SEED=%d", seed)
	binaries := []string{goBuild(t, "soak/holder", nil), goBuild(t, "soak/holder", stops)}
	if name := os.Getenv("SOAK_VARIANT"); name != "" {
		i := slices.IndexFunc(variants, func(v variant) bool { return v.name == name })
		if i < 0 {
			t.Fatalf("SOAK_VARIANT: there is no variant %q", name)
		}
		binaries = []string{goBuild(t, "soak/holder", slices.Concat(stops, variants[i].weakness))}
	}
	rng := rand.New(rand.NewPCG(seed, 0))
	for void := 0; ; {
		isVoid := false
		t.Run("run", func(t *testing.T) { isVoid = run(t, length, rng, binaries) })
		if !isVoid {
			return
		}
		if void++; void == maxVoid {
			t.Fatalf("%d runs were void, so nothing is proven", void)
		}
	}
}

// maxVoid is how many void runs end TestSoak.
const maxVoid = 3

// A soakRun is one run of holders under faults.
type soakRun struct {
	*testing.T
	lab      *faultlab.Lab
	log      *eventLog
	rng      *rand.Rand
	binaries []string   // in turn for the Go holders
	holders  []*process // by number; the kazoo ones come last
	clocks   [goHolders]hostClocks
	started  int // processes so far
}

// hostClocks are those of a Go holder's present process, which reads file.
type hostClocks struct {
	points.Clocks
	file string
}

// run has holders compete under faults for a time, then without, and checks. It
// is void if there are violations and the servers lost what they had committed,
// where they are known to do that.
func run(t *testing.T, length time.Duration, rng *rand.Rand, binaries []string) (void bool) {
	r := &soakRun{
		T: t, log: newEventLog(), rng: rng, binaries: binaries,
		lab:     faultlab.Start(t, faultlab.Config{Servers: 3, Clients: goHolders + kazooHolders}),
		holders: make([]*process, goHolders+kazooHolders),
	}
	var dirs []string
	for _, addr := range r.lab.Addrs() {
		dirs = append(dirs, dataDir(t, addr))
	}
	logs := txnlog.NewCollector(dirs...)
	stop, collected := make(chan struct{}), make(chan error, 1)
	go func() { collected <- collect(logs, stop) }()

	for i := range r.holders {
		r.startHolder(i)
	}
	for began := time.Now(); time.Since(began) < length; {
		r.injectFaults()
		r.checkRunning()
	}
	r.lab.Heal()
	r.log.addNow(history.Event{Kind: history.Quiet})
	r.awaitProgress(len(r.log.all()))
	r.checkRunning()
	for _, p := range r.holders {
		p.kill()
	}
	close(stop)
	if err := <-collected; err != nil {
		t.Fatal(err)
	}
	if err := logs.Poll(); err != nil {
		t.Fatal(err)
	}
	events := r.log.all()
	ofTicks := func(path string) bool { return path == ticks.Path || strings.HasPrefix(path, ticks.Path+"/") }
	h := history.History{
		Events:  slices.DeleteFunc(slices.Clone(events), func(e history.Event) bool { return ofTicks(e.Path) }),
		Changes: slices.DeleteFunc(logs.Changes(), func(c txnlog.Change) bool { return ofTicks(c.Path) }),
		Slots:   map[string]int{"/soak/pool": 2}, Progress: progressTime,
	}
	for _, e := range events {
		if e.Outcome == history.Failed {
			t.Logf("unexpected result: %s", e)
		}
	}
	bad := append(history.Check(h), history.CheckTicks(events, ticks)...)
	t.Logf("%s\nticks: %s\nviolations: %d", history.Summarize(h), history.SummarizeTicks(events, ticks), len(bad))
	lost := logs.Lost()
	if len(bad) > 0 || len(lost) > 0 {
		h.Events = events
		r.saveHistory(h)
	}
	if len(lost) > 0 {
		t.Logf("ZooKeeper has lost what it had committed: %d changes show it, from %#x to %#x", len(lost), lost[0], lost[len(lost)-1])
		if !mayLoseCommits() {
			t.Errorf("got lost commits, want none from this version of ZooKeeper")
		} else if len(bad) > 0 {
			t.Logf("void: %v", bad)
			return true
		}
	}
	wantNone(t, bad)
	return false
}

// mayLoseCommits reports whether the servers are known to lose what they have
// committed: Debian's ZooKeeper 3.8.0 has ZOOKEEPER-4643 and -4646.
func mayLoseCommits() bool { return testpair.Name() == testpair.Debian }

// awaitProgress returns when each lease has been granted again, or should have
// been, and a tick that was due and over since then.
func (r *soakRun) awaitProgress(quiet int) {
	granted := map[string]bool{}
	time.Sleep(ticks.Recover + 2*ticks.Period + time.Second)
	for late := time.Now().Add(progressTime + time.Second); time.Now().Before(late); time.Sleep(200 * time.Millisecond) {
		for _, e := range r.log.from(&quiet) {
			if e.Outcome == history.Granted {
				granted[e.Path] = true
			}
		}
		if len(granted) == leases {
			return
		}
	}
}

// collect reads the servers' logs before they are removed.
func collect(logs *txnlog.Collector, stop <-chan struct{}) error {
	for {
		select {
		case <-stop:
			return nil
		case <-time.After(3 * time.Second):
		}
		if err := logs.Poll(); err != nil {
			return err
		}
	}
}

// isKazoo reports whether holder i is a kazoo one; faults spare these.
func isKazoo(i int) bool { return i >= goHolders }

// holderName is the same for all processes of holder i.
func holderName(i int) string {
	if isKazoo(i) {
		return fmt.Sprintf("kazoo-%d", i)
	}
	return fmt.Sprintf("go-%d", i)
}

// startHolder starts holder i, under the same name as before.
func (r *soakRun) startHolder(i int) {
	r.Helper()
	if !isKazoo(i) {
		r.startGo(i, r.binaries[i%len(r.binaries)], points.Clocks{})
		return
	}
	r.start(i, func(run, seed string) *exec.Cmd {
		return r.lab.Command(i, python(r.T), "-I", kazooScript(r.T), "--run", run, "--holder", holderName(i),
			"--hosts", r.lab.Hosts(), "--plan", plan, "--seed", seed)
	})
}

// startGo starts Go holder i with clocks of its own.
func (r *soakRun) startGo(i int, binary string, c points.Clocks, env ...string) {
	r.Helper()
	clocks := hostClocks{c, filepath.Join(r.TempDir(), "clocks")}
	if err := clocks.Write(clocks.file); err != nil {
		r.Fatal(err)
	}
	r.clocks[i] = clocks
	hosts := r.lab.Hosts()
	if i == alwaysQueues {
		hosts += "?guard=off"
	}
	r.start(i, func(run, seed string) *exec.Cmd {
		cmd := r.lab.Command(i, binary, "-run", run, "-holder", holderName(i), "-hosts", hosts, "-plan", plan, "-seed", seed,
			"-ticks", ticks.Path, "-period", ticks.Period.String(), "-attempts", fmt.Sprint(ticks.Attempts))
		// The unaltered code ignores these.
		cmd.Env = append(os.Environ(), append(env, stalls, "LEASEHOLD_CLOCKS="+clocks.file)...)
		return cmd
	})
}

// start starts a process of holder i. There is no other: a name belongs to one at
// a time.
func (r *soakRun) start(i int, command func(run, seed string) *exec.Cmd) {
	r.Helper()
	if old := r.holders[i]; old != nil {
		old.kill()
	}
	r.started++
	run := fmt.Sprintf("%s.%d", holderName(i), r.started)
	r.holders[i] = r.log.start(r.T, run, command(run, fmt.Sprint(r.rng.Uint64())))
}

// checkRunning fails the test if a holder has ended by itself.
func (r *soakRun) checkRunning() {
	r.Helper()
	for _, p := range r.holders {
		select {
		case <-p.proc.Done():
			text, _ := os.ReadFile(p.stderr.Name())
			r.Fatalf("%s has ended by itself: %v\n%s", p.run, p.proc.Err(), text)
		default:
		}
	}
}

// saveHistory writes the history of a failed run to a file that stays.
func (r *soakRun) saveHistory(h history.History) {
	file, err := os.CreateTemp("", "soak-history-*.jsonl")
	if err != nil {
		r.Error(err)
		return
	}
	defer file.Close()
	var text strings.Builder
	for _, e := range h.Events {
		fmt.Fprintln(&text, e)
	}
	for _, change := range h.Changes {
		fmt.Fprintf(&text, "# %#x at %d by %#x: %d %s %s\n", change.Zxid, change.Time, change.Session, change.Kind, change.Path, change.Data)
	}
	if _, err := file.WriteString(text.String()); err != nil {
		r.Error(err)
	}
	r.Logf("the history is in %s", file.Name())
}
