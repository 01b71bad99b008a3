package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/go-zookeeper/zk"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/zookeeper"
)

// A Measurement is all that the document is made of.
type Measurement struct {
	Date       string
	Machine    string
	Processors int
	Go         string
	ZooKeeper  string
	KazooIs    string
	Leasehold  Costs
	Kazoo      Costs
	Herds      []Herd
}

// A Herd is a crowd that was measured; medians of its rounds, in seconds.
type Herd struct {
	Starts  int
	Delay   float64
	Kazoo   bool
	Expired bool
	Backlog bool // the server has its default clientPortListenBacklog of 50
	Rounds  int

	Available float64 // processors that nobody else used meanwhile
	Median    float64 // of the answers, each from its start
	Last      float64 // of the answers, from the first start
}

const (
	workers = 64
	taken   = "/capacity/taken"
)

// A bench is a server that is measured, and its clients.
type bench struct {
	*server
	stores []*zookeeper.Store
	conns  []*zk.Conn
}

// measure takes about two minutes.
func measure(progress func(string)) (m Measurement, err error) {
	dir, err := os.MkdirTemp("", "capacity-")
	if err != nil {
		return m, err
	}
	defer os.RemoveAll(dir)
	s, err := startServer(dir, "clientPortListenBacklog=4096\n")
	if err != nil {
		return m, err
	}
	defer s.proc.Kill()
	b := &bench{server: s}
	m = Measurement{
		Date:       time.Now().UTC().Format(time.DateOnly),
		Machine:    machineName(),
		Processors: processors(),
		Go:         strings.TrimPrefix(runtime.Version(), "go"),
	}
	if m.ZooKeeper, err = s.version(); err != nil {
		return m, err
	}
	for _, step := range []struct {
		name string
		do   func(*Measurement) error
	}{
		{"one server, warmed up", b.warm},
		{"costs of Leasehold's requests", b.leaseholdCosts},
		{"costs of kazoo's requests", b.kazooCosts},
		{"herds of Leasehold's", b.leaseholdHerds},
		{"herds of kazoo's", b.kazooHerds},
		{"a herd on a server with its default backlog", b.backlogHerds},
	} {
		progress(step.name)
		if err := step.do(&m); err != nil {
			return m, fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return m, nil
}

// warm opens what is used later, and has Java compile what the measured work
// runs through.
func (b *bench) warm(*Measurement) error {
	for i := range workers {
		store, err := b.open()
		if err != nil {
			return err
		}
		b.stores = append(b.stores, store)
		conn, _, err := zk.Connect([]string{b.addr}, 10*time.Second, zk.WithLogInfo(false), zk.WithLogger(silent{}))
		if err != nil {
			return err
		}
		b.conns = append(b.conns, conn)
		if err := b.own(i); err != nil {
			return err
		}
		if _, err := conn.Create(node(i), nil, 0, zk.WorldACL(zk.PermAll)); err != nil {
			return err
		}
	}
	if err := b.take(taken); err != nil {
		return err
	}
	for range 2 {
		for _, f := range []func(int) error{b.denied, b.set, b.own, b.session} {
			if _, err := b.cost(1500*time.Millisecond, f); err != nil {
				return err
			}
		}
	}
	return nil
}

type silent struct{}

func (silent) Printf(string, ...any) {}

func node(worker int) string { return fmt.Sprintf("/capacity/node-%d", worker) }

func (b *bench) open() (*zookeeper.Store, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return zookeeper.Open(ctx, "zk://"+b.addr, nil)
}

func (b *bench) attempt(s *zookeeper.Store, holder, path string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	client := leasehold.Client{Store: s, Holder: holder}
	_, err := client.TryAcquire(ctx, path, time.Hour)
	return err
}

// take makes a lease another's, and free makes it free again.
func (b *bench) take(path string) error { return b.attempt(b.stores[0], "another", path) }

func (b *bench) free(path string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	client := leasehold.Client{Store: b.stores[0], Holder: "another"}
	return client.Release(ctx, path)
}

// The work that is measured, by one of the workers.

func (b *bench) denied(worker int) error {
	return wantHeld(b.attempt(b.stores[worker], "host", taken))
}

func wantHeld(err error) error {
	if !errors.Is(err, leasehold.ErrHeld) {
		return fmt.Errorf("got %w, want a denial", err)
	}
	return nil
}

func (b *bench) set(worker int) error {
	_, err := b.conns[worker].Set(node(worker), make([]byte, 64), -1)
	return err
}

func (b *bench) own(worker int) error {
	return b.attempt(b.stores[worker], "host", fmt.Sprintf("/capacity/own-%d", worker))
}

func (b *bench) session(int) error {
	s, err := b.open()
	if err != nil {
		return err
	}
	return s.Close()
}

// cost has all workers do f for a while, and returns what one costs.
func (b *bench) cost(d time.Duration, f func(worker int) error) (Work, error) {
	counts := make([]int, workers)
	total, pipeline, err := b.cpu()
	if err != nil {
		return Work{}, err
	}
	own := ownCPU()
	until := time.Now().Add(d)
	err = together(workers, func(i int) error {
		for time.Now().Before(until) {
			if err := f(i); err != nil {
				return err
			}
			counts[i]++
		}
		return nil
	})
	if err != nil {
		return Work{}, err
	}
	ownThen := ownCPU()
	totalThen, pipelineThen, err := b.cpu()
	if err != nil {
		return Work{}, err
	}
	n := 0
	for _, c := range counts {
		n += c
	}
	return work(totalThen-total, pipelineThen-pipeline, ownThen-own, n), nil
}

// work returns the cost of one of n.
func work(server, pipeline, client float64, n int) Work {
	per := float64(n)
	return Work{Pipeline: pipeline / per, Server: (server - pipeline) / per, Client: client / per}
}

const each = 4 * time.Second

func (b *bench) leaseholdCosts(m *Measurement) error {
	c := &m.Leasehold
	var own, cycle Work
	for _, phase := range []struct {
		f    func(int) error
		into *Work
	}{{b.denied, &c.Read}, {b.set, &c.Write}, {b.own, &own}, {b.session, &cycle}} {
		var err error
		if *phase.into, err = b.cost(each, phase.f); err != nil {
			return err
		}
	}
	c.Grant = own.plus(c.Read, -2) // the record and the children come before
	c.Open = Work{}.plus(cycle, 0.5)
	c.Close = c.Open
	var err error
	c.Flush, err = syncTime(b.dir)
	return err
}

// syncTime returns the median time of a sync of a few hundred bytes to a file
// that has its length already, which is what the server's log does.
func syncTime(dir string) (float64, error) {
	f, err := os.Create(filepath.Join(dir, "sync"))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if err := f.Truncate(1 << 20); err != nil {
		return 0, err
	}
	var times []float64
	for i := range 300 {
		began := time.Now()
		if _, err := f.WriteAt(make([]byte, 300), int64(i)*300); err != nil {
			return 0, err
		}
		if err := syscall.Fdatasync(int(f.Fd())); err != nil {
			return 0, err
		}
		times = append(times, time.Since(began).Seconds())
	}
	slices.Sort(times)
	return quantile(times, 0.5), nil
}

// kazooCosts are the server's as they were measured with Leasehold, and
// Python's own.
func (b *bench) kazooCosts(m *Measurement) error {
	p, err := startPython(b.addr)
	if err != nil {
		return err
	}
	defer p.proc.Kill()
	m.KazooIs = p.version
	const children = 1000
	if _, err := b.conns[0].Create("/capacity/list", nil, 0, zk.WorldACL(zk.PermAll)); err != nil {
		return err
	}
	for i := range children {
		name := fmt.Sprintf("/capacity/list/%032x__lock__%010d", i, i)
		if _, err := b.conns[0].Create(name, nil, 0, zk.WorldACL(zk.PermAll)); err != nil {
			return err
		}
	}
	cost := func(o order) (w Work, err error) {
		for range 2 { // the first is a rehearsal
			total, pipeline, err := b.cpu()
			if err != nil {
				return w, err
			}
			_, client, err := p.do(o)
			if err != nil {
				return w, err
			}
			totalThen, pipelineThen, err := b.cpu()
			if err != nil {
				return w, err
			}
			w = work(totalThen-total, pipelineThen-pipeline, client, o.N)
		}
		return w, nil
	}
	c := &m.Kazoo
	*c = m.Leasehold
	c.Grant = Work{} // it has none
	for _, phase := range []struct {
		order
		into *Work
	}{
		{order{Op: "sessions", N: 100}, &c.Open},
		{order{Op: "reads", N: 3000, Path: taken}, &c.Read},
		{order{Op: "writes", N: 2000, Path: node(0)}, &c.Write},
	} {
		w, err := cost(phase.order)
		if err != nil {
			return err
		}
		phase.into.Client = w.Client
	}
	c.Open.Client /= 2
	c.Close.Client = c.Open.Client
	list, err := cost(order{Op: "lists", N: 200, Path: "/capacity/list"})
	if err != nil {
		return err
	}
	c.Child = Work{}.plus(list.plus(c.Read, -1), 1.0/children)
	return nil
}

// together calls f for each of n at once, and returns one of their errors.
func together(n int, f func(i int) error) error {
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { errs[i] = f(i) })
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
