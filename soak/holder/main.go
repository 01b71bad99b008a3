// Command holder is one process that competes for leases, and logs to standard
// output what it was told and when it was allowed to act (package history).
//
// With -plan it makes random calls, by a seed, until it is killed. Without, it
// does what standard input says, one Command in JSON a line, and ends with it.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"sync"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/soak/history"
	"leasehold.example/leasehold/zookeeper"
)

func main() {
	var (
		run     = flag.String("run", "", "name of this process in the history")
		holder  = flag.String("holder", "", "holder name")
		hosts   = flag.String("hosts", "", "host:port,… of the servers, with options of a store's URL")
		session = flag.Duration("session", 4*time.Second, "session timeout")
		skew    = flag.Duration("skew", 0, "MaxClockSkew, 0 for its default")
		plan    = flag.String("plan", "", `leases to compete for, as in "/a,/b,/c:2" with 2 slots of /c`)
		seed    = flag.Uint64("seed", 0, "of the plan")

		ticks    = flag.String("ticks", "", "path of a schedule to run the ticks of, beside the plan")
		period   = flag.Duration("period", 0, "between its ticks")
		attempts = flag.Int("attempts", 1, "of each tick")
	)
	flag.Parse()
	p := &process{run: *run, holder: *holder, out: json.NewEncoder(os.Stdout)}
	p.log(history.Event{Kind: history.Started})
	options := &zookeeper.Options{SessionTimeout: *session}
	store, err := open(*hosts, options)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	p.client = &leasehold.Client{Store: store, Holder: *holder, MaxClockSkew: *skew}
	p.log(history.Event{Kind: history.Session})
	if *ticks != "" {
		go p.runTicks(*ticks, *period, *attempts, *seed)
	}
	if *plan != "" {
		p.compete(*plan, *seed)
	}
	p.runCommands()
	store.Close()
}

// A process is this one.
type process struct {
	run, holder string
	client      *leasehold.Client

	mu   sync.Mutex // guards what is below
	out  *json.Encoder
	last int64 // number of the last call
}

// open waits for the servers for as long as it takes.
func open(hosts string, options *zookeeper.Options) (*zookeeper.Store, error) {
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		store, err := zookeeper.Open(ctx, "zk://"+hosts, options)
		cancel()
		if err == nil || ctx.Err() == nil {
			return store, err
		}
	}
}

// log writes e, with the time if it has none.
func (p *process) log(e history.Event) {
	if e.At == 0 {
		e = history.Stamp(e)
	}
	e.Run, e.Holder = p.run, p.holder
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.out.Encode(e); err != nil {
		os.Exit(1) // nobody reads it any more
	}
}

// A Command comes from a test. Commands are carried out one after another.
type Command struct {
	Op       string        `json:"op"`   // try, acquire, renew or release
	Path     string        `json:"path"` // of the lease
	Duration time.Duration `json:"duration"`
	Within   time.Duration `json:"within"` // bound on the call
}

// runCommands does what standard input says. While it has a lease, it reads all
// the time whether it may act on it.
func (p *process) runCommands() {
	held := map[string]*heldLease{}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var c Command
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		ctx, cancel := context.WithTimeout(context.Background(), c.Within)
		switch h := held[c.Path]; c.Op {
		case "renew":
			p.renew(ctx, h)
		case "release":
			p.release(ctx, h)
		default:
			if h != nil {
				p.stop(h)
			}
			if h := p.acquire(ctx, request{op: c.Op, path: c.Path, duration: c.Duration}); h != nil {
				held[c.Path] = h
				go p.watch(h)
			}
		}
		cancel()
	}
}

// watch samples until the lease is over.
func (p *process) watch(h *heldLease) {
	for p.sample(h) {
		time.Sleep(20 * time.Millisecond)
	}
}
