package soak_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"leasehold.example/leasehold/internal/faultlab"
	"leasehold.example/leasehold/internal/zktest/child"
	"leasehold.example/leasehold/soak/views"
)

// An operation is many jobs that a few hosts run, and a server that shows them.
type operation struct {
	*testing.T
	lab       *faultlab.Lab
	leasehold string // the command
	crews     []*child.Process
	jobs      []crewJob
	site      views.Site
	log       views.Log
}

// A crewJob is one of soak/crew's.
type crewJob struct {
	Path     string
	Schedule string
	Takes    time.Duration
	Failures int
	Until    time.Time
}

// The grace with which all of them judge.
const operationGrace = 15 * time.Second

// TestOperators lets 40 jobs of 20 schedules be run by four processes on three
// servers for two minutes, or, with OPERATORS_MINUTES, 200 by ten for so long.
// Meanwhile a host dies, the servers are restarted, the leader hangs, some jobs fail, and
// one schedule is fired no more. What "leasehold serve" shows, on its page, in its API and its
// metrics, is what the commands status, check and history say at that time, or up to
// 2 s before; else it says that it is not up to date.
func TestOperators(t *testing.T) {
	t.Parallel()
	minutes, jobs, crews := 2, 40, 4
	if s := os.Getenv("OPERATORS_MINUTES"); s != "" {
		var err error
		if minutes, err = strconv.Atoi(s); err != nil {
			t.Fatalf("OPERATORS_MINUTES: %v", err)
		}
		jobs, crews = 200, 10
	}
	o := &operation{T: t, lab: faultlab.Start(t, faultlab.Config{Servers: 3, Clients: 2, ServerConfig: "syncLimit=20"}), leasehold: goBuild(t, "cmd/leasehold", nil)}
	crew := goBuild(t, "soak/crew", nil)
	o.site = views.Site{URL: o.serve()}
	begun := time.Now()
	for i := range jobs {
		o.jobs = append(o.jobs, newCrewJob(i, begun))
	}
	o.startCrews(crew, crews)
	stop := make(chan struct{})
	done := make(chan error, 2)
	go func() { done <- o.repeat(stop, o.askCommands) }()
	go func() { done <- o.repeat(stop, o.askServer) }()
	end := begun.Add(time.Duration(minutes) * time.Minute)
	o.faults(begun, end)
	close(stop)
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	for _, what := range []string{"late", "failed", "retried"} {
		if !o.log.Has(views.Problem, what) {
			t.Errorf("got no job that is %s, want some", what)
		}
	}
	wrong := o.log.Disagreements()
	for i, w := range wrong {
		if i == 20 {
			t.Errorf("and %d more", len(wrong)-i)
			break
		}
		t.Error(w)
	}
	t.Log(o.log.Summary())
}

// newCrewJob makes job number i. Each fifth schedule fails in one way or another.
func newCrewJob(i int, begun time.Time) crewJob {
	n := i % 20
	j := crewJob{Path: fmt.Sprintf("/ops/job-%03d", i), Takes: 3 * time.Second}
	j.Schedule = fmt.Sprintf("%d-59/%d * * * *", n%3, 1+n%3)
	switch n {
	case 5:
		j.Failures = 1
	case 10:
		j.Failures = 2
	case 15:
		j.Schedule, j.Until = "* * * * *", begun.Add(30*time.Second) // nobody fires it any more
	}
	return j
}

func (o *operation) store() string { return "zk://" + o.lab.Hosts() }

func (o *operation) startCrews(crew string, n int) {
	o.Helper()
	file := filepath.Join(o.TempDir(), "jobs")
	b, err := json.Marshal(o.jobs)
	if err != nil {
		o.Fatal(err)
	}
	if err := os.WriteFile(file, b, 0o600); err != nil {
		o.Fatal(err)
	}
	for i := range n {
		o.crews = append(o.crews, o.start(o.lab.Command(i%o.lab.Clients(), crew, o.store(), hostName(i), file)))
	}
}

func (o *operation) start(cmd *exec.Cmd) *child.Process {
	o.Helper()
	var out strings.Builder
	cmd.Stderr = &out
	p, err := child.Start(cmd)
	if err != nil {
		o.Fatal(err)
	}
	o.Cleanup(func() {
		p.Kill()
		if out.Len() > 0 {
			o.Logf("%s has printed %s", filepath.Base(cmd.Path), &out)
		}
	})
	return p
}

// serve starts the server, and returns its URL.
func (o *operation) serve() string {
	o.Helper()
	said := filepath.Join(o.TempDir(), "said")
	file, err := os.Create(said)
	if err != nil {
		o.Fatal(err)
	}
	defer file.Close()
	cmd := exec.Command(o.leasehold, "serve", "--store", o.store(), "--listen", "127.0.0.1:0", "--grace", operationGrace.String(), "/ops")
	cmd.Stderr = file
	p, err := child.Start(cmd)
	if err != nil {
		o.Fatal(err)
	}
	o.Cleanup(func() {
		p.Kill()
		if text, _ := os.ReadFile(said); o.Failed() {
			o.Logf("serve has printed %s", text)
		}
	})
	for begun := time.Now(); time.Since(begun) < waitLimit; time.Sleep(10 * time.Millisecond) {
		text, _ := os.ReadFile(said)
		if _, url, ok := strings.Cut(string(text), "serving "); ok && strings.HasSuffix(url, "\n") {
			return strings.TrimSpace(url)
		}
	}
	o.Fatalf("serve does not say where it listens within %s", waitLimit)
	return ""
}

// faults kills a host, restarts all servers and stops the one that leads, each at its
// time, and returns at the end.
func (o *operation) faults(begun, end time.Time) {
	o.Helper()
	quarter := end.Sub(begun) / 4
	time.Sleep(time.Until(begun.Add(quarter)))
	o.crews[0].Kill()
	time.Sleep(time.Until(begun.Add(2 * quarter)))
	for i := range o.lab.Servers() {
		o.lab.Kill(i)
	}
	killed := time.Now()
	time.Sleep(8 * time.Second)
	o.log.Away(killed, time.Now())
	for i := range o.lab.Servers() {
		o.lab.Restart(i)
	}
	o.lab.AwaitQuorum(o.T)
	time.Sleep(time.Until(begun.Add(3 * quarter)))
	leader := o.lab.Leader() // the others wait for it for 10 s
	o.lab.Pause(leader)
	paused := time.Now()
	time.Sleep(6 * time.Second)
	o.log.Away(paused, time.Now())
	o.lab.Resume(leader)
	time.Sleep(time.Until(end))
}

// repeat calls ask until stop is closed.
func (o *operation) repeat(stop <-chan struct{}, ask func() error) error {
	for {
		select {
		case <-stop:
			return nil
		case <-time.After(100 * time.Millisecond):
		}
		if err := ask(); err != nil {
			return err
		}
	}
}

// askCommands asks the commands. Where they can't tell, nothing is noted.
func (o *operation) askCommands() error {
	paths := make([]string, len(o.jobs))
	for i, j := range o.jobs {
		paths[i] = j.Path
	}
	common := append([]string{"--store", o.store(), "--timeout", "2s", "--json"}, paths...)
	asked := time.Now()
	out, err := exec.Command(o.leasehold, append([]string{"status"}, common...)...).Output()
	if err == nil {
		o.log.Commands(asked, views.Statuses(out))
	}
	asked = time.Now()
	out, _ = exec.Command(o.leasehold, append([]string{"check", "--grace", operationGrace.String()}, common...)...).Output()
	o.log.Commands(asked, views.Checks(out))
	return o.compareHistory(paths[asked.UnixMilli()%int64(len(paths))])
}

// compareHistory wants the server to show what history does, within MostStale.
func (o *operation) compareHistory(path string) error {
	for begun := time.Now(); ; {
		asked := time.Now()
		out, err := exec.Command(o.leasehold, "history", "--store", o.store(), "--timeout", "2s", "--json", path).Output()
		if err != nil {
			return nil
		}
		runs, known, err := o.site.Runs(path)
		if err != nil || !known || runs == string(out) {
			return err
		}
		if asked.Sub(begun) > views.MostStale {
			o.log.Disagree("%s: the API has the runs %s, history %s", path, runs, out)
			return nil
		}
	}
}

// askServer asks the server. What it says it does not know is not noted.
func (o *operation) askServer() error {
	for _, ask := range []func() (views.View, error){o.site.Leases, o.site.Problems, o.site.Metrics} {
		asked := time.Now()
		view, err := ask()
		if err != nil {
			return err
		}
		o.log.Server(asked, view)
	}
	return nil
}
