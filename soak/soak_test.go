package soak_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"leasehold.example/leasehold/internal/faultlab"
	"leasehold.example/leasehold/soak/history"
	"leasehold.example/leasehold/soak/txnlog"
)

const (
	goHolders    = 6
	kazooHolders = 2
	plan         = "/soak/one,/soak/two,/soak/pool:2"
	leases       = 4

	// Of the Go holders, one takes kazoo's queue for every grant, and one has a
	// connection of the client library's own.
	alwaysQueues = 1
	borrows      = 2

	// stalls makes every other Go holder stand still, one time in ten, between
	// two steps of the protocol (variants/points.patch).
	stalls = "LEASEHOLD_STALLS=0.1"

	// progressTime is how soon after the faults each lease must be granted
	// again: the longest duration, the longest time that a holder keeps one
	// alive, and as much again for those who wait to come round to it.
	progressTime = 30 * time.Second
)

// TestSoak runs for a minute, or for SOAK_MINUTES. SOAK_SEED repeats the faults
// of another run, as far as chance is the test's. With SOAK_VARIANT, the name of
// one of the variants, the holders have that weakness, to see how soon it shows
// by chance.
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
	stalling := goBuild(t, patched(t, "points"))
	binaries := []string{goBuild(t, ".."), stalling}
	if weak := os.Getenv("SOAK_VARIANT"); weak != "" {
		binaries = []string{goBuild(t, patched(t, "points", weak))}
	}
	chance := rand.New(rand.NewPCG(seed, 0))
	for range voidRuns {
		void := false
		t.Run("run", func(t *testing.T) { void = run(t, length, chance, binaries) })
		if !void {
			return
		}
	}
	t.Errorf("%d times running there were violations, and the servers had lost what they had committed: nothing is proven", voidRuns)
}

// voidRuns is how often the servers may lose committed writes: all that
// Leasehold promises is lost with them.
const voidRuns = 3

// A contest is a run of holders under faults.
type contest struct {
	*testing.T
	lab      *faultlab.Lab
	log      *chronicle
	chance   *rand.Rand
	binaries []string   // in turn for the Go holders
	holders  []*process // by number; the kazoo ones come last
	runs     int        // processes started so far
}

// run has holders compete under faults for a time, then without, and checks. It
// reports that it is void if there are violations, and the servers lost what
// they had committed.
func run(t *testing.T, length time.Duration, chance *rand.Rand, binaries []string) (void bool) {
	c := &contest{
		T: t, log: newChronicle(), chance: chance, binaries: binaries,
		lab:     faultlab.Start(t, faultlab.Config{Servers: 3, Clients: goHolders + kazooHolders}),
		holders: make([]*process, goHolders+kazooHolders),
	}
	var dirs []string
	for _, addr := range c.lab.Addrs() {
		dirs = append(dirs, dataDir(t, addr))
	}
	logs := txnlog.NewCollector(dirs...)
	stop, collected := make(chan struct{}), make(chan error, 1)
	go func() { collected <- collect(logs, stop) }()

	for i := range c.holders {
		c.enter(i)
	}
	for began := time.Now(); time.Since(began) < length; {
		c.breakSomething()
		c.mustRun()
	}
	c.lab.Heal()
	c.log.note(history.Event{Kind: history.Quiet})
	c.awaitProgress(len(c.log.all()))
	c.mustRun()
	for _, p := range c.holders {
		p.kill()
	}
	close(stop)
	if err := <-collected; err != nil {
		t.Fatal(err)
	}
	if err := logs.Poll(); err != nil {
		t.Fatal(err)
	}
	h := history.History{
		Events: c.log.all(), Changes: logs.Changes(),
		Slots: map[string]int{"/soak/pool": 2}, Progress: progressTime,
	}
	for _, e := range h.Events {
		if e.Outcome == history.Failed {
			t.Logf("no answer that was foreseen: %s", e)
		}
	}
	bad := history.Check(h)
	t.Logf("%s\nviolations: %d", history.Count(h), len(bad))
	if len(bad) > 0 {
		c.keep(h)
	}
	if lost := logs.Lost(); len(lost) > 0 {
		t.Logf("ZooKeeper has lost what it had committed: %d changes tell, from %#x to %#x", len(lost), lost[0], lost[len(lost)-1])
		if len(bad) > 0 {
			t.Logf("void: %v", bad)
			return true
		}
	}
	wantNone(t, bad)
	return false
}

// awaitProgress returns when each lease has been granted again, or should have
// been.
func (c *contest) awaitProgress(quiet int) {
	granted := map[string]bool{}
	for late := time.Now().Add(progressTime + time.Second); time.Now().Before(late); time.Sleep(200 * time.Millisecond) {
		for _, e := range c.log.from(&quiet) {
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

// isKazoo tells the holders that faults must spare what kazoo can't stand.
func isKazoo(i int) bool { return i >= goHolders }

// enter starts holder i, under the same name as before.
func (c *contest) enter(i int) {
	c.Helper()
	c.runs++
	name := fmt.Sprintf("go-%d", i)
	if isKazoo(i) {
		name = fmt.Sprintf("kazoo-%d", i)
	}
	run := fmt.Sprintf("%s.%d", name, c.runs)
	seed := fmt.Sprint(c.chance.Uint64())
	var cmd *exec.Cmd
	if isKazoo(i) {
		cmd = c.lab.Command(i, python, "-I", kazooScript(c.T), "--run", run, "--holder", name,
			"--hosts", c.lab.Hosts(), "--plan", plan, "--seed", seed)
	} else {
		hosts := c.lab.Hosts()
		if i == alwaysQueues {
			hosts += "?guard=off"
		}
		cmd = c.lab.Command(i, c.binaries[i%len(c.binaries)], "-run", run, "-holder", name,
			"-hosts", hosts, "-plan", plan, "-seed", seed, fmt.Sprintf("-borrowed=%t", i == borrows))
		cmd.Env = append(os.Environ(), stalls) // the code as it is takes no notice
	}
	c.holders[i] = c.log.start(c.T, run, cmd)
}

// mustRun fails the test if a holder has ended by itself.
func (c *contest) mustRun() {
	c.Helper()
	for _, p := range c.holders {
		select {
		case <-p.proc.Done():
			text, _ := os.ReadFile(p.stderr.Name())
			c.Fatalf("%s has ended by itself: %v\n%s", p.run, p.proc.Err(), text)
		default:
		}
	}
}

// keep leaves the history of a failed run behind, to be looked into.
func (c *contest) keep(h history.History) {
	file, err := os.CreateTemp("", "soak-history-*.jsonl")
	if err != nil {
		c.Error(err)
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
		c.Error(err)
	}
	c.Logf("the history is in %s", file.Name())
}
