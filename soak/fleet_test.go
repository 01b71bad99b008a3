package soak_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"leasehold.example/leasehold/internal/clock"
	"leasehold.example/leasehold/internal/faultlab"
	"leasehold.example/leasehold/internal/kazootest"
	"leasehold.example/leasehold/internal/zktest/child"
	"leasehold.example/leasehold/soak/fleet"
	"leasehold.example/leasehold/soak/points"
)

// The fleet: five hosts that start leasehold every 10 s, for a job that is due
// every minute.
const (
	fleetPath     = "/fleet/job"
	fleetEvery    = 10 * time.Second
	fleetPeriod   = time.Minute
	fleetLease    = 8 * time.Second
	fleetAttempts = 2
	jobTakes      = 12 * time.Second // so that the next firing comes while it runs
	jobDies       = 4 * time.Second  // so long into the run its host does

	wrongClock = 3 // the host whose clock is 30 s ahead
	lateHost   = 4 // the host that is started a tick later
)

// A fleetRun is one run of the fleet.
type fleetRun struct {
	*testing.T
	lab                *faultlab.Lab
	leasehold, altered string // the command; and with a clock that can be wrong
	host               string // the command host
	events             string // the file
	plan               fleet.Plan
	hosts              [5]*child.Process
}

// TestFleet runs the fleet for two ticks, or for FLEET_TICKS. One host dies midway
// through a run, the clock of one is off, one is started late, and clients of kazoo
// ask for leases of 50 s. Each tick is begun once, but for the one whose host died;
// and history and plan tell what happened.
func TestFleet(t *testing.T) {
	t.Parallel()
	ticks := 2
	if s := os.Getenv("FLEET_TICKS"); s != "" {
		var err error
		if ticks, err = strconv.Atoi(s); err != nil {
			t.Fatalf("FLEET_TICKS: %v", err)
		}
	}
	dir := t.TempDir()
	r := &fleetRun{
		T: t, lab: faultlab.Start(t, faultlab.Config{Servers: 3, Clients: 5}),
		leasehold: goBuild(t, "cmd/leasehold", nil), altered: goBuild(t, "cmd/leasehold", stops), host: goBuild(t, "soak/fleet/host", nil),
		events: filepath.Join(dir, "events"),
	}
	first := time.Now().UTC().Truncate(fleetPeriod).Add(fleetPeriod)
	r.plan = fleet.Plan{
		Period: fleetPeriod, First: first, Last: first.Add(time.Duration(ticks-1) * fleetPeriod), Attempts: fleetAttempts,
		Lease: fleetLease, KazooLease: 50 * time.Second, Skew: fleetLease / 10, WrongClock: hostName(wrongClock),
	}
	takeover := r.askPlan(ticks)
	for i := range r.hosts {
		if i != lateHost {
			r.start(i)
		}
	}
	r.run(ticks)
	for i, host := range r.hosts {
		if err := host.Err(); err != nil && !r.died(i) {
			t.Errorf("%s has ended with %v", hostName(i), err)
		}
	}

	events, err := fleet.Read(r.events)
	if err != nil {
		t.Fatal(err)
	}
	h := fleet.Judge(events, r.plan)
	t.Logf("%s\nbroken: %d", h.Table(), len(h.Broken))
	for _, b := range h.Broken {
		t.Error(b)
	}
	r.judgeCounts(h, takeover)
	r.judgeHistory(h)
}

func hostName(i int) string { return "host-" + string(rune('a'+i)) }

func (r *fleetRun) store() string { return "zk://" + r.lab.Hosts() }

// start starts host i: its loop, with all that comes of it, in namespaces of its
// own, that are gone when it is killed.
func (r *fleetRun) start(i int) {
	r.Helper()
	binary, phase := r.leasehold, time.Duration(0)
	var env []string
	if i == wrongClock {
		clocks := filepath.Join(r.TempDir(), "clocks")
		if err := (points.Clocks{Ahead: 30 * time.Second}).Write(clocks); err != nil {
			r.Fatal(err)
		}
		env = []string{"LEASEHOLD_CLOCKS=" + clocks}
		// What it takes too early it gives back at once. Whoever asks just then is
		// refused, so it asks when the others don't.
		binary, phase = r.altered, 3*time.Second
	}
	cmd := r.lab.Command(i, "unshare", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", `echo "$0" >/proc/sys/kernel/hostname && "$@"`, hostName(i),
		r.host, "cron", r.events, hostName(i), fleetEvery.String(), phase.String(), r.end().Format(time.RFC3339),
		binary, "run", "--store", r.store(), "--schedule", "* * * * *", "--timezone", "UTC", "--attempts", fmt.Sprint(fleetAttempts), "-d", fleetLease.String(),
		fleetPath, "--", r.host, "job", r.events, jobTakes.String())
	cmd.Env = append(os.Environ(), env...)
	var out strings.Builder // not a file: so the process is done when nobody can write to it any more
	cmd.Stdout, cmd.Stderr = &out, &out
	var err error
	if r.hosts[i], err = child.Start(cmd); err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() {
		r.hosts[i].Kill()
		if out.Len() > 0 {
			r.Errorf("%s has printed %s", hostName(i), &out)
		}
	})
}

// end is when the hosts fire no more: before the tick after the last.
func (r *fleetRun) end() time.Time { return r.plan.Last.Add(r.plan.Period - time.Second) }

// run lets the ticks pass, with what happens in them, and returns when no host
// runs any more.
func (r *fleetRun) run(ticks int) {
	peer := kazootest.Start(r, r.lab.Hosts())
	for i := range ticks {
		tick := r.plan.First.Add(time.Duration(i) * r.plan.Period)
		switch i % 4 {
		case 1: // kazoo comes first: a finished tick keeps it away until the skew before the next
			r.askKazoo(peer, "kazoo-1", tick.Add(-r.plan.Skew/2))
		case 2: // too late
			r.askKazoo(peer, "kazoo-2", tick.Add(25*time.Second))
		case 3: // at the same time as the hosts
			r.askKazoo(peer, "kazoo-1", tick)
		}
		if i == ticks/8*4 { // one that kazoo leaves alone
			r.killRunner(tick)
		}
		if i == 0 {
			time.Sleep(time.Until(tick.Add(35 * time.Second)))
			r.start(lateHost)
		}
	}
	for _, host := range r.hosts {
		<-host.Done()
	}
}

// askKazoo has a client of kazoo ask for the lease at that time.
func (r *fleetRun) askKazoo(peer *kazootest.Peer, holder string, at time.Time) {
	r.Helper()
	time.Sleep(time.Until(at))
	since := clock.Shared()
	got, err := peer.Lease(fleetPath, holder, r.plan.KazooLease, time.Time{})
	if err != nil {
		r.Errorf("kazoo: %v", err)
	}
	r.note(fleet.Event{Kind: fleet.Asked, Host: holder, Got: got, Since: since})
}

func (r *fleetRun) note(e fleet.Event) {
	r.Helper()
	if err := fleet.Append(r.events, fleet.Now(e)); err != nil {
		r.Error(err)
	}
}

// killRunner ends the host that runs the tick, midway, as a power failure does.
func (r *fleetRun) killRunner(tick time.Time) {
	r.Helper()
	for time.Now().Before(tick.Add(r.plan.Period)) {
		events, err := fleet.Read(r.events)
		if err != nil && !os.IsNotExist(err) {
			r.Fatal(err)
		}
		if i := slices.IndexFunc(events, func(e fleet.Event) bool { return e.Kind == fleet.Begun && e.Tick.Equal(tick) }); i >= 0 {
			time.Sleep(jobDies - (clock.Shared() - events[i].At))
			host := slices.IndexFunc([]int{0, 1, 2, 3, 4}, func(k int) bool { return hostName(k) == events[i].Host })
			r.hosts[host].Kill()
			r.note(fleet.Event{Kind: fleet.Died, Host: events[i].Host})
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	r.Errorf("nobody has begun the tick %s, so no host was killed", tick)
}

func (r *fleetRun) died(i int) bool {
	events, err := fleet.Read(r.events)
	if err != nil {
		r.Fatal(err)
	}
	return slices.ContainsFunc(events, func(e fleet.Event) bool { return e.Kind == fleet.Died && e.Host == hostName(i) })
}

// output returns what the command prints.
func (r *fleetRun) output(args ...string) []byte {
	r.Helper()
	cmd := exec.Command(r.leasehold, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		r.Fatalf("leasehold %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// askPlan returns how soon another takes over from a host that dies, as plan says,
// which must also name the ticks.
func (r *fleetRun) askPlan(ticks int) (takeover time.Duration) {
	r.Helper()
	var plan struct {
		Ticks    []time.Time
		Findings []struct{ Level, Text string }
	}
	out := r.output("plan", "--json", "--schedule", "* * * * *", "--timezone", "UTC", "--attempts", fmt.Sprint(fleetAttempts), "-d", fleetLease.String(),
		"--fired", fleetEvery.String(), "--count", fmt.Sprint(ticks), "--from", r.plan.First.Add(-time.Second).Format(time.RFC3339))
	if err := json.Unmarshal(out, &plan); err != nil {
		r.Fatal(err)
	}
	var want []time.Time
	for tick := r.plan.First; !tick.After(r.plan.Last); tick = tick.Add(r.plan.Period) {
		want = append(want, tick)
	}
	if !slices.EqualFunc(plan.Ticks, want, time.Time.Equal) {
		r.Errorf("plan: got the ticks %v, want %v", plan.Ticks, want)
	}
	text := ""
	for _, f := range plan.Findings {
		if text += f.Text + "\n"; f.Level != "ok" {
			r.Errorf("plan: got the finding %q at level %s, want ok", f.Text, f.Level)
		}
	}
	r.Logf("plan: %s", text)
	if want := fmt.Sprintf("a tick that was missed is run within %s of a host being up", fleetEvery); !strings.Contains(text, want) {
		r.Errorf("plan: got %q, want %q in it", text, want)
	}
	found := regexp.MustCompile(`When a host dies midway, another takes over within (\w+)`).FindStringSubmatch(text)
	if found == nil {
		r.Fatalf("plan: got %q, want in it how soon another takes over", text)
	}
	takeover, err := time.ParseDuration(found[1])
	if err != nil {
		r.Fatal(err)
	}
	return takeover
}

// judgeCounts judges what is wanted of each tick: one run, or two where a host
// died. What plan has said of the time of a takeover is compared with when the
// host was to start leasehold, which doesn't depend on how busy the machine is.
func (r *fleetRun) judgeCounts(h *fleet.History, takeover time.Duration) {
	r.Helper()
	died := 0
	for tick := r.plan.First; !tick.After(r.plan.Last); tick = tick.Add(r.plan.Period) {
		ours, want, kazoo := 0, 1, false
		for i, run := range h.OfTick(tick) {
			switch {
			case run.Kazoo:
				kazoo = true
				continue
			case run.Died:
				died++
				want++
			case i > 0 && !kazoo:
				before := h.OfTick(tick)[i-1]
				if got := h.Planned(run).Sub(before.Wall.Add(before.Ended - before.Begun)); got > takeover {
					r.Errorf("got the second attempt of %s planned %s after the host died, want at most the %s of plan", tick, got, takeover)
				}
			}
			ours++
		}
		if !kazoo && ours != want {
			r.Errorf("got %d runs of the tick %s, want %d", ours, tick, want)
		}
	}
	if died != 1 {
		r.Errorf("got %d hosts that died midway, want 1", died)
	}
}
