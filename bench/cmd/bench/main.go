// Command bench measures Leasehold beside its peers and beside the bare
// requests below it, on the same servers, and judges the table of what must
// hold. It exits with 1 if a row of that is missed. Run it by "make bench",
// which installs the peers.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"leasehold.example/leasehold/bench/ensemble"
	"leasehold.example/leasehold/bench/report"
	"leasehold.example/leasehold/bench/result"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var o options
	flag.BoolVar(&o.quick, "quick", false, "a run of about a minute, whose figures are not to be quoted")
	flag.BoolVar(&o.resume, "resume", false, "do only what a run that was broken off has not done yet")
	flag.StringVar(&o.out, "out", "", "the file for the figures (default results/performance.json, or results/quick.json)")
	flag.StringVar(&o.dir, "dir", "/var/tmp", "the folder, on a disk, for the servers' data")
	flag.StringVar(&o.only, "only", "", "do only the stages whose names contain this")
	flag.Parse()
	held, err := run(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
	if err != nil || !held {
		os.Exit(1)
	}
}

type options struct {
	quick, resume  bool
	out, dir, only string
}

// A size is how much is measured.
type size struct {
	warmUp, rounds int // of requests, on one server
	processes      int
	herds          []herdSize
	holds          []int
	holdFor        time.Duration
	limit          time.Duration // of requests' rounds; of others' a part of it
}

type herdSize struct{ contenders, rounds int }

var (
	full = size{
		warmUp: 100, rounds: 600, processes: 60,
		herds: []herdSize{{10, 30}, {50, 20}, {200, 9}, {1000, 3}},
		holds: []int{1, 100, 1000, 10_000}, holdFor: 20 * time.Second,
		limit: 2 * time.Minute,
	}
	quick = size{
		warmUp: 10, rounds: 60, processes: 10,
		herds: []herdSize{{10, 5}, {50, 5}, {200, 3}},
		holds: []int{100, 10_000}, holdFor: 5 * time.Second,
		limit: 15 * time.Second,
	}
)

// A bench is one run.
type bench struct {
	file  *result.File
	size  size
	out   string
	begun time.Time
}

// say tells whoever waits what is being done.
func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%5.0f s  %s\n", time.Since(b.begun).Seconds(), fmt.Sprintf(format, args...))
}

// A setting is the servers that a stage is measured on.
type setting struct {
	servers   int
	dir       string
	zookeeper *ensemble.ZooKeeper
	etcd      *ensemble.Etcd
}

// A stage is a part of a run that is done, and kept, as a whole: what is
// compared with each other is of one stage.
type stage struct {
	name    string
	servers int
	run     func(context.Context, *bench, *setting) error
}

var stages = []stage{
	{"requests", 1, measureRequests},
	{"processes", 1, measureProcesses},
	{"herds", 1, measureHerds},
	{"holds", 1, measureHolds},
	{"requests on three servers", 3, measureRequests},
}

func run(ctx context.Context, o options) (held bool, err error) {
	b, err := begin(o)
	if err != nil {
		return false, err
	}
	b.begun = time.Now().Add(-time.Duration(b.file.Seconds * float64(time.Second)))
	for _, st := range stages {
		if slices.Contains(b.file.Done, st.name) || !strings.Contains(st.name, o.only) {
			continue
		}
		b.say("%s", st.name)
		if err := b.measure(ctx, o.dir, st); err != nil {
			b.say("%s failed: %v", st.name, err)
			b.file.Failed[st.name] = err.Error()
		} else {
			delete(b.file.Failed, st.name)
			b.file.Done = append(b.file.Done, st.name)
		}
		if ctx.Err() != nil {
			return false, errors.New("interrupted; go on with -resume (RESUME=1)")
		}
		b.file.Seconds = time.Since(b.begun).Seconds()
		b.file.Grow()
		b.file.Judge()
		if err := b.file.Save(b.out); err != nil {
			return false, err
		}
	}
	if err := report.Tables(os.Stdout, b.file); err != nil {
		return false, err
	}
	fmt.Printf("\n%.0f s in all; %s has the figures\n", b.file.Seconds, b.out)
	return b.file.Held() && len(b.file.Failed) == 0, nil
}

// begin begins a run, or goes on with one.
func begin(o options) (*bench, error) {
	b := &bench{size: full, out: o.out}
	command, name := "make bench", "results/performance.json"
	if o.quick {
		b.size, command, name = quick, "make bench QUICK=1", "results/quick.json"
	}
	if b.out == "" {
		b.out = name
	}
	machine, err := describeMachine(o.dir)
	if err != nil {
		return nil, err
	}
	versions := describeVersions()
	if o.resume {
		b.file, err = result.Load(b.out)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, fmt.Errorf("resume %s: %w", b.out, err)
		case b.file.Quick != o.quick || b.file.Versions["Leasehold"] != versions["Leasehold"] || b.file.Machine["processors"] != machine["processors"]:
			return nil, fmt.Errorf("%s is of another kind of run, another version or another machine: begin anew", b.out)
		default:
			return b, nil
		}
	}
	b.file = &result.File{
		Date: time.Now().UTC().Truncate(time.Second), Quick: o.quick, Command: command,
		Machine: machine, Versions: versions, Failed: map[string]string{},
	}
	return b, os.MkdirAll(filepath.Dir(b.out), 0o755)
}

// measure does one stage, on servers of its own. Of one that fails nothing is
// kept.
func (b *bench) measure(ctx context.Context, parent string, st stage) error {
	dir, err := os.MkdirTemp(parent, "leasehold-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s := &setting{servers: st.servers, dir: dir}
	if s.zookeeper, err = ensemble.StartZooKeeper(dir, st.servers); err != nil {
		return err
	}
	defer s.zookeeper.Stop()
	if s.etcd, err = ensemble.StartEtcd(ctx, dir, st.servers); err != nil {
		return err
	}
	defer s.etcd.Stop()
	kept := *b.file
	if err := st.run(ctx, b, s); err != nil {
		b.file.Measures, b.file.Herds, b.file.Holds = kept.Measures, kept.Herds, kept.Holds
		return err
	}
	return nil
}
