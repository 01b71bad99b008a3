package soak_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/soak/history"
)

// A variant is a weakness, and the course of events that it shows in.
type variant struct {
	patch string
	play  func(s *scene)
	rule  string // that the checker must find broken
	lags  bool   // the scene needs a follower that lags
	skew  time.Duration
}

var variants = []variant{
	{patch: "no-guard", play: kazooBetweenReadAndCommit, rule: "overlap"},
	{patch: "record-before-children", play: kazooBetweenTheReads, rule: "overlap"},
	{patch: "renew-by-version", play: renewalArrivesLate, rule: "overlap"},
	{patch: "no-session-fence", play: pausedPastTheSession, rule: "overlap"},
	{patch: "two-sessions", play: takenBehindALaggingServer, rule: "overlap", lags: true},
	{patch: "late-renewal", play: kazooHasReadBeforeTheRenewal, rule: "overlap", lags: true},
	{patch: "early-takeover", play: clockRunsAhead, rule: "overlap"},
	{patch: "no-margin", play: kazooClockRunsAhead, rule: "overlap", skew: kazooAhead},
	{patch: "from-receiving", play: replyComesLate, rule: "overlap"},
}

// TestVariants weakens Leasehold in one place at a time. The checker must find
// a violation in the history of each, and none in that of the same events
// without the weakness.
func TestVariants(t *testing.T) {
	t.Parallel()
	control := goBuild(t, patched(t, "points"))
	server := zktest.Start(t)
	dirs := []string{dataDir(t, server.Addr())}
	lag := startLagging(t)
	turn := make(chan struct{}, 1) // the ensemble lags for one scene at a time
	for _, v := range variants {
		t.Run(v.patch, func(t *testing.T) {
			t.Parallel()
			weak := goBuild(t, patched(t, "points", v.patch))
			for _, c := range []struct{ name, binary string }{{"control", control}, {"weak", weak}} {
				t.Run(c.name, func(t *testing.T) {
					s := &scene{T: t, binary: c.binary, hosts: server.Addr(), dirs: dirs, points: t.TempDir(), skew: v.skew}
					if v.lags {
						turn <- struct{}{}
						defer func() { <-turn }()
						s.hosts, s.lag, s.dirs = lag.leader, lag, lag.dirs
					}
					got := s.run(v.play)
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
		s := &scene{T: t, hosts: server.Addr(), dirs: dirs, points: t.TempDir()}
		wantRule(t, s.run(kazooPausedPastTheSession), "overlap")
	})
}

func logHistory(t *testing.T, events []history.Event) {
	t.Helper()
	for _, e := range events {
		if e.Kind != history.Look {
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

// patched returns a copy of the module with the patches applied.
func patched(t *testing.T, patches ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, pattern := range []string{"go.mod", "go.sum", "*.go", "internal/nodename/*.go", "kazoo/*.go", "zookeeper/*.go", "soak/holder/*.go", "soak/history/*.go", "soak/txnlog/*.go"} {
		files, err := filepath.Glob(filepath.Join("..", pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			to := filepath.Join(dir, strings.TrimPrefix(file, "../"))
			if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(to, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, name := range patches {
		patch, err := filepath.Abs(filepath.Join("variants", name+".patch"))
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("git", "apply", "-C1", patch)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CEILING_DIRECTORIES="+filepath.Dir(dir))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("variants/%s.patch no longer fits the code: %v\n%s", name, err, out)
		}
	}
	return dir
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
