// Command performance measures Leasehold beside its peers and beside the bare
// requests below it, on the same servers, and says whether what must hold does.
// It exits with 1 if not. Run it by "make bench", which installs the peers.
package main

import (
	"context"
	"flag"
	"fmt"
	"math"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"leasehold.example/leasehold/bench/figures"
	"leasehold.example/leasehold/bench/lab"
	"leasehold.example/leasehold/internal/testpair"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) > 1 && os.Args[1] == "hold" { // started by measureHolds
		exit(holdMain(ctx, os.Args[2:]))
	}
	quick := flag.Bool("quick", false, "a run of about a minute that keeps no figures and only says whether all can be measured")
	only := flag.String("only", "", "do only the stages whose names contain this, and keep no figures")
	dir := flag.String("dir", "/var/tmp", "the folder, on a disk, for the servers' data")
	draw := flag.Bool("draw", false, "measure nothing, and make the page from the figures that are kept")
	flag.Parse()
	if *draw {
		exit(writePage())
	}
	b := &bench{size: full, dir: *dir, begun: time.Now()}
	if *quick {
		b.size = smoke
	}
	exit(b.run(ctx, *only, *quick))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "performance:", err)
		os.Exit(1)
	}
	os.Exit(0)
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
	smoke = size{
		warmUp: 1, rounds: 5, processes: 2,
		herds: []herdSize{{10, 2}, {200, 1}},
		holds: []int{10_000}, holdFor: time.Second,
		limit: 2 * time.Second,
	}
)

// A bench is one run.
type bench struct {
	figures.Run
	size  size
	dir   string
	begun time.Time
}

// say tells whoever waits what is being done.
func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%5.0f s  %s\n", time.Since(b.begun).Seconds(), fmt.Sprintf(format, args...))
}

// A setting is the servers that a stage is measured on.
type setting struct {
	*bench
	servers   int
	dir       string
	zookeeper *lab.ZooKeeper
	etcd      *lab.Etcd

	mu      sync.Mutex
	closers []func() // of clients
}

// A stage is what is measured, and compared, on the same servers.
type stage struct {
	name    string
	servers int
	run     func(context.Context, *setting) error
}

var stages = []stage{
	{"requests", 1, measureRequests},
	{"processes", 1, measureProcesses},
	{"herds", 1, measureHerds},
	{"holds", 1, measureHolds},
	{"requests on three servers", 3, measureRequests},
	{"herds on three servers", 3, measureHerds},
}

func (b *bench) run(ctx context.Context, only string, quick bool) (err error) {
	b.Date, b.Failed = b.begun.UTC().Truncate(time.Second), map[string]string{}
	if b.Machine, err = lab.Machine(b.dir); err != nil {
		return err
	}
	for _, st := range stages {
		if !strings.Contains(st.name, only) {
			continue
		}
		b.say("%s", st.name)
		if err := b.measure(ctx, st); err != nil {
			b.say("%s failed: %v", st.name, err)
			b.Failed[st.name] = err.Error()
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	b.Seconds = time.Since(b.begun).Seconds()
	fmt.Print(promisesTable(&b.Run, nil), tables(&b.Run))
	if !quick && only == "" {
		if err := b.Save(results(testpair.Name())); err != nil {
			return err
		}
		if err := writePage(); err != nil {
			return err
		}
	}
	for _, p := range promises(&b.Run) {
		if math.IsNaN(p.is) && only == "" || !p.kept && !quick { // figures of a quick run say nothing
			return fmt.Errorf("%s, %s: %s", p.work, p.must, p.verdict())
		}
	}
	return nil
}

// measure does one stage, on servers of its own.
func (b *bench) measure(ctx context.Context, st stage) error {
	dir, err := os.MkdirTemp(b.dir, "leasehold-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s := &setting{bench: b, servers: st.servers, dir: dir}
	if s.zookeeper, err = lab.StartZooKeeper(dir, st.servers, ""); err != nil {
		return err
	}
	defer s.zookeeper.Stop()
	if b.Versions == nil {
		if b.Versions, err = lab.Versions(s.zookeeper); err != nil {
			return err
		}
	}
	if s.etcd, err = lab.StartEtcd(dir, st.servers); err != nil {
		return err
	}
	defer s.etcd.Stop()
	defer func() {
		lab.Each(len(s.closers), 50, func(i int) error {
			s.closers[i]()
			return nil
		})
	}()
	return st.run(ctx, s)
}
