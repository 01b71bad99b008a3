package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-zookeeper/zk"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/bench/figures"
	"leasehold.example/leasehold/bench/lab"
	"leasehold.example/leasehold/zookeeper"
)

const (
	leaseholdPeer = "Leasehold"
	kazooPeer     = "kazoo"

	workers = 64 // clients at once
	held    = "/capacity/held"

	starts        = "starts at once"
	startsSpread  = "starts within 2 s"
	startsBacklog = "starts at once, default backlog"
)

// A bench is a server that is measured, and its clients.
type bench struct {
	*figures.Run
	*lab.ZooKeeper
	stores []*zookeeper.Store
	conns  []*zk.Conn
}

// measure takes about two minutes.
func measure(parent string) (err error) {
	run := &figures.Run{Date: time.Now().UTC().Truncate(time.Second)}
	if run.Machine, err = lab.Machine(parent); err != nil {
		return err
	}
	err = withServer(run, parent, "clientPortListenBacklog=4096\n", func(b *bench, dir string) error {
		if b.Versions, err = lab.Versions(b.ZooKeeper); err != nil {
			return err
		}
		flush, err := lab.SyncTime(dir)
		if err != nil {
			return err
		}
		b.Add(figures.Key{Work: "flush"}, flush.Seconds()*1000)
		b.Add(figures.Key{Work: "processors"}, float64(runtime.NumCPU()))
		for _, step := range []func() error{
			b.leaseholdCosts,
			b.kazooCosts,
			func() error { return b.leaseholdHerd(starts, 1000, 9, 0) },
			func() error { return b.leaseholdHerd(startsSpread, 1000, 3, 2*time.Second) },
			func() error { return b.leaseholdHerd(starts, 5000, 3, 0) },
			b.kazooHerds,
		} {
			if err := step(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = withServer(run, parent, "", func(b *bench, _ string) error { return b.leaseholdHerd(startsBacklog, 1000, 5, 0) })
	if err != nil {
		return err
	}
	run.Seconds = time.Since(run.Date).Seconds()
	return run.Save(results)
}

// withServer starts a server, opens what is used on it, and has Java compile
// what the measured work runs through.
func withServer(run *figures.Run, parent, extra string, f func(b *bench, dir string) error) error {
	dir, err := os.MkdirTemp(parent, "leasehold-capacity-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	server, err := lab.StartZooKeeper(dir, 1, extra)
	if err != nil {
		return err
	}
	defer server.Stop()
	b := &bench{Run: run, ZooKeeper: server}
	for i := range workers {
		store, err := b.open()
		if err != nil {
			return err
		}
		defer store.Close()
		b.stores = append(b.stores, store)
		conn, err := lab.Connect(server.Addr)
		if err != nil {
			return err
		}
		defer conn.Close()
		b.conns = append(b.conns, conn)
		if i == 0 {
			if err := b.attempt(store, "another", held); err != nil {
				return err
			}
		}
		if _, err := conn.Create(node(i), nil, 0, zk.WorldACL(zk.PermAll)); err != nil {
			return err
		}
	}
	for range 2 {
		for _, f := range []func(int) error{b.denied, b.set, b.session} {
			if _, err := b.cost(1500*time.Millisecond, f); err != nil {
				return err
			}
		}
	}
	return f(b, dir)
}

func node(worker int) string { return fmt.Sprintf("/capacity/node-%d", worker) }

func (b *bench) open() (*zookeeper.Store, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return zookeeper.Open(ctx, "zk://"+b.Addr, nil)
}

func (b *bench) attempt(s *zookeeper.Store, holder, path string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	client := leasehold.Client{Store: s, Holder: holder}
	_, err := client.TryAcquire(ctx, path, time.Hour)
	return err
}

// The work that is measured, by one of the workers.

func (b *bench) denied(worker int) error { return b.denial(b.stores[worker]) }

func (b *bench) denial(s *zookeeper.Store) error {
	if err := b.attempt(s, "host", held); !errors.Is(err, leasehold.ErrHeld) {
		return fmt.Errorf("got error %v, want a denial", err)
	}
	return nil
}

func (b *bench) set(worker int) error {
	_, err := b.conns[worker].Set(node(worker), make([]byte, 64), -1)
	return err
}

func (b *bench) session(int) error {
	s, err := b.open()
	if err != nil {
		return err
	}
	return s.Close()
}

// cost has all workers do f for a while, and returns what one costs.
func (b *bench) cost(d time.Duration, f func(worker int) error) (work, error) {
	counts := make([]int, workers)
	return b.spent(func() (client float64, n int, err error) {
		own := lab.CPU()
		until := time.Now().Add(d)
		err = lab.Each(workers, workers, func(i int) error {
			for time.Now().Before(until) {
				if err := f(i); err != nil {
					return err
				}
				counts[i]++
			}
			return nil
		})
		for _, c := range counts {
			n += c
		}
		return (lab.CPU() - own).Seconds(), n, err
	})
}

// spent returns what each of n requests that f makes costs.
func (b *bench) spent(f func() (client float64, n int, err error)) (work, error) {
	total, pipeline, err := b.cpu()
	if err != nil {
		return work{}, err
	}
	client, n, err := f()
	if err != nil {
		return work{}, err
	}
	totalThen, pipelineThen, err := b.cpu()
	p, per := pipelineThen-pipeline, 1/float64(n)
	return work{p * per, (totalThen - total - p) * per, client * per}, err
}

// add keeps the cost of a request, in milliseconds.
func (b *bench) add(request, peer string, w work) {
	b.Add(figures.Key{Work: request + ", pipeline", Peer: peer}, w.pipeline*1000)
	b.Add(figures.Key{Work: request + ", server", Peer: peer}, w.server*1000)
	b.Add(figures.Key{Work: request + ", client", Peer: peer}, w.client*1000)
}

func (b *bench) leaseholdCosts() error {
	for request, f := range map[string]func(int) error{"read": b.denied, "write": b.set, "session": b.session} {
		w, err := b.cost(4*time.Second, f)
		if err != nil {
			return err
		}
		b.add(request, leaseholdPeer, w)
	}
	return nil
}

// kazooCosts are Python's own: its requests cost the server what Leasehold's do.
func (b *bench) kazooCosts() error {
	d, err := lab.StartKazoo(b.Addr)
	if err != nil {
		return err
	}
	defer d.Stop()
	const children, list = 1000, "/capacity/list"
	for i := range children {
		name := fmt.Sprintf("%s/%032x__lock__%010d", list, i, i)
		if i == 0 {
			_, err = b.conns[0].Create(list, nil, 0, zk.WorldACL(zk.PermAll))
		}
		if err == nil {
			_, err = b.conns[0].Create(name, nil, 0, zk.WorldACL(zk.PermAll))
		}
		if err != nil {
			return err
		}
	}
	var read work
	for _, request := range []struct {
		name  string
		n     int
		order []any
	}{
		{"session", 100, []any{"sessions", 100}},
		{"read", 3000, []any{"reads", 3000, held}},
		{"write", 2000, []any{"writes", 2000, node(0)}},
		{"child", 200, []any{"lists", 200, list}},
	} {
		var w work
		for range 2 { // the first is a rehearsal
			w, err = b.spent(func() (client float64, n int, err error) {
				answer, err := d.Ask(request.order...)
				if err != nil {
					return 0, 0, err
				}
				return float64(answer[0]) / 1e9, request.n, nil
			})
			if err != nil {
				return err
			}
		}
		if request.name == "read" {
			read = w
		}
		if request.name == "child" {
			w = work{}.plus(w.plus(read, -1), 1.0/children)
		}
		b.add(request.name, kazooPeer, w)
	}
	return nil
}

// cpu returns the processor time that the server has used, in seconds: all of
// it, and that of the busier of the two threads that every request passes, one
// after the other (PrepRequestProcessor and SyncRequestProcessor).
func (b *bench) cpu() (total, pipeline float64, err error) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", b.Pid()))
	for _, task := range tasks {
		used, err := os.ReadFile(task + "/schedstat")
		if errors.Is(err, os.ErrNotExist) {
			continue // this thread has ended
		}
		first, _, _ := strings.Cut(string(used), " ")
		nanoseconds, err2 := strconv.ParseFloat(first, 64)
		if err := errors.Join(err, err2); err != nil {
			return 0, 0, err
		}
		total += nanoseconds / 1e9
		name, _ := os.ReadFile(task + "/comm")
		if strings.HasPrefix(string(name), "SyncThread") || strings.HasPrefix(string(name), "ProcessThread") {
			pipeline = max(pipeline, nanoseconds/1e9)
		}
	}
	if pipeline == 0 {
		return 0, 0, errors.New("the server has no thread SyncThread or ProcessThread")
	}
	return total, pipeline, nil
}

// leaseholdHerd has many hosts each open a session, ask for the lease and close
// the session, all at one moment or spread over a delay.
func (b *bench) leaseholdHerd(name string, n, rounds int, delay time.Duration) error {
	return b.herd(name, leaseholdPeer, n, rounds, func() ([]time.Duration, error) {
		begin := time.Now().Add(200 * time.Millisecond)
		waits := make([]time.Duration, n)
		err := lab.Each(n, n, func(i int) error {
			start := begin.Add(time.Duration(rand.Float64() * float64(delay)))
			time.Sleep(time.Until(start))
			s, err := b.open()
			if err != nil {
				return err
			}
			err = b.denial(s)
			waits[i] = time.Since(start)
			return errors.Join(err, s.Close())
		})
		return waits, err
	})
}

// kazooHerds are of threads with a client each, in four Python processes.
func (b *bench) kazooHerds() error {
	var all [4]*lab.Driver
	for i := range all {
		d, err := lab.StartKazoo(b.Addr)
		if err != nil {
			return err
		}
		defer d.Stop()
		all[i] = d
	}
	for _, n := range []int{48, 100, 200} {
		err := b.herd(starts, kazooPeer, n, 3, func() ([]time.Duration, error) {
			begin := lab.Monotonic() + (500 * time.Millisecond).Nanoseconds()
			var answers [len(all)][]int64
			err := lab.Each(len(all), len(all), func(i int) (err error) {
				answers[i], err = all[i].Ask("starts", fmt.Sprintf("p%d-", i), n/len(all), held, begin)
				return err
			})
			var waits []time.Duration
			for _, a := range answers {
				for _, wait := range a {
					waits = append(waits, time.Duration(wait))
				}
			}
			return waits, err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// herd keeps the medians of several rounds: of the median wait and of the
// longest.
func (b *bench) herd(name, peer string, n, rounds int, play func() ([]time.Duration, error)) error {
	var medians, longest []time.Duration
	for range rounds {
		waits, err := play()
		if err != nil {
			return fmt.Errorf("%s, %d of %s: %w", name, n, peer, err)
		}
		slices.Sort(waits)
		medians, longest = append(medians, waits[len(waits)/2]), append(longest, waits[len(waits)-1])
	}
	b.AddSamples(figures.Key{Work: name + ", median", Peer: peer, Size: n}, medians)
	b.AddSamples(figures.Key{Work: name + ", longest", Peer: peer, Size: n}, longest)
	return nil
}
