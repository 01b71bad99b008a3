package soak_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"leasehold.example/leasehold/internal/zktest/child"
	"leasehold.example/leasehold/soak/history"
)

// An eventLog gathers what all processes of a run log. It is safe for
// concurrent use.
type eventLog struct {
	mu      sync.Mutex
	changed *sync.Cond
	events  []history.Event
}

func newEventLog() *eventLog {
	c := &eventLog{}
	c.changed = sync.NewCond(&c.mu)
	return c
}

func (c *eventLog) add(e history.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events = append(c.events, e)
	c.changed.Broadcast()
}

// addNow adds an Event of the test itself.
func (c *eventLog) addNow(e history.Event) { c.add(history.Stamp(e)) }

// all returns the Events so far.
func (c *eventLog) all() []history.Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.events)
}

// from returns the Events from number i on, and moves i behind them.
func (c *eventLog) from(i *int) []history.Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	events := c.events[*i:]
	*i = len(c.events)
	return events
}

// waitLimit bounds every wait for a process.
const waitLimit = 30 * time.Second

// await waits for an Event that matches, and returns the first one.
func (c *eventLog) await(t *testing.T, what string, match func(history.Event) bool) history.Event {
	t.Helper()
	late := time.AfterFunc(waitLimit, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.changed.Broadcast()
	})
	defer late.Stop()
	deadline := time.Now().Add(waitLimit)
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := 0; ; {
		for ; i < len(c.events); i++ {
			if match(c.events[i]) {
				return c.events[i]
			}
		}
		if time.Now().After(deadline) {
			for _, e := range c.events[max(0, len(c.events)-20):] {
				t.Log(e)
			}
			t.Fatalf("no %s in %s", what, waitLimit)
		}
		c.changed.Wait()
	}
}

// A process is a holder that runs.
type process struct {
	run    string
	log    *eventLog
	proc   *child.Process
	stdin  io.WriteCloser
	stderr *os.File
	read   chan struct{} // closed when all that it logged is in the log
}

// start starts cmd as the holder of that run.
func (c *eventLog) start(t *testing.T, run string, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{run: run, log: c, read: make(chan struct{})}
	out, stdout, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdout.Close() // the child has its own
	if p.stdin, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if p.stderr, err = os.CreateTemp(t.TempDir(), "stderr"); err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = stdout, p.stderr
	if p.proc, err = child.Start(cmd); err != nil {
		t.Fatalf("start %s: %v", run, err)
	}
	go func() {
		defer close(p.read)
		defer out.Close()
		if err := history.Read(out, c.add); err != nil {
			t.Errorf("read what %s logs: %v", run, err)
		}
	}()
	t.Cleanup(func() {
		p.kill()
		p.stderr.Close()
		if text, err := os.ReadFile(p.stderr.Name()); t.Failed() && (len(text) > 0 || err != nil) {
			t.Logf("standard error of %s: %s", run, text)
		}
	})
	return p
}

// kill ends the process as kill -9 does, and returns when all that it logged
// has been read.
func (p *process) kill() {
	select {
	case <-p.proc.Done():
	default:
		p.log.addNow(history.Event{Kind: history.Ended, Run: p.run})
		p.proc.Kill()
	}
	<-p.read
}

// result returns what the n-th call of that kind came to, from 1.
func (p *process) result(t *testing.T, op string, n int) history.Event {
	t.Helper()
	return p.log.await(t, "result of "+p.run+"'s "+op, func(e history.Event) bool {
		if e.Run != p.run || e.Kind != history.Result || e.Op != op {
			return false
		}
		n--
		return n == 0
	})
}

// kazooScript returns the path of the kazoo holder.
func kazooScript(t *testing.T) string {
	t.Helper()
	script, err := filepath.Abs("kazoo_holder.py")
	if err != nil {
		t.Fatal(err)
	}
	return script
}

// python returns an interpreter that has kazoo.
func python(t *testing.T) string {
	t.Helper()
	const path = "/usr/bin/python3"
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v; apt-get install python3-kazoo", err)
	}
	return path
}
