package main

import (
	"strings"
	"testing"

	"leasehold.example/leasehold/bench/figures"
)

// exemplary is a run in which every promise is kept, just so.
func exemplary() *figures.Run {
	run := &figures.Run{}
	for _, servers := range []int{1, 3} {
		add := func(work, peer string, size int, value float64) {
			run.Add(figures.Key{Work: work, Peer: peer, Servers: servers, Size: size}, value)
		}
		add(get, bare, 0, 1)
		add(set, bare, 0, 2)
		add(deny, ours, 0, 1.15)
		add(deny, kazoo, 0, 11.5)
		for _, peer := range []string{etcd, mutex, semaphore} {
			add(deny, peer, 0, 1.15)
		}
		add(renew, ours, 0, 2.5)
		for _, work := range []string{takeover, grant, grantNew} {
			add(work, ours, 0, 6.6)
			add(work, kazoo, 0, 19.81)
		}
		add(release, ours, 0, 3)
		add(tickGranted, ours, 0, 13.2)
		add(tickFinished, ours, 0, 6)
		add(tickDenied, ours, 0, 1.322)
		add(tickDeniedByLog, ours, 0, 3.449)
		add(bothWays, mutex, 0, 6)
		for _, peer := range []string{ours, etcd, mutex} {
			add(handover, peer, 0, 3)
			add(herd, peer, 10, 3)
		}
		add(denySlots, ours, 10, 1)
		add(denySlots, ours, 100, 9.999)
		add(denySlots, kazoo, 100, 300)
		if servers == 3 {
			break
		}
		add(herd, ours, 200, 100)
		add(herd, kazoo, 200, 800)
		add(herdCommits, ours, 200, 201)
		add(herdLate, ours, 200, 0)
		add(processDenied, ours, 0, 13)
		add(processDenied, kazoo, 0, 104)
		add(processConnect, bare, 0, 10)
		add(holdLate, ours, 10_000, 0)
		add(holdLost, ours, 10_000, 0)
		add(holdBytes, ours, 10_000, 40_960_000)
		add(holdGoroutines, ours, 10_000, 10_000)
	}
	return run
}

func broken(run *figures.Run) (names []string) {
	for _, p := range promises(run) {
		if !p.kept {
			names = append(names, p.work+", "+p.must+": "+p.verdict())
		}
	}
	return names
}

// Each promise is broken by one figure that is a little worse, or missing.
func TestPromises(t *testing.T) {
	t.Parallel()
	if got := broken(exemplary()); got != nil {
		t.Errorf("got %q broken in a run that keeps all", got)
	}
	seen := map[string]bool{}
	for i, f := range exemplary().Figures {
		if f.Peer != ours || f.Size == 10 && f.Work == denySlots || f.Work == release {
			continue // it is only compared with
		}
		run := exemplary()
		run.Figures[i].Median = f.Median*1.01 + 0.01
		got := broken(run)
		if len(got) == 0 {
			t.Errorf("%+v: got no broken promise with a worse figure", f.Key)
		}
		for _, name := range got {
			seen[name[:strings.LastIndex(name, ":")]] = true
		}
	}
	for _, p := range promises(exemplary()) {
		if !seen[p.work+", "+p.must] {
			t.Errorf("%s, %s: kept whatever figure was worse", p.work, p.must)
		}
	}
	for _, name := range broken(&figures.Run{}) {
		if !strings.HasSuffix(name, "**not measured**") {
			t.Errorf("got %q where nothing was measured", name)
		}
	}
	if got, want := len(broken(&figures.Run{})), len(promises(exemplary())); got != want {
		t.Errorf("nothing measured: got %d broken promises, want all %d", got, want)
	}
}
