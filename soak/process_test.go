package soak_test

import (
	"encoding/json"
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

// python is Debian's own: another one on the PATH would not see python3-kazoo.
const python = "/usr/bin/python3"

// A chronicle gathers what all processes of a run log. It is safe for
// concurrent use.
type chronicle struct {
	mu      sync.Mutex
	changed *sync.Cond
	events  []history.Event
	errs    []error
}

func newChronicle() *chronicle {
	c := &chronicle{}
	c.changed = sync.NewCond(&c.mu)
	return c
}

func (c *chronicle) add(e history.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events = append(c.events, e)
	c.changed.Broadcast()
}

// note adds an Event of the test itself, now.
func (c *chronicle) note(e history.Event) { c.add(history.Stamp(e)) }

// all returns the Events so far.
func (c *chronicle) all() []history.Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.events)
}

// from returns the Events from number i on, and moves i behind them.
func (c *chronicle) from(i *int) []history.Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	events := c.events[*i:]
	*i = len(c.events)
	return events
}

// patience bounds every wait for a process.
const patience = 30 * time.Second

// await returns the first Event that matches, once it is there.
func (c *chronicle) await(t *testing.T, what string, match func(history.Event) bool) history.Event {
	t.Helper()
	late := time.AfterFunc(patience, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.changed.Broadcast()
	})
	defer late.Stop()
	deadline := time.Now().Add(patience)
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
			t.Fatalf("no %s in %s", what, patience)
		}
		c.changed.Wait()
	}
}

// A process is a holder that runs.
type process struct {
	run       string
	chronicle *chronicle
	proc      *child.Process
	stdin     io.WriteCloser
	stderr    *os.File
	read      chan struct{} // closed when all that it logged is in the chronicle
}

// start starts cmd as the holder of that run.
func (c *chronicle) start(t *testing.T, run string, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{run: run, chronicle: c, read: make(chan struct{})}
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
			c.mu.Lock()
			defer c.mu.Unlock()
			c.errs = append(c.errs, err)
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
		p.chronicle.note(history.Event{Kind: history.Ended, Run: p.run})
		p.proc.Kill()
	}
	<-p.read
}

// tell gives a holder without a plan something to do. It doesn't wait.
func (p *process) tell(t *testing.T, command any) {
	t.Helper()
	line, err := json.Marshal(command)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.stdin.Write(append(line, '\n')); err != nil {
		t.Fatalf("tell %s: %v", p.run, err)
	}
}

// answer returns what the n-th call of that kind came to, from 1.
func (p *process) answer(t *testing.T, op string, n int) history.Event {
	t.Helper()
	return p.chronicle.await(t, "answer of "+p.run+" to "+op, func(e history.Event) bool {
		if e.Run != p.run || e.Kind != history.Answer || e.Op != op {
			return false
		}
		n--
		return n == 0
	})
}

// kazooScript returns the path of the kazoo holder.
func kazooScript(t *testing.T) string {
	t.Helper()
	if _, err := os.Stat(python); err != nil {
		t.Fatalf("%v; apt-get install python3-kazoo", err)
	}
	script, err := filepath.Abs("kazoo_holder.py")
	if err != nil {
		t.Fatal(err)
	}
	return script
}

// goBuild builds the holder of the module in dir.
func goBuild(t *testing.T, dir string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "holder")
	cmd := exec.Command("go", "build", "-o", binary, "./soak/holder")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the holder in %s: %v\n%s", dir, err, out)
	}
	return binary
}
