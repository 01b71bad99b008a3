package report_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"leasehold.example/leasehold/bench/report"
	"leasehold.example/leasehold/bench/result"
)

func TestPage(t *testing.T) {
	t.Parallel()
	f := &result.File{
		Date: time.Date(2026, 11, 23, 4, 5, 6, 0, time.UTC), Command: "make bench", Seconds: 540,
		Machine: map[string]string{"disk": "ext4 on /dev/x"}, Versions: map[string]string{"kazoo": "2.8.0"},
		Failed: map[string]string{"processes": "no etcdctl"},
		Measures: []result.Measure{
			{Work: result.Get, Peer: result.Bare, Servers: 1, N: 10, Median: 0.2, P99: 3},
			{Work: result.Deny, Peer: result.Leasehold, Servers: 1, N: 10, Median: 0.21, P99: 4},
			{Work: result.Set, Peer: result.Bare, Servers: 3, N: 10, Median: 0.5, P99: 3},
			{Work: result.Renew, Peer: result.Leasehold, Servers: 3, N: 10, Median: 0.6, P99: 3},
			{Work: result.Renew, Peer: result.Kazoo, Servers: 3, N: 10, Median: 4, P99: 3},
			{Work: result.DenySlots, Peer: result.Leasehold, Servers: 1, Slots: 1, N: 10, Median: 1, P99: 4},
			{Work: result.DenySlots, Peer: result.Leasehold, Servers: 1, Slots: 100, N: 10, Median: 10, P99: 40},
		},
		Herds: []result.Herd{{Peer: result.Etcd, Servers: 1, Contenders: 10, Rounds: 3, Median: 12.3, P99: 45.6}},
		Holds: []result.Hold{{Leases: 10_000, Duration: 10, Seconds: 5, HoldReport: result.HoldReport{Bytes: 20_000_000, Late: 7}}},
	}
	f.Grow()
	f.Judge()
	dir := t.TempDir()
	if err := report.Write(dir, "results/x.json", f); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "performance.md"))
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	for _, want := range []string{
		"`make bench`", "(../bench/results/x.json)", "2026-11-23 04:05 UTC, in 9 minutes", "ext4 on /dev/x", "2.8.0", "no etcdctl",
		"0.20 · 3.00", "12.3", "three servers: kazoo's takes 8.00 times as long as a bare set", " 0.50 |", " 2000 |",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %q:\n%s", want, page)
		}
	}
	for _, r := range f.Rows {
		line := regexp.MustCompile(`(?m)^\| ` + regexp.QuoteMeta(r.Work) + ` *\| *` + regexp.QuoteMeta(r.Must) + ` \|.*\| *` + r.Verdict() + ` \|$`)
		if !line.MatchString(page) {
			t.Errorf("the page has no row for %s, %s: %s", r.Work, r.Must, r.Verdict())
		}
	}
	images := regexp.MustCompile(`\]\((performance/.*?)\)`).FindAllStringSubmatch(page, -1)
	if len(images) != 2 { // medians and slots; the rest has too few points
		t.Errorf("got %d plots, want 2", len(images))
	}
	for _, image := range images {
		if _, err := os.Stat(filepath.Join(dir, image[1])); err != nil {
			t.Error(err)
		}
	}
}
